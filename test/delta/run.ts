import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect } from 'vitest'
import type { TenantHandle } from '../../simulator/types.ts'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { mutate } from '../../simulator/mutate.ts'
import { between, seededRandom, type Random } from '../../simulator/random.ts'
import { compareWithTruth } from '../../src/cli/demo-truth.ts'
import { createGraph, type Graph } from '../../src/graph/graph.ts'
import type { SyncContext } from '../../src/sync/context.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { holdHash } from '../../src/db/holds.ts'
import { describeError } from '../../src/errors.ts'
import { approveHold } from '../../src/holds/decide.ts'
import { listHolds } from '../../src/holds/list.ts'
import { runSync } from '../../src/sync/run.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testCa } from '../harness/ca.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { deployTo } from '../harness/deployed.ts'
import { targetDifferences } from '../targets/model/differences.ts'
import { watchTargets } from './watch.ts'

const log = pino({ level: 'silent' })
/** What leaves in so small a directory is a large share; the guard has its own tests. */
const guard = { holdMin: 1_000_000, holdPercent: 100, holdMax: 1_000_000 }
const licenseGraceMs = 30 * 86_400_000
const longestLateMs = 150

export interface DeltaRun {
  mutations: number
  cycles: number
  /** Removals of targets that were looked at. */
  removals: number
}

/**
 * Lets about so many things happen in one directory, read by delta while it misbehaves in all the ways that Microsoft
 * publishes: replayed, doubled, shuffled and late changes, split members, empty pages, expired delta, page and access
 * tokens. No target goes that the truth keeps; now and then, two polls and a sweep later, everything equals the truth.
 */
export async function deltaRun(seed: number, mutations: number): Promise<DeltaRun> {
  const [cloud, database] = await Promise.all([
    startCloud({ ca: testCa(), seed, sizes: [40], customers: 0, groupsPerTenant: 8 }),
    testDatabase(),
  ])
  const graph = createGraph({
    cloud: { loginUrl: cloud.origin, graphUrl: cloud.origin },
    appFor: async () => ({ clientId: cloud.clientId, secret: cloud.clientSecret }),
    log,
  })
  try {
    return await cycles({ cloud, database, graph }, seed, mutations)
  } finally {
    graph.close()
    await database.drop()
    await cloud.close()
  }
}

interface Parts {
  cloud: Cloud
  database: TestDatabase
  graph: Graph
}

async function cycles(parts: Parts, seed: number, mutations: number): Promise<DeltaRun> {
  const { cloud, database } = parts
  const { db } = database
  const [tenant] = cloud.tenants
  if (tenant === undefined) throw new Error('the cloud has a tenant')
  const { directory, id } = tenant
  const random = seededRandom(seed)
  await db.insertInto('entra_tenants').values({ entra_tenant_id: id }).execute()
  // The same for the whole run: what has been told once is not late any more.
  const lateMs = seed % 3 === 0 ? 0 : between(random, 1, longestLateMs)
  const watch = watchTargets(db, await deployTo(db, tenant), { late: lateMs > 0 })
  const targets = { db, guard, licenseGraceMs, log }
  const run: DeltaRun = { mutations: 0, cycles: 0, removals: 0 }

  /** One poll, or a sweep, and what follows of it for the targets. */
  async function poll(mode: 'delta' | 'full' = 'delta'): Promise<void> {
    const where = { seed, cycle: run.cycles }
    watch.look(directory.truth())
    const started = watch.looks
    const sync = await syncFully(contextOf(parts, random), id, mode)
    expect({ ...where, ...endOf(sync) }).toEqual({ ...where, well: true, why: [] })
    const { failed } = await resolveTargets(targets, { trigger: 'test' })
    expect({ ...where, failed, wrong: await watch.wrongRemovals(started) }).toEqual({
      ...where,
      failed: [],
      wrong: [],
    })
  }

  /** As `poll`, while things go on happening: a page may tell what the one before it told otherwise. */
  async function pollMeanwhile(): Promise<void> {
    const flapping = flaps(cloud.tenant(id), random)
    const timer = setInterval(() => {
      flapping.next()
      watch.look(directory.truth())
    }, 3)
    await poll().finally(() => clearInterval(timer))
    flapping.end()
    watch.look(directory.truth())
  }

  async function differences(): Promise<string[]> {
    const stored = await compareWithTruth(db, directory.truth(), { sources: false })
    return [...stored, ...(await targetDifferences(db)), ...(await watch.differences())]
  }

  async function settle(): Promise<void> {
    const where = { seed, cycle: run.cycles }
    await sleep(lateMs)
    cloud.faults.knobs(id, { lateMs: 0, expiredDeltaToken: null, expiredPageToken: false })
    await poll()
    await poll()
    // By now all that is held is gone in truth: nothing is late any more, and nothing happens meanwhile.
    for (const { holdId } of await listHolds(db))
      await approveHold(targets, { holdId, hash: await holdHash(db, holdId), by: 'test' })
    // A full round of users can't tell who was purged from who may come back: edges to them go with a sweep.
    const found = (await differences()).filter((line) => !/^members .*: stored, but not in/.test(line))
    expect({ ...where, found }).toEqual({ ...where, found: [] })
    await poll('full')
    expect({ ...where, found: await differences() }).toEqual({ ...where, found: [] })
  }

  await settle()
  while (run.mutations < mutations) {
    run.cycles += 1
    const batch = between(random, 5, 90)
    // What is late is cut off anywhere, so that each moment counts; else only what a round may find.
    if (lateMs === 0) mutate(tenant, batch, random)
    else
      for (let count = 0; count < batch; count++) {
        mutate(tenant, 1, random)
        watch.look(directory.truth())
      }
    run.mutations += batch
    misbehave(cloud, id, random, lateMs)
    await (lateMs === 0 ? poll() : pollMeanwhile())
    if (run.cycles % 8 === 0 || run.mutations >= mutations) await settle()
    cloud.faults.clear()
  }
  return { ...run, removals: watch.removals }
}

/** Somebody is deleted and restored, or leaves a group and joins it again, at once; `end` takes the last half back. */
function flaps({ directory }: TenantHandle, random: Random): { next(): void; end(): void } {
  let back: (() => void) | null = null
  const end = (): void => {
    back?.()
    back = null
  }
  return {
    end,
    next() {
      if (back !== null) return end()
      const { users, members } = directory.truth()
      const user = users[Math.floor(random() * users.length)]
      const edge = members[Math.floor(random() * members.length)]
      if (random() < 0.5 && user !== undefined) {
        directory.deleteUser(user.id)
        back = () => directory.restoreUser(user.id)
      } else if (edge !== undefined) {
        directory.removeMember(edge.groupId, edge.memberId)
        back = () => directory.addMember(edge.groupId, edge.memberId)
      }
    },
  }
}

/** All of it at once, each as bad as luck has it. */
function misbehave({ faults, issuer }: Cloud, tenantId: string, random: Random, lateMs: number): void {
  faults.knobs(tenantId, {
    replays: random(),
    duplicates: random() * 0.6,
    shuffle: random() < 0.8,
    splitMembers: between(random, 1, 12),
    emptyPages: random() * 0.5,
    pageSize: between(random, 3, 60),
    lateMs,
  })
  if (random() < 0.15) faults.knobs(tenantId, { expiredDeltaToken: random() < 0.5 ? 410 : 400 }, 1)
  if (random() < 0.15) faults.knobs(tenantId, { expiredPageToken: true }, 1)
  if (random() < 0.2) issuer.revoke(tenantId)
}

function contextOf({ cloud, database, graph }: Parts, random: Random): SyncContext {
  return {
    db: database.db,
    graphFor: (id) => graph.forTenant(id),
    log,
    worker: 'worker-1',
    timings: { leaseMs: 60_000, renewMs: 15_000, sliceMs: random() < 0.2 ? 0 : 60_000 },
    guard,
    appIdFor: () => cloud.clientId,
    intervals: { syncMs: 1_800_000, reconcileMs: 86_400_000 },
  }
}

/** Whether a run ended well, and what it says of itself where it did not. What empties a small directory is held. */
function endOf(sync: Awaited<ReturnType<typeof syncFully>>): { well: boolean; why: unknown[] } {
  const well = sync.outcome === 'succeeded' || sync.outcome === 'held'
  return { well, why: well ? [] : [describeError(sync.error), sync.summary] }
}

/** Runs until nothing is wanted any more, as the queue would. */
async function syncFully(context: SyncContext, id: string, mode: 'delta' | 'full') {
  await requestSync(context.db, { entraTenantId: id, mode, requestedBy: 'test', priority: 10 })
  let run = await runSync(context, id)
  while (run.status === 'yielded') run = await runSync(context, id)
  return run
}

import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect } from 'vitest'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { mutate } from '../../simulator/mutate.ts'
import { between, seededRandom, type Random } from '../../simulator/random.ts'
import { compareWithTruth } from '../../src/cli/demo-truth.ts'
import { createGraph, type Graph } from '../../src/graph/graph.ts'
import type { SyncContext } from '../../src/sync/context.ts'
import { requestSync } from '../../src/sync/requests.ts'
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
  const run: DeltaRun = { mutations: 0, cycles: 0, removals: 0 }

  /** One poll, or a sweep, and what follows of it for the targets. */
  async function poll(mode: 'delta' | 'full' = 'delta'): Promise<void> {
    const where = { seed, cycle: run.cycles }
    watch.look(directory.truth())
    const sync = await syncFully(contextOf(parts, random), id, mode)
    expect({ ...where, sync }).toMatchObject({ ...where, sync: { outcome: 'succeeded' } })
    const { failed } = await resolveTargets({ db, guard, licenseGraceMs, log }, { trigger: 'test' })
    expect({ ...where, failed, wrong: await watch.wrongRemovals() }).toEqual({
      ...where,
      failed: [],
      wrong: [],
    })
  }

  async function settle(): Promise<void> {
    await sleep(lateMs)
    cloud.faults.knobs(id, { lateMs: 0, expiredDeltaToken: null, expiredPageToken: false })
    await poll()
    await poll()
    await poll('full')
    const stored = await compareWithTruth(db, directory.truth(), { sources: false })
    const found = [...stored, ...(await targetDifferences(db)), ...(await watch.differences())]
    expect({ seed, cycle: run.cycles, found }).toEqual({ seed, cycle: run.cycles, found: [] })
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
    await poll()
    if (run.cycles % 8 === 0 || run.mutations >= mutations) await settle()
    cloud.faults.clear()
  }
  return { ...run, removals: watch.removals }
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

/** Runs until nothing is wanted any more, as the queue would. */
async function syncFully(context: SyncContext, id: string, mode: 'delta' | 'full') {
  await requestSync(context.db, { entraTenantId: id, mode, requestedBy: 'test', priority: 10 })
  let run = await runSync(context, id)
  while (run.status === 'yielded') run = await runSync(context, id)
  return run
}

import * as fc from 'fast-check'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { mutate } from '../../simulator/mutate.ts'
import { seededRandom } from '../../simulator/random.ts'
import type { DeltaKnobs, TenantHandle } from '../../simulator/types.ts'
import { createGraph, type Graph } from '../../src/graph/graph.ts'
import type { SyncContext } from '../../src/sync/context.ts'
import { runSync } from '../../src/sync/run.ts'
import { testCa } from '../harness/ca.ts'
import { compareWithTruth } from '../../src/cli/demo-truth.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { syncOnce } from './scripted.ts'

const log = pino({ level: 'silent' })
let database: TestDatabase
let cloud: Cloud
let graph: Graph

beforeAll(async () => {
  cloud = await startCloud({ ca: testCa(), sizes: [60, 40], customers: 1, groupsPerTenant: 8 })
})
afterAll(() => cloud.close())
beforeEach(async () => {
  database = await testDatabase()
  graph = createGraph({
    cloud: { loginUrl: cloud.origin, graphUrl: cloud.origin },
    appFor: async () => ({ clientId: cloud.clientId, secret: cloud.clientSecret }),
    log,
  })
  for (const { id } of cloud.tenants) {
    await database.db.insertInto('entra_tenants').values({ entra_tenant_id: id }).execute()
  }
})
afterEach(async () => {
  cloud.faults.clear()
  graph.close()
  await database.drop()
})

function contextWith(overrides: Partial<SyncContext> = {}): SyncContext {
  return {
    db: database.db,
    graphFor: (id) => graph.forTenant(id),
    log,
    worker: 'worker-1',
    timings: { leaseMs: 60_000, renewMs: 15_000, sliceMs: 60_000 },
    // What leaves in these small directories is a large share; the guard has its own tests.
    guard: { holdMin: 1_000_000, holdPercent: 100, holdMax: 1_000_000 },
    appIdFor: () => cloud.clientId,
    intervals: { syncMs: 1_800_000, reconcileMs: 86_400_000 },
    ...overrides,
  }
}

// Ids of new objects come out of the random numbers: the same seed twice would make the same user twice.
let serial = 0
const nextRandom = (seed: number) => seededRandom(seed * 1000 + ++serial)

/** Runs until nothing is wanted any more, as the queue would. */
async function syncFully(context: SyncContext, id: string, wish: { mode?: 'full' } = {}) {
  let run = await syncOnce(context, id, wish)
  for (let slices = 0; run.status === 'yielded' && slices < 500; slices++) run = await runSync(context, id)
  return run
}

const differences = (tenant: TenantHandle) => compareWithTruth(database.db, tenant.directory.truth())

test('a full sync equals the directory, of each tenant on its own', async () => {
  for (const tenant of cloud.tenants) {
    expect(await syncFully(contextWith(), tenant.id)).toMatchObject({
      status: 'finished',
      outcome: 'succeeded',
    })
    expect(await differences(tenant)).toEqual([])
  }
  const sources = await sql<{ n: number }>`select count(*) as n from person_license_sources`.execute(
    database.db,
  )
  const truth = cloud.tenants.flatMap((tenant) =>
    tenant.directory.truth().users.flatMap((user) => user.licenseSources),
  )
  expect(sources.rows).toEqual([{ n: truth.length }])
})

const askedOf = (tenant: TenantHandle) =>
  Object.fromEntries(
    Object.entries(cloud.requests.counts(tenant.id)).filter(([kind]) => !kind.includes('oauth2')),
  )

test('SKUs have the names that Microsoft sells them by, which Graph does not tell', async () => {
  const [tenant] = cloud.tenants
  if (tenant === undefined) throw new Error('no partner')
  await syncFully(contextWith(), tenant.id)
  const rows = await database.db
    .selectFrom('subscribed_skus')
    .select(['sku_part_number', 'product_name'])
    .execute()
  expect(rows).toContainEqual({ sku_part_number: 'SPB', product_name: 'Microsoft 365 Business Premium' })
  expect(rows.filter((row) => row.product_name === null)).toEqual([])
})

test('a cycle without changes is exactly three requests to Graph', async () => {
  const [, tenant] = cloud.tenants
  if (tenant === undefined) throw new Error('no customer')
  await syncFully(contextWith(), tenant.id)
  cloud.requests.reset()
  expect(await syncFully(contextWith(), tenant.id)).toMatchObject({ outcome: 'succeeded' })
  expect(askedOf(tenant)).toEqual({ '/groups/delta': 1, '/subscribedSkus': 1, '/users/delta': 1 })
})

test('more Teams than a run looks at wait for the next look: no cycle pays for them', async () => {
  const [tenant] = cloud.tenants
  if (tenant === undefined) throw new Error('no partner')
  const { directory } = tenant
  const options = { groupTypes: ['Unified'], resourceProvisioningOptions: ['Team'], mailEnabled: true }
  const ids = Array.from({ length: 70 }, (_, index) =>
    directory.addGroup({ displayName: `Team ${index}`, ...options }),
  )
  onTestFinished(() => ids.forEach((id) => directory.purgeGroup(id)))
  const unread = async () =>
    (
      await sql<{
        n: number
      }>`select count(*) as n from groups where is_team and team_read_at is null`.execute(database.db)
    ).rows[0]?.n
  await syncFully(contextWith(), tenant.id)
  const left = await unread()
  expect(left).toBeGreaterThan(0)
  cloud.requests.reset()
  await syncFully(contextWith(), tenant.id)
  expect(askedOf(tenant)).toEqual({ '/groups/delta': 1, '/subscribedSkus': 1, '/users/delta': 1 })

  // One that changes is looked at in the cycle that tells of it, the rest six hours later.
  directory.updateGroup(ids[0] ?? '', { displayName: 'Renamed', isArchived: true })
  directory.addGroup({
    displayName: 'Newest',
    ...options,
    id: ids[0]?.replace(/^......../, '00000000') ?? '',
  })
  await syncFully(contextWith(), tenant.id)
  expect(askedOf(tenant)).toMatchObject({ '/$batch': 1 })
  await sql`update entra_tenants set teams_read_at = now() - interval '7 hours'`.execute(database.db)
  await syncFully(contextWith(), tenant.id)
  expect(await unread()).toBe(0)
})

const knobs: fc.Arbitrary<Partial<DeltaKnobs>> = fc.record(
  {
    replays: fc.double({ min: 0, max: 0.5, noNaN: true }),
    duplicates: fc.double({ min: 0, max: 0.5, noNaN: true }),
    shuffle: fc.boolean(),
    splitMembers: fc.integer({ min: 1, max: 20 }),
    emptyPages: fc.double({ min: 0, max: 0.5, noNaN: true }),
    pageSize: fc.integer({ min: 1, max: 50 }),
  },
  { requiredKeys: [] },
)

test('whatever happens and however badly delta behaves, delta rounds end up equal to the directory', async () => {
  const [, tenant] = cloud.tenants
  if (tenant === undefined) throw new Error('no customer')
  await syncFully(contextWith(), tenant.id)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 25 }), fc.integer(), knobs), {
        minLength: 1,
        maxLength: 3,
      }),
      fc.boolean(),
      async (rounds, sliced) => {
        const timings = { leaseMs: 60_000, renewMs: 15_000, sliceMs: sliced ? 0 : 60_000 }
        for (const [changes, seed, knobsOfRound] of rounds) {
          mutate(tenant, changes, nextRandom(seed))
          cloud.faults.knobs(tenant.id, knobsOfRound)
          const run = await syncFully(contextWith({ timings }), tenant.id)
          cloud.faults.clear()
          expect(run).toMatchObject({ status: 'finished', outcome: 'succeeded' })
          // A group that came back has its members read whole in the next cycle.
          const due = await database.db
            .selectFrom('sync_cursors')
            .where('full_round_due', '=', true)
            .execute()
          if (due.length > 0) await syncFully(contextWith({ timings }), tenant.id)
          // Where a licence comes from is read daily: a second source of one that was there changes nothing delta tells.
          expect(await compareWithTruth(database.db, tenant.directory.truth(), { sources: false })).toEqual(
            [],
          )
        }
      },
    ),
    { numRuns: 15, endOnFailure: true },
  )
})

test('who left a group while it was deleted is not its member when it comes back', async () => {
  const [, tenant] = cloud.tenants
  const { directory } = tenant ?? {}
  const [one, two] = directory?.truth().users ?? []
  if (!tenant || !directory || !one || !two) throw new Error('no customer with users')
  const id = directory.addGroup({ displayName: 'Returns', groupTypes: ['Unified'], mailEnabled: true })
  onTestFinished(() => directory.purgeGroup(id))
  for (const user of [one, two]) directory.addMember(id, user.id)
  await syncFully(contextWith(), tenant.id)
  directory.removeMember(id, two.id)
  directory.deleteGroup(id)
  await syncFully(contextWith(), tenant.id)
  directory.restoreGroup(id)
  await syncFully(contextWith(), tenant.id)
  await syncFully(contextWith(), tenant.id)
  expect(await differences(tenant)).toEqual([])
})

describe('faults on the way', () => {
  let tenant: TenantHandle
  beforeEach(async () => {
    const customer = cloud.tenants[1]
    if (customer === undefined) throw new Error('no customer')
    tenant = customer
    await syncFully(contextWith(), tenant.id)
    mutate(tenant, 10, nextRandom(7))
  })

  test.each([410, 400] as const)(
    'a refused delta token (%i) costs a full round and loses nothing',
    async (status) => {
      cloud.faults.knobs(tenant.id, { expiredDeltaToken: status }, 1)
      const run = await syncFully(contextWith(), tenant.id)
      expect(run).toMatchObject({ outcome: 'succeeded' })
      expect([run.summary['users']?.mode, run.summary['groups']?.mode]).toContain('full')
      // A full round of users can't tell who was purged from who was deleted and may come back: edges to them, which
      // count for nothing, go with the next full round of groups. Which of the two meets the fault is chance.
      const stale = /^members .*: stored, but not in the directory$/
      const found = await differences(tenant)
      expect(found.filter((each) => run.summary['groups']?.mode === 'full' || !stale.test(each))).toEqual([])
      await syncFully(contextWith(), tenant.id, { mode: 'full' })
      expect(await differences(tenant)).toEqual([])
    },
  )

  test('an expired page token starts the round again', async () => {
    cloud.faults.knobs(tenant.id, { pageSize: 2 })
    cloud.faults.knobs(tenant.id, { expiredPageToken: true }, 1)
    expect(await syncFully(contextWith(), tenant.id, { mode: 'full' })).toMatchObject({
      outcome: 'succeeded',
    })
    expect(await differences(tenant)).toEqual([])
  })

  test.each<[string, Partial<DeltaKnobs>]>([
    ['a loop of links', { nextLinkLoop: true, pageSize: 5 }],
    ['a foreign link', { foreignNextLink: 'https://evil.example', pageSize: 5 }],
    ['reduced users', { reduced: ['users'] }],
  ])(
    '%s makes the round partial: nothing leaves, and the next good one repairs all',
    async (_name, fault) => {
      cloud.faults.knobs(tenant.id, fault)
      const before = await compareWithTruth(database.db, tenant.directory.truth())
      const run = await syncFully(contextWith(), tenant.id, { mode: 'full' })
      expect(run).toMatchObject({ outcome: 'partial' })
      expect(before.length).toBeGreaterThan(0)
      const removed = await sql<{
        n: number
      }>`select count(*) as n from persons where deleted_at is not null`.execute(database.db)
      expect(removed.rows).toEqual([{ n: 0 }])
      cloud.faults.clear()
      expect(await syncFully(contextWith(), tenant.id)).toMatchObject({ outcome: 'succeeded' })
      expect(await differences(tenant)).toEqual([])
    },
  )

  test('forbidden devices are a notice, forbidden groups are lost access', async () => {
    cloud.faults.knobs(tenant.id, { forbidden: ['devices'] })
    const run = await syncFully(contextWith(), tenant.id, { mode: 'full' })
    expect(run).toMatchObject({ outcome: 'succeeded', summary: { devices: { verdict: 'not_permitted' } } })
    cloud.faults.knobs(tenant.id, { forbidden: ['groups'] })
    const lost = await syncFully(contextWith(), tenant.id)
    expect(lost).toMatchObject({ outcome: 'failed', error: { kind: 'access_lost' } })
    expect(await database.db.selectFrom('problems').select('closed_at').execute()).toEqual([
      { closed_at: null },
    ])
  })
})

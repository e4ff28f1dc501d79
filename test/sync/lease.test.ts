import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { inMs } from '../../src/clock.ts'
import { EntraSyncError } from '../../src/errors.ts'
import type { Database } from '../../src/db/tables.ts'
import { claim } from '../../src/sync/lease.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { runSync } from '../../src/sync/run.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { group, guid, numbers, Script, scriptedContext, sku, syncOnce, user } from './scripted.ts'

const tenant = guid(1, 99)
let database: TestDatabase
let db: Kysely<Database>
let script: Script

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  await db.insertInto('entra_tenants').values({ entra_tenant_id: tenant }).execute()
  script = new Script(tenant)
})
afterEach(() => database.drop())

const ask = (
  wish: { mode?: 'delta' | 'full'; collections?: string[]; priority?: number; requestedBy?: string } = {},
) => requestSync(db, { entraTenantId: tenant, requestedBy: 'test', priority: 20, ...wish })
const request = () => db.selectFrom('sync_requests').selectAll().executeTakeFirstOrThrow()
const persons = async () =>
  (
    await db
      .selectFrom('persons')
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
  ).n

/** Makes the lease look abandoned, as it is when its worker was killed. */
const expire = () => sql`update sync_leases set expires_at = now() - interval '1 second'`.execute(db)

test('wishes merge: full beats delta, collections unite, the highest priority and every asker are kept', async () => {
  expect(await ask({ collections: ['users'], priority: 20, requestedBy: 'schedule' })).toEqual({
    requestSeq: 1,
  })
  await ask({ collections: ['groups'], mode: 'full', priority: 10, requestedBy: 'anna' })
  expect(await ask({ collections: ['users'], requestedBy: 'schedule' })).toEqual({ requestSeq: 3 })
  expect(await request()).toMatchObject({
    requested_seq: 3,
    mode: 'full',
    collections: ['groups', 'users'],
    priority: 10,
    requested_by: ['anna', 'schedule'],
  })
  await ask()
  expect(await request()).toMatchObject({ collections: null })
  await expect(ask({ collections: ['mailboxes'] })).rejects.toMatchObject({
    kind: 'input',
    code: 'unknown_collection',
  })
})

test('nothing asked, nothing done; what was served is not served again', async () => {
  expect(await runSync(scriptedContext(db, script), tenant)).toMatchObject({
    status: 'nothing',
    moreRequested: false,
  })
  await syncOnce(scriptedContext(db, script), tenant)
  expect(await runSync(scriptedContext(db, script), tenant)).toMatchObject({ status: 'nothing' })
})

test('what is asked during a run is left for the next one', async () => {
  script.round('users', { before: async () => void (await ask({ mode: 'full' })), value: [user(1)] })
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run).toMatchObject({ outcome: 'succeeded', moreRequested: true })
  expect(await request()).toMatchObject({ requested_seq: 2, served_seq: 1, mode: 'full', serving_seq: null })
  expect(await runSync(scriptedContext(db, script), tenant)).toMatchObject({
    outcome: 'held',
    moreRequested: false,
  })
})

test('a second worker finds the tenant busy', async () => {
  let second: unknown
  script.round('users', {
    before: async () => {
      second = await runSync(scriptedContext(db, script, { worker: 'worker-2' }), tenant)
    },
    value: [user(1)],
  })
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(second).toMatchObject({ status: 'busy', runId: run.runId, moreRequested: true })
  expect(run.outcome).toBe('succeeded')
})

test('a worker that lost its lease writes nothing more; its successor goes on in the same run', async () => {
  const other = scriptedContext(db, script, { worker: 'worker-2' })
  let successor: Awaited<ReturnType<typeof runSync>> | undefined
  script.round(
    'users',
    numbers(5).map((n) => user(n)),
    {
      before: async () => {
        // Stalled past its lease, as a frozen process is: another worker takes over and reads on to the end.
        if (successor !== undefined) return
        await expire()
        successor = await (successor === undefined ? runOnce(other) : Promise.resolve(successor))
      },
      value: [user(6)],
    },
    [user(7)],
  )
  async function runOnce(context: typeof other) {
    successor = { status: 'busy', moreRequested: true, summary: {} }
    return runSync(context, tenant)
  }
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run).toMatchObject({ status: 'fenced', moreRequested: true })
  expect(successor).toMatchObject({ status: 'finished', outcome: 'succeeded', runId: run.runId })
  expect(await persons()).toBe(7)
  expect(await db.selectFrom('sync_runs').select('outcome').execute()).toEqual([{ outcome: 'succeeded' }])
  const lease = await db.selectFrom('sync_leases').selectAll().executeTakeFirstOrThrow()
  expect(lease).toMatchObject({ run_seq: 2, run_id: null })
})

test('of two workers to whom a failover gave one number, the first one is fenced', async () => {
  const second = scriptedContext(db, script, { worker: 'worker-2' })
  script.round('users', [user(1)], {
    before: async () => {
      await sql`update sync_leases set run_seq = run_seq - 1, worker = null, run_id = null, expires_at = '-infinity'`.execute(
        db,
      )
      await sql`update sync_requests set serving_seq = null`.execute(db)
      expect(await claim(second, tenant)).toMatchObject({ status: 'claimed', runSeq: 1 })
    },
    value: [user(2)],
  })
  expect(await syncOnce(scriptedContext(db, script), tenant)).toMatchObject({ status: 'fenced' })
  expect(await persons()).toBe(1)
})

test.each([-3_600_000, 86_400_000])(
  'a worker whose clock is %i ms off plans by the clock of Postgres',
  async (offMs) => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + offMs })
    onTestFinished(() => void vi.useRealTimers())
    const planned = async () =>
      (
        await sql<{ minutes: number; throttled: number | null }>`
          select extract(epoch from next_sync_at - now())::float8 / 60 as minutes,
            extract(epoch from throttled_until - now())::float8 as throttled
          from entra_tenants join sync_leases using (entra_tenant_id)`.execute(db)
      ).rows[0]
    expect(await syncOnce(scriptedContext(db, script), tenant)).toMatchObject({ outcome: 'succeeded' })
    const { minutes = 0 } = (await planned()) ?? {}
    expect(minutes).toBeGreaterThan(25)
    expect(minutes).toBeLessThan(34)
    const retryAt = inMs(90_000)
    script.round('users', new EntraSyncError('throttled', 'Graph is busy', { code: 'graph_429', retryAt }))
    expect(await syncOnce(scriptedContext(db, script), tenant)).toMatchObject({ status: 'throttled' })
    const { throttled = 0 } = (await planned()) ?? {}
    expect(throttled).toBeGreaterThan(60)
    expect(throttled).toBeLessThan(91)
  },
)

test('a slice yields at a page boundary, and slices together read each page once', async () => {
  script
    .round('users', ...numbers(5).map((n) => [user(n)]))
    .round('groups', [group(1)])
    .round('skus', [sku(1)])
  const context = scriptedContext(db, script, { timings: { leaseMs: 60_000, renewMs: 15_000, sliceMs: 0 } })
  const runs = [await syncOnce(context, tenant)]
  while (runs.at(-1)?.status === 'yielded') runs.push(await runSync(context, tenant))
  expect(runs.map((run) => run.status)).toEqual(['yielded', 'yielded', 'yielded', 'yielded', 'finished'])
  expect(new Set(runs.map((run) => run.runId)).size).toBe(1)
  expect(runs.at(-1)).toMatchObject({
    outcome: 'succeeded',
    summary: { users: { added: 5, pages: 5 }, groups: { added: 1 } },
  })
  expect(script.requests.filter((link) => link.startsWith('/groups/delta'))).toHaveLength(1)
  const recorded = await db.selectFrom('sync_runs').select(['slices', 'outcome']).execute()
  expect(recorded).toEqual([{ slices: 5, outcome: 'succeeded' }])
})

test('a round that never ends, slice after slice, is partial at last and removes nothing', async () => {
  script.round('users', [user(1)], [user(2)], [user(3)])
  const context = scriptedContext(db, script, { timings: { leaseMs: 60_000, renewMs: 15_000, sliceMs: 0 } })
  expect(await syncOnce(context, tenant)).toMatchObject({ status: 'yielded' })
  await sql`update sync_cursors set round_pages = 100000 where collection = 'users'`.execute(db)
  expect(await runSync(context, tenant)).toMatchObject({
    outcome: 'partial',
    error: { code: 'too_many_pages' },
  })
  expect(await persons()).toBe(1)
})

test('a stop yields at once, and the next slice goes on behind the last page', async () => {
  const stop = new AbortController()
  script.round('users', [user(1)], { before: () => stop.abort(), value: [user(2)] }, [user(3)])
  await ask()
  const run = await runSync(scriptedContext(db, script), tenant, { signal: stop.signal })
  expect(run).toMatchObject({ status: 'yielded', moreRequested: true })
  const again = await runSync(scriptedContext(db, script), tenant)
  expect(again).toMatchObject({ outcome: 'succeeded', runId: run.runId })
  expect(await persons()).toBe(3)
})

test('three claims that die before a page are poison: a problem, and a rest', async () => {
  await ask()
  for (let claim = 0; claim < 3; claim++) {
    const dead = scriptedContext(db, script, {
      graphFor: () => {
        throw new TypeError('a bug that no worker survives')
      },
    })
    await expect(runSync(dead, tenant)).rejects.toThrow('a bug')
    await expire()
  }
  const run = await runSync(scriptedContext(db, script), tenant)
  expect(run).toMatchObject({ outcome: 'failed', error: { code: 'poison' }, moreRequested: true })
  expect(script.requests).toEqual([])
  expect(await db.selectFrom('problems').select(['code', 'who_acts']).execute()).toEqual([
    { code: 'poison', who_acts: 'operator' },
  ])
  expect(await runSync(scriptedContext(db, script), tenant)).toMatchObject({ outcome: 'succeeded' })
  expect(await db.selectFrom('problems').select('code').where('closed_at', 'is', null).execute()).toEqual([])
})

test('a lease is renewed while a page takes its time', async () => {
  const context = scriptedContext(db, script, { timings: { leaseMs: 400, renewMs: 50, sliceMs: 60_000 } })
  const seen = new Set<number>()
  script.round('users', {
    before: async () => {
      while (seen.size < 4) {
        const lease = await db.selectFrom('sync_leases').select('expires_at').executeTakeFirstOrThrow()
        seen.add(lease.expires_at.getTime())
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    value: [user(1)],
  })
  expect(await syncOnce(context, tenant)).toMatchObject({ outcome: 'succeeded' })
})

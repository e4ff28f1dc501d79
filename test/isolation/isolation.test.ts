import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import type { FaultInput } from '../../simulator/faults.ts'
import type { DeltaKnobs } from '../../simulator/types.ts'
import { compareCloud } from '../../src/cli/demo-truth.ts'
import { syncNow } from '../../src/jobs/enqueue.ts'
import { startEngine, type Engine } from '../jobs/engine.ts'
import { until } from '../jobs/support.ts'

/** How an Entra tenant may fail, each in a way of its own, for as long as it is left to. */
const ways: Record<string, { fault?: Omit<FaultInput, 'tenantId'>; knobs?: Partial<DeltaKnobs> }> = {
  'throttled for ever': { fault: { path: 'delta', effect: { kind: 'status', status: 429, retryAfter: 60 } } },
  'broken servers': { fault: { effect: { kind: 'status', status: 500 } } },
  silence: { fault: { path: 'delta', effect: { kind: 'silence' } } },
  'slow bodies': { fault: { path: 'delta', effect: { kind: 'slow', ms: 600_000 } } },
  'no permission': { knobs: { forbidden: ['users'] } },
  'app unknown': { fault: { path: '/oauth2/v2.0/token', effect: { kind: 'aadsts', code: 700016 } } },
  'truncated answers': { fault: { path: 'delta', effect: { kind: 'truncated' } } },
  'pages in a circle': { knobs: { nextLinkLoop: true, pageSize: 2 } },
  'lists that are none': { knobs: { valueNotArray: true } },
  'bodies without an end': { fault: { path: 'delta', effect: { kind: 'endless' } } },
  'links elsewhere': { knobs: { foreignNextLink: 'https://evil.example', pageSize: 2 } },
  'connections that are reset': { fault: { effect: { kind: 'reset' } } },
  'delta tokens gone for ever': {
    fault: { path: 'delta', effect: { kind: 'status', status: 410, code: 'syncStateNotFound' } },
  },
  'another directory answers': {
    fault: {
      path: '^/organization',
      effect: { kind: 'edit', each: { id: '0badd1ec-0000-4000-8000-000000000001' } },
    },
  },
  'an object that is none, pages behind the first': {
    fault: { path: 'skiptoken', effect: { kind: 'edit', each: { id: 'of nobody' } } },
    knobs: { pageSize: 2 },
  },
}

async function open(sizes: number[]): Promise<Engine> {
  const engine = await startEngine('redis', sizes, { headersMs: 1500, pageMs: 3000 })
  onTestFinished(() => engine.close())
  return engine
}

/** Makes these due, ticks, and waits until each has one more run that succeeded. */
async function round(engine: Engine, due: readonly string[], healthy: readonly string[]): Promise<void> {
  const { db } = engine.database
  const succeeded = async () => {
    const { rows } = await sql<{ id: string; runs: number }>`
      select entra_tenant_id as id, count(*)::int as runs from sync_runs where outcome = 'succeeded' group by 1`.execute(
      db,
    )
    return new Map(rows.map(({ id, runs }) => [id, runs]))
  }
  const before = await succeeded()
  await sql`update entra_tenants set next_sync_at = now() where entra_tenant_id = any (${due}::uuid[])
    and consecutive_failures = 0`.execute(db)
  await engine.tick()
  await until('all who are healthy to be synced', async () => {
    const now = await succeeded()
    return healthy.every((id) => (now.get(id) ?? 0) > (before.get(id) ?? 0))
  })
}

test('of 300 Entra tenants one fails in each of fifteen ways: the others are as fresh as before, it is seen, rests and heals', async () => {
  const engine = await open([8, ...Array.from({ length: 299 }, (_, index) => 3 + (index % 5))])
  const { db } = engine.database
  const ill = Object.keys(ways).map((_, index) => engine.tenants[19 * (index + 1)] ?? '')
  const healthy = engine.tenants.filter((id) => !ill.includes(id))
  await engine.startWorkers(1, { concurrency: 16 })
  await engine.startWorkers(1, { queue: 'control' })
  await round(engine, engine.tenants, engine.tenants)

  for (const [index, { fault, knobs }] of Object.values(ways).entries()) {
    const tenantId = ill[index] ?? ''
    if (fault !== undefined) engine.cloud.faults.add({ ...fault, tenantId })
    if (knobs !== undefined) engine.cloud.faults.knobs(tenantId, knobs)
    // Those who get no token any more had one for an hour.
    engine.graph.forgetTokens(tenantId)
  }
  for (let n = 0; n < 3; n++) {
    await round(engine, engine.tenants, healthy)
    // Those that fail ask for whole rounds, so that each meets its fault.
    await sql`update sync_cursors set full_round_due = true where entra_tenant_id = any (${ill}::uuid[])`.execute(
      db,
    )
  }
  const { rows } = await sql<{ id: string; failed: number; runs: number }>`
    select entra_tenant_id as id, count(*) filter (where outcome <> 'succeeded')::int as failed, count(*)::int as runs
    from sync_runs group by 1`.execute(db)
  const of = new Map(rows.map((row) => [row.id, row]))
  // One run a round, as without the others' faults: nobody was skipped, nobody was run twice.
  expect(healthy.filter((id) => of.get(id)?.runs !== 4 || of.get(id)?.failed !== 0)).toEqual([])

  // Each of the ill is seen: by failures and a later turn, a problem, a wait for Microsoft, or a run that hangs still.
  const seen = async () => {
    const { rows: states } = await sql<{ id: string; seen: boolean }>`
      select e.entra_tenant_id as id, e.consecutive_failures > 0 and e.next_sync_at > now()
        or exists (select from problems p where p.entra_tenant_id = e.entra_tenant_id and p.closed_at is null)
        or l.throttled_until > now() or l.expires_at > now() as seen
      from entra_tenants e join sync_leases l using (entra_tenant_id) where e.entra_tenant_id = any (${ill}::uuid[])`.execute(
      db,
    )
    return states.filter((state) => !state.seen).map(({ id }) => Object.keys(ways)[ill.indexOf(id)])
  }
  await until('all ill ones to be seen', async () => (await seen()).length === 0).catch(
    async (error: unknown) => {
      throw new Error(`not seen: ${(await seen()).join(', ')}`, { cause: error })
    },
  )

  engine.cloud.faults.clear()
  for (const id of ill) engine.cloud.faults.knobs(id, wellAgain)
  await sql`update sync_leases set throttled_until = null where entra_tenant_id = any (${ill}::uuid[])`.execute(
    db,
  )
  await sql`update entra_tenants set next_sync_at = now() where entra_tenant_id = any (${ill}::uuid[])`.execute(
    db,
  )
  // Each comes again by itself, after minutes or an hour; whoever has mended it asks at once.
  for (const entraTenantId of ill) await syncNow(db, engine.queues, { entraTenantId, requestedBy: 'anna' })
  const unwell = async () => {
    const { rows: left } = await sql<{ id: string; why: string }>`
      select e.entra_tenant_id as id, concat_ws(' ', s.state, e.consecutive_failures, r.outcome, r.error_code,
        (select string_agg(p.code, ',') from problems p where p.entra_tenant_id = e.entra_tenant_id and p.closed_at is null)) as why
      from entra_tenants e join tenant_status s using (entra_tenant_id)
      left join lateral (select * from sync_runs x where x.entra_tenant_id = e.entra_tenant_id and x.finished_at is not null
        order by x.started_at desc limit 1) r on true
      where e.entra_tenant_id = any (${ill}::uuid[]) and not (e.consecutive_failures = 0 and r.outcome in ('succeeded', 'held')
        and not exists (select from problems p where p.entra_tenant_id = e.entra_tenant_id and p.closed_at is null))`.execute(
      db,
    )
    return left.map(({ id, why }) => `${Object.keys(ways)[ill.indexOf(id)]}: ${why}`)
  }
  await until('all to be well', async () => {
    await engine.tick()
    return (await unwell()).length === 0
  }).catch(async (error: unknown) => {
    throw new Error(`not well: ${(await unwell()).join('; ')}`, { cause: error })
  })
  expect(
    await compareCloud(db, engine.cloud.controlUrl, engine.cloud.tenants, { devices: false, sources: false }),
  ).toEqual([])
})

const wellAgain: Partial<DeltaKnobs> = {
  forbidden: [],
  nextLinkLoop: false,
  valueNotArray: false,
  foreignNextLink: null,
  pageSize: null,
}

test('one of 100,000 users does not delay 200 small ones: it yields after each slice and goes on behind them', async () => {
  const users = Number(process.env['ISOLATION_USERS'] ?? 100_000)
  const engine = await open([users, ...Array.from({ length: 200 }, () => 4)])
  const { db } = engine.database
  const [large = '', ...small] = engine.tenants
  // One slot for all: what the large one keeps, the small ones lack.
  await engine.startWorkers(1, { concurrency: 1, sliceMs: 500 })
  await sql`update entra_tenants set next_sync_at = now() where entra_tenant_id = ${large}`.execute(db)
  await engine.tick()
  await until('the large one to be at it', async () => {
    const { rows } =
      await sql`select 1 from sync_cursors where entra_tenant_id = ${large} and round_pages > 0`.execute(db)
    return rows.length > 0
  })
  await round(engine, small, small)
  // All of them were served while it was still reading.
  expect(await engine.runs(large)).toMatchObject([{ outcome: null }])
  await until(
    'the large one to be done',
    async () => (await engine.runs(large)).every(({ outcome }) => outcome === 'succeeded'),
    300_000,
  )
  const [run] = await engine.runs(large)
  expect(run?.slices).toBeGreaterThan(2)
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from persons where entra_tenant_id = ${large} and deleted_at is null`.execute(
    db,
  )
  expect(rows[0]?.n).toBe(engine.cloud.tenants[0]?.directory.truth().users.length)
})

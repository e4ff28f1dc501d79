import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readRequest } from '../../src/db/requests.ts'
import type { TickResult } from '../../src/jobs/tick.ts'
import { runTick } from '../../src/scheduler/tick.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { syncNow } from '../../src/jobs/enqueue.ts'
import { openQueues } from '../../src/jobs/queues.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { ownRedis } from '../harness/redis.ts'
import { backends, log, openTestQueues, until, type TestQueues } from '../jobs/support.ts'

describe.each(backends)('the tick on %s', (backend) => {
  let database: TestDatabase
  let queues: TestQueues

  beforeAll(async () => {
    database = await testDatabase()
  })
  beforeEach(async () => {
    queues = await openTestQueues(backend, database.url)
    await Promise.all(queues.all.map((queue) => queue.obliterate({ force: true })))
    await sql`truncate entra_tenants, tenants, gdap_relationships cascade`.execute(database.db)
  })
  afterEach(() => queues.close())
  afterAll(() => database.drop())

  async function tenant(facts: { due?: boolean; failures?: number; column?: string } = {}): Promise<string> {
    const id = randomUUID()
    await sql`
      insert into entra_tenants (entra_tenant_id, next_sync_at, consecutive_failures)
      values (${id}, now() + make_interval(secs => ${facts.due === false ? 600 : -1}), ${facts.failures ?? 0})`.execute(
      database.db,
    )
    return id
  }

  function tick(healAfterMs = 60_000): Promise<TickResult> {
    const intervals = { syncMs: 1_800_000, discoveryMs: 21_600_000 }
    return runTick({ db: database.db, queues, intervals, healAfterMs })
  }

  async function wakeUps(): Promise<{ data: unknown; priority: number | undefined }[]> {
    const jobs = await queues.sync.getJobs(['waiting', 'prioritized', 'delayed'])
    return jobs.map((job) => ({ data: job.data as unknown, priority: job.opts.priority }))
  }

  it('asks once for what is due and moves it on', async () => {
    const due = await tenant()
    await tenant({ due: false })
    expect(await tick()).toEqual({
      due: 1,
      healed: 0,
      discoveries: 0,
      proofs: 0,
      preconsents: 0,
      families: 0,
    })
    expect(await wakeUps()).toEqual([{ data: { entraTenantId: due, requestSeq: 1 }, priority: 20 }])
    const { rows } = await sql<{ wait: number }>`
      select extract(epoch from next_sync_at - now())::float8 as wait from entra_tenants where entra_tenant_id = ${due}`.execute(
      database.db,
    )
    expect(rows[0]?.wait).toBeGreaterThan(1700)
    expect(rows[0]?.wait).toBeLessThan(2000)
    expect(await tick()).toEqual({
      due: 0,
      healed: 0,
      discoveries: 0,
      proofs: 0,
      preconsents: 0,
      families: 0,
    })
  })

  it("minds a tenant's own interval", async () => {
    const due = await tenant()
    await sql`update entra_tenants set sync_interval = '10 hours' where entra_tenant_id = ${due}`.execute(
      database.db,
    )
    await tick()
    const { rows } = await sql<{ late: boolean }>`
      select next_sync_at > now() + interval '9 hours' as late from entra_tenants`.execute(database.db)
    expect(rows).toEqual([{ late: true }])
  })

  it.each([
    ['disabled', sql`update entra_tenants set sync_enabled = false`],
    ['paused', sql`update entra_tenants set paused_at = now()`],
    ['gone', sql`update entra_tenants set gone_at = now()`],
  ])('does not ask for what is %s', async (_, change) => {
    await tenant()
    await change.execute(database.db)
    expect(await tick()).toEqual({
      due: 0,
      healed: 0,
      discoveries: 0,
      proofs: 0,
      preconsents: 0,
      families: 0,
    })
  })

  it('asks for a customer only while its GDAP relationship is active', async () => {
    const partner = await tenant({ due: false })
    const customer = await tenant()
    await sql`update entra_tenants set partner_entra_tenant_id = ${partner} where entra_tenant_id = ${customer}`.execute(
      database.db,
    )
    await sql`update entra_tenants set next_discovery_at = now() + interval '1 hour'`.execute(database.db)
    expect((await tick()).due).toBe(0)
    await sql`
      insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
      values ('r', ${partner}, ${customer}, 'active')`.execute(database.db)
    // The partner's list was not read since: what has a known end is over by then, unless it extends itself.
    const ended = (autoExtends: boolean) =>
      sql`update gdap_relationships set ends_at = now() - interval '25 hours', auto_extends = ${autoExtends}`.execute(
        database.db,
      )
    await ended(false)
    expect((await tick()).due).toBe(0)
    await ended(true)
    expect((await tick()).due).toBe(1)
  })

  it('asks once, however many processes tick', async () => {
    for (let i = 0; i < 30; i++) await tenant()
    const results = await Promise.all([tick(), tick(), tick(), tick()])
    expect(results.reduce((sum, result) => sum + result.due, 0)).toBe(30)
    expect(await wakeUps()).toHaveLength(30)
  })

  it('wakes again what the queue forgot, and does not make the queue longer', async () => {
    const due = await tenant()
    await tick()
    await queues.sync.obliterate({ force: true })
    expect((await tick(0)).healed).toBe(1)
    expect((await tick(0)).healed).toBe(1)
    expect(await wakeUps()).toEqual([{ data: { entraTenantId: due, requestSeq: 1 }, priority: 20 }])
  })

  it('heals an operator’s request at its own priority', async () => {
    const asked = await tenant({ due: false })
    await requestSync(database.db, { entraTenantId: asked, requestedBy: 'anna', priority: 10 })
    await tick(0)
    expect(await wakeUps()).toEqual([{ data: { entraTenantId: asked, requestSeq: 1 }, priority: 10 }])
  })

  it.each([
    ['a worker is at', sql`update sync_leases set expires_at = now() + interval '1 minute'`],
    ['Microsoft throttles', sql`update sync_leases set throttled_until = now() + interval '1 minute'`],
    ['failed and waits for its next attempt', sql`update entra_tenants set consecutive_failures = 3`],
    ['is served', sql`update sync_requests set served_seq = requested_seq`],
    ['is gone', sql`update entra_tenants set gone_at = now()`],
    ['is paused', sql`update entra_tenants set paused_at = now()`],
  ])('leaves alone what %s', async (_, change) => {
    const asked = await tenant({ due: false })
    await requestSync(database.db, { entraTenantId: asked, requestedBy: 'anna', priority: 10 })
    await sql`insert into sync_leases (entra_tenant_id) values (${asked})`.execute(database.db)
    await change.execute(database.db)
    expect((await tick(0)).healed).toBe(0)
  })

  it('tries a failed tenant again at its time, as that attempt', async () => {
    const failed = await tenant({ failures: 4 })
    expect((await tick()).due).toBe(1)
    expect(await wakeUps()).toEqual([
      { data: { entraTenantId: failed, requestSeq: 1, attempt: 4 }, priority: 20 },
    ])
  })

  it('tries a failed tenant again within a minute when its wake-up was lost, not after a whole interval', async () => {
    await tenant({ failures: 4 })
    await tick()
    // The process died between the commit and the wake-up.
    await queues.sync.obliterate({ force: true })
    const { rows } = await sql<{ wait: number }>`
      select extract(epoch from next_sync_at - now())::float8 as wait from entra_tenants`.execute(database.db)
    expect(rows[0]?.wait).toBeLessThanOrEqual(60)
    await sql`update entra_tenants set next_sync_at = now()`.execute(database.db)
    expect((await tick()).due).toBe(1)
    expect(await wakeUps()).toHaveLength(1)
  })

  it('does not ask again of a failing tenant while its run is under way', async () => {
    const failing = await tenant({ failures: 4 })
    await sql`
      insert into sync_leases (entra_tenant_id, expires_at) values (${failing}, now() + interval '1 minute')`.execute(
      database.db,
    )
    expect((await tick()).due).toBe(0)
    await sql`update sync_leases set expires_at = '-infinity'`.execute(database.db)
    expect((await tick()).due).toBe(1)
  })

  it('wakes again whose worker died in a run, though it had failed before', async () => {
    const asked = await tenant({ due: false, failures: 3 })
    await requestSync(database.db, { entraTenantId: asked, requestedBy: 'anna', priority: 10 })
    await sql`update sync_requests set serving_seq = 1, serving_priority = 10`.execute(database.db)
    await sql`
      insert into sync_leases (entra_tenant_id, run_seq, expires_at) values (${asked}, 1, now() + interval '1 minute')`.execute(
      database.db,
    )
    expect((await tick(0)).healed).toBe(0)
    await sql`update sync_leases set expires_at = now()`.execute(database.db)
    expect((await tick(0)).healed).toBe(1)
    expect(await wakeUps()).toEqual([{ data: { entraTenantId: asked, requestSeq: 1 }, priority: 10 }])
  })

  it('has the consent of linked Entra tenants proved, each once', async () => {
    const linked = await tenant({ due: false })
    await tenant({ due: false })
    await sql`with t as (insert into tenants (name, slug) values ('A', 'a') returning tenant_id)
      insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${linked} from t`.execute(
      database.db,
    )
    const intervals = { syncMs: 1_800_000, discoveryMs: 21_600_000 }
    const context = { db: database.db, queues, intervals, defaultClientId: randomUUID() }
    expect((await runTick(context)).proofs).toBe(1)
    expect((await runTick(context)).proofs).toBe(0)
    await sql`update consents set next_proof_at = now()`.execute(database.db)
    expect((await runTick(context)).proofs).toBe(1)
    const waiting = await queues.control.getJobs(['waiting', 'prioritized'])
    const proofs = waiting.filter((job) => job.name === 'verify-consent')
    expect(proofs.map((job) => job.data as unknown)).toContainEqual({ entraTenantId: linked })
  })

  it('discovers the customers of each partner by its own clock', async () => {
    const partner = await tenant({ due: false })
    await sql`insert into tenants (name, slug, is_msp) values ('MSP', 'msp', true)`.execute(database.db)
    await sql`insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${partner} from tenants`.execute(
      database.db,
    )
    expect((await tick()).discoveries).toBe(1)
    expect((await tick()).discoveries).toBe(0)
    const jobs = await queues.control.getJobs(['waiting', 'prioritized'])
    expect(jobs.map((job) => [job.name, job.data as unknown])).toEqual([
      ['discover-customers', { partnerEntraTenantId: partner, requestedBy: 'schedule' }],
    ])
    await sql`update entra_tenants set next_discovery_at = now()`.execute(database.db)
    expect((await tick()).discoveries).toBe(1)
  })
})

it('takes up what was asked while the queue was away, also of a tenant that rests for a day after failures', async () => {
  const database = await testDatabase()
  let redis = await ownRedis()
  const queues = await openQueues(redis.url, { log })
  try {
    const id = randomUUID()
    await sql`
      insert into entra_tenants (entra_tenant_id, next_sync_at, consecutive_failures)
      values (${id}, now() + interval '1 day', 6)`.execute(database.db)
    await redis.stop()
    const asking = syncNow(database.db, queues, { entraTenantId: id, requestedBy: 'anna' })
    await expect(asking).rejects.toMatchObject({ kind: 'queue' })
    redis = await ownRedis(Number(new URL(redis.url).port))
    const context = { db: database.db, queues, intervals: { syncMs: 60_000, discoveryMs: 60_000 } }
    await until('a tick that goes through', () => runTick(context).catch(() => null))
    expect((await queues.sync.getPrioritized()).map((job) => job.data as unknown)).toEqual([
      { entraTenantId: id, requestSeq: expect.any(Number), attempt: 6 },
    ])
  } finally {
    await queues.close()
    await redis.stop()
    await database.drop()
  }
})

it('keeps the request when Redis has gone, and wakes the worker when it is back', async () => {
  const database = await testDatabase()
  let redis = await ownRedis()
  const queues = await openQueues(redis.url, { log })
  try {
    const id = randomUUID()
    await sql`insert into entra_tenants (entra_tenant_id) values (${id})`.execute(database.db)
    const context = {
      db: database.db,
      queues,
      intervals: { syncMs: 60_000, discoveryMs: 60_000 },
      healAfterMs: 0,
    }
    await redis.stop()
    await expect(runTick(context)).rejects.toMatchObject({ kind: 'queue', code: 'queue_unreachable' })
    expect(await readRequest(database.db, id)).toMatchObject({ requested_seq: 1, served_seq: 0 })
    redis = await ownRedis(Number(new URL(redis.url).port))
    await until('a tick that goes through', () => runTick(context).catch(() => null))
    expect(await queues.sync.getPrioritizedCount()).toBe(1)
  } finally {
    await queues.close()
    await redis.stop()
    await database.drop()
  }
})

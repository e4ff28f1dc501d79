import { sql } from 'kysely'
import { afterEach, describe, expect, it } from 'vitest'
import { enqueueSync, syncNow } from '../../src/jobs/enqueue.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { startEngine, type Engine } from './engine.ts'
import { backends, until } from './support.ts'

describe.each(backends)('sync-tenant on %s', (backend) => {
  let engine: Engine

  afterEach(() => engine.close())

  async function start(sizes: number[]): Promise<string[]> {
    engine = await startEngine(backend, sizes)
    return engine.tenants
  }

  const ask = (entraTenantId: string, mode: 'delta' | 'full' = 'delta', priority = 10) =>
    syncNow(engine.database.db, engine.queues, { entraTenantId, mode, requestedBy: 'anna', priority })

  const jobs = () =>
    engine.queues.sync.getJobs(['waiting', 'prioritized', 'delayed', 'active', 'completed', 'failed'])

  const persons = async (id: string): Promise<number> => {
    const { rows } = await sql<{ count: number }>`
      select count(*) as count from persons where entra_tenant_id = ${id} and deleted_at is null`.execute(
      engine.database.db,
    )
    return rows[0]?.count ?? -1
  }

  /** Holds Graph's answers on user pages until released. */
  function slowUsers(tenantId: string, ms: number): () => void {
    const id = engine.cloud.faults.add({ tenantId, path: '^/users/delta', effect: { kind: 'latency', ms } })
    return () => engine.cloud.faults.remove(id)
  }

  const leased = (id: string): Promise<boolean> =>
    until('a worker to take the lease', async () => {
      const { rows } = await sql`
        select 1 from sync_leases where entra_tenant_id = ${id} and expires_at > now()`.execute(
        engine.database.db,
      )
      return rows.length > 0
    })

  it('serves what a client without options asks for, and says what it did', async () => {
    const [, customer = ''] = await start([3, 20])
    await engine.startWorkers(1)
    const job = await engine.queues
      .stranger('sync')
      .add('sync-tenant', { entraTenantId: customer, mode: 'full' })
    const ended = await engine.ended(job)
    expect(ended.failedReason).toBeUndefined()
    expect(ended.returnvalue).toMatch(/^run [0-9a-f-]{36} succeeded: .*users \+20 ~0 -0/)
    expect(ended.data).toMatchObject({ entraTenantId: customer, mode: 'full', requestSeq: 1 })
    expect(ended.progress).toMatchObject({ users: { done: true }, groups: { done: true } })
    expect(await persons(customer)).toBe(20)
    expect(await engine.runs(customer)).toMatchObject([{ outcome: 'succeeded', mode: 'full' }])
  })

  it('serves a request that comes during a run, once more, from two clients at once', async () => {
    const [, customer = ''] = await start([3, 20])
    const release = slowUsers(customer, 300)
    await engine.startWorkers(2)
    await ask(customer)
    await leased(customer)
    const tenant = engine.cloud.tenant(customer)
    tenant.directory.addUser({ displayName: 'Late Comer', userPrincipalName: `late@${tenant.defaultDomain}` })
    const stranger = engine.queues.stranger('sync')
    const [joined] = await Promise.all([
      stranger.add('sync-tenant', { entraTenantId: customer, requestedBy: 'client one' }),
      ask(customer),
    ])
    expect((await engine.ended(joined)).returnvalue).toMatch(/^joined run [0-9a-f-]{36}$/)
    release()
    const request = await engine.served(customer)
    expect(request.requested_seq).toBe(3)
    expect(await persons(customer)).toBe(21)
    expect((await engine.runs(customer)).length).toBeGreaterThanOrEqual(2)
  })

  it('never loses a request that comes just as a run ends', async () => {
    const [, customer = ''] = await start([3, 5])
    await engine.startWorkers(3)
    for (let round = 0; round < 15; round++) {
      await Promise.all([
        ask(customer),
        ask(customer),
        engine.queues.stranger('sync').add('sync-tenant', { entraTenantId: customer }),
      ])
      if (round % 3 === 0) await engine.served(customer)
    }
    expect((await engine.served(customer)).requested_seq).toBeGreaterThanOrEqual(30)
  })

  it('gives the slot back while Microsoft throttles, keeps what is asked meanwhile, and goes on', async () => {
    const [, customer = '', other = ''] = await start([3, 20, 5])
    engine.cloud.faults.add({
      tenantId: customer,
      path: '^/users/delta',
      times: 1,
      effect: { kind: 'status', status: 429, retryAfter: 2 },
    })
    await engine.startWorkers(1, { concurrency: 1 })
    const { jobId } = await ask(customer)
    await until('the job to be delayed', async () => {
      const job = await engine.queues.sync.getJob(jobId)
      return (await job?.getState()) === 'delayed'
    })
    await ask(other)
    await engine.served(other)
    await ask(customer, 'full')
    const request = await engine.served(customer)
    expect(request.requested_seq).toBe(2)
    expect(await persons(customer)).toBe(20)
    const failed = await engine.queues.sync.getFailedCount()
    expect(failed).toBe(0)
  })

  it('fails the job of a failed run with code and name, and tries again by itself', async () => {
    const [, customer = ''] = await start([3, 20])
    const name = engine.cloud.tenant(customer).displayName
    engine.cloud.faults.add({
      tenantId: customer,
      path: '^/users/delta',
      effect: { kind: 'status', status: 503 },
    })
    await engine.startWorkers(1)
    const { jobId } = await ask(customer)
    const failed = await until('the job to fail', async () => {
      const job = await engine.queues.sync.getJob(jobId)
      return job?.finishedOn === undefined ? null : job
    })
    expect(failed.failedReason).toMatch(new RegExp(`^service_not_available ${name}: `))
    const retries = await engine.queues.sync.getDelayed()
    expect(retries.map((job) => job.data as unknown)).toEqual([
      { entraTenantId: customer, requestSeq: 1, attempt: 1 },
    ])
    // In back-off an operator's request is tried at once; it fails too, and is the next attempt.
    const second = await ask(customer)
    await until(
      'the second job to fail',
      async () => (await engine.queues.sync.getJob(second.jobId))?.failedReason,
    )
    engine.cloud.faults.clear()
    for (const job of await engine.queues.sync.getDelayed()) await job.promote()
    await engine.served(customer)
    expect(await persons(customer)).toBe(20)
    const dropped = await until('the first retry to end', async () =>
      (await engine.queues.sync.getCompleted()).find((job) => job.data.attempt === 1),
    )
    expect(dropped.returnvalue).toBe('dropped: another attempt came first')
  })

  it('tells a lost permission and leaves other tenants alone', async () => {
    const [, customer = '', other = ''] = await start([3, 10, 10])
    const tenant = engine.cloud.tenant(customer)
    tenant.app.state = 'no-service-principal'
    await engine.startWorkers(1)
    const [bad] = await Promise.all([ask(customer), ask(other)])
    const failed = await until('the job to fail', async () => {
      const job = await engine.queues.sync.getJob(bad.jobId)
      return job?.failedReason === undefined ? null : job
    })
    expect(failed.failedReason).toMatch(new RegExp(`^consent_required ${tenant.displayName}: `))
    await engine.served(other)
    expect(await persons(other)).toBe(10)
  })

  it('refuses an Entra tenant that is not there, once', async () => {
    await start([3])
    await engine.startWorkers(1)
    const unknown = '99999999-9999-4999-8999-999999999999'
    const job = await engine.queues
      .stranger('sync')
      .add('sync-tenant', { entraTenantId: unknown }, { attempts: 4 })
    expect((await engine.ended(job)).failedReason).toMatch(/^entra_tenant_unknown 99999999-.*Import it first/)
  })

  it.each([
    [
      'paused',
      sql`update entra_tenants set paused_at = now()`,
      sql`update entra_tenants set paused_at = null`,
    ],
    [
      'gdap_ended',
      sql`update entra_tenants set partner_entra_tenant_id = entra_tenant_id`,
      sql`update entra_tenants set partner_entra_tenant_id = null`,
    ],
  ])(
    'asks Graph nothing while the state is %s, keeps what was asked, and serves it afterwards',
    async (state, begin, end) => {
      const [tenant = ''] = await start([5])
      await begin.execute(engine.database.db)
      await engine.startWorkers(1)
      const job = await engine.queues.stranger('sync').add('sync-tenant', { entraTenantId: tenant })
      expect((await engine.ended(job)).returnvalue).toContain(`not synced: its state is ${state}`)
      expect(engine.cloud.requests.total).toBe(0)

      await end.execute(engine.database.db)
      await sql`update sync_requests set requested_at = now() - interval '1 hour'`.execute(engine.database.db)
      await engine.tick()
      await engine.served(tenant)
      expect(await persons(tenant)).toBe(5)
    },
  )

  it('yields a long tenant at page boundaries to those of its priority who wait already', async () => {
    const [, long = '', short = ''] = await start([3, 60, 3])
    engine.cloud.faults.knobs(long, { pageSize: 5 })
    slowUsers(long, 60)
    await engine.startWorkers(1, { concurrency: 1, sliceMs: 150 })
    await ask(long, 'full', 20)
    await leased(long)
    await ask(short, 'full', 20)
    await engine.served(short)
    expect((await engine.request(long)).served_seq).toBe(0)
    await engine.served(long)
    const [run] = await engine.runs(long)
    expect(run).toMatchObject({ outcome: 'succeeded' })
    expect(run?.slices).toBeGreaterThan(1)
    expect(await persons(long)).toBe(60)
    const { rows } = await sql<{ first: string }>`
      select entra_tenant_id as first from sync_runs order by finished_at limit 1`.execute(engine.database.db)
    expect(rows[0]?.first).toBe(short)
  })

  it('lets an operator in between the slices of a scheduled tenant', async () => {
    const [, long = '', urgent = ''] = await start([3, 60, 3])
    engine.cloud.faults.knobs(long, { pageSize: 5 })
    slowUsers(long, 60)
    await engine.startWorkers(1, { concurrency: 1, sliceMs: 150 })
    await ask(long, 'full', 20)
    await leased(long)
    await ask(urgent, 'full', 10)
    await engine.served(urgent)
    expect((await engine.request(long)).served_seq).toBe(0)
    await engine.served(long)
  })

  it('comes through a lost queue: the tick wakes again what was asked', async () => {
    const [, customer = '', second = ''] = await start([3, 10, 10])
    await ask(customer)
    await requestSync(engine.database.db, { entraTenantId: second, requestedBy: 'anna', priority: 10 })
    await engine.queues.sync.obliterate({ force: true })
    expect(await jobs()).toEqual([])
    await engine.startWorkers(1)
    await engine.tick()
    await Promise.all([engine.served(customer), engine.served(second)])
    expect(await persons(customer)).toBe(10)
  })

  it('drops what is served already without a run', async () => {
    const [, customer = ''] = await start([3, 5])
    await engine.startWorkers(1)
    const { requestSeq } = await ask(customer)
    await engine.served(customer)
    const [id = ''] = await enqueueSync(engine.queues, { entraTenantId: customer, requestSeq, priority: 10 })
    const job = await until('the job to end', async () => {
      const one = await engine.queues.sync.getJob(id)
      return one?.finishedOn === undefined ? null : one
    })
    expect(job.returnvalue).toBe('nothing to do: all that was asked is served')
    expect(await engine.runs(customer)).toHaveLength(1)
  })

  it('stops at a page boundary, and another worker goes on where it was', async () => {
    const [, customer = ''] = await start([3, 60])
    engine.cloud.faults.knobs(customer, { pageSize: 5 })
    const release = slowUsers(customer, 80)
    const [worker] = await engine.startWorkers(1)
    await ask(customer, 'full')
    await until('some pages to be written', async () => (await persons(customer)) >= 10)
    await worker?.stop(10_000)
    const written = await persons(customer)
    expect(written).toBeLessThan(60)
    expect((await engine.request(customer)).served_seq).toBe(0)
    release()
    await engine.startWorkers(1)
    await engine.served(customer)
    expect(await persons(customer)).toBe(60)
    expect(await engine.runs(customer)).toMatchObject([{ outcome: 'succeeded' }])
  })
})

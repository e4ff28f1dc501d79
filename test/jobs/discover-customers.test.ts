import { sql } from 'kysely'
import type { Job } from 'bullmq'
import { afterEach, describe, expect, it } from 'vitest'
import { initMsp } from '../../src/consent/links/init-msp.ts'
import { enqueueDiscovery } from '../../src/jobs/enqueue.ts'
import { startEngine, type Engine } from './engine.ts'
import { backends, until } from './support.ts'

describe.each(backends)('discover-customers on %s', (backend) => {
  let engine: Engine

  afterEach(() => engine.close())

  async function start(): Promise<string> {
    engine = await startEngine(backend, [3, 1, 1])
    const { db } = engine.database
    const partner = engine.cloud.partnerTenantId
    await initMsp(db, (name) => engine.graph.tenantIdOf(name), {
      name: 'MSP',
      entraTenant: partner,
      actor: 'test',
    })
    await engine.startWorkers(1, { queue: 'control' })
    return partner
  }

  const ended = (id: string): Promise<Job> =>
    until('the job to end', async () => {
      const job = (await engine.queues.control.getJob(id)) as Job | undefined
      return job?.finishedOn === undefined ? null : job
    })

  it('reads the customers and says how many', async () => {
    const partner = await start()
    const job = await ended(await enqueueDiscovery(engine.queues, partner, 'anna'))
    expect(job.failedReason).toBeUndefined()
    expect(job.returnvalue).toMatch(/^2 customers \(2 new\), \d+ relationships$/)
  })

  it('is due by the tick, and after a failure again sooner', async () => {
    const partner = await start()
    engine.cloud.tenant(partner).app.roles = []
    expect((await engine.tick()).discoveries).toBe(1)
    const failed = await until('the job to fail', async () => (await engine.queues.control.getFailed())[0])
    expect(failed.failedReason).toContain(engine.cloud.tenant(partner).displayName)
    const { rows } = await sql<{ seconds: number }>`
      select extract(epoch from next_discovery_at - now())::float8 as seconds from entra_tenants
      where entra_tenant_id = ${partner}`.execute(engine.database.db)
    expect(rows[0]?.seconds).toBeLessThanOrEqual(1)
  })
})

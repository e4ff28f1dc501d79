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

  describe('a standalone Entra tenant', () => {
    async function standalone(): Promise<string> {
      await start()
      const [, id = ''] = engine.tenants
      const { db } = engine.database
      await sql`update entra_tenants set next_discovery_at = now() + interval '1 day'`.execute(db)
      await sql`update entra_tenants set next_discovery_at = null where entra_tenant_id = ${id}`.execute(db)
      await sql`with made as (insert into tenants (name, slug) values ('Other', 'other') returning tenant_id)
        insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${id} from made`.execute(db)
      return id
    }
    const consent = (id: string) =>
      sql`insert into consents (entra_tenant_id, app_id, status, granted_roles, next_proof_at)
        values (${id}, ${engine.cloud.clientId}, 'granted', '{DelegatedAdminRelationship.Read.All}', now() + interval '1 day')`.execute(
        engine.database.db,
      )
    const facts = async (id: string) =>
      (
        await sql<{ kind: string; problems: number; hours: number }>`
          select s.kind, s.problems::int, round(extract(epoch from e.next_discovery_at - now()) / 3600)::int as hours
          from tenant_status s join entra_tenants e using (entra_tenant_id) where e.entra_tenant_id = ${id}`.execute(
          engine.database.db,
        )
      ).rows[0]
    const completed = () =>
      until('the job to complete', async () => (await engine.queues.control.getCompleted())[0])

    it('is not asked without the permission, and then once a day; an empty list leaves it standalone', async () => {
      const id = await standalone()
      engine.cloud.tenant(id).app.roles.push('DelegatedAdminRelationship.Read.All')
      expect((await engine.tick()).discoveries).toBe(0)
      await consent(id)
      expect((await engine.tick()).discoveries).toBe(1)
      expect((await engine.tick()).discoveries).toBe(0)
      expect((await completed()).returnvalue).toMatch(/^0 customers/)
      expect(await facts(id)).toEqual({ kind: 'standalone', problems: 0, hours: 24 })
    })

    it('that Microsoft refuses stays standalone, without a problem or a failed job', async () => {
      const id = await standalone()
      await consent(id)
      engine.cloud.tenant(id).app.roles = ['User.Read.All']
      expect((await engine.tick()).discoveries).toBe(1)
      expect((await completed()).returnvalue).toMatch(/^no partner: /)
      expect(await facts(id)).toEqual({ kind: 'standalone', problems: 0, hours: 24 })
      const asked = await ended(await enqueueDiscovery(engine.queues, id, 'anna'))
      expect(asked.failedReason).toMatch(/authorization_request_denied/)
    })

    it('that has customers becomes a partner', async () => {
      const id = await standalone()
      await consent(id)
      engine.cloud.tenant(id).app.roles.push('DelegatedAdminRelationship.Read.All')
      const customer = engine.cloud.tenants[2]
      const [relationship] = customer?.gdap ?? []
      if (relationship === undefined) throw new Error('no relationship')
      relationship.partnerTenantId = id
      expect((await engine.tick()).discoveries).toBe(1)
      expect((await completed()).returnvalue).toMatch(/^1 customers \(1 new\)/)
      expect(await facts(id)).toMatchObject({ kind: 'partner' })
    })
  })
})

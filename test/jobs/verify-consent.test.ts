import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { createTicket } from '../../src/consent/grants/tickets.ts'
import { enqueueProof, syncNow } from '../../src/jobs/enqueue.ts'
import { openOwnApps } from '../consent/own-apps.ts'
import { ownRedis } from '../harness/redis.ts'
import { backends, log, quickWorker, until } from './support.ts'

/** The whole daemon over a partner and a customer who has never consented. */
async function start(backend: (typeof backends)[number]) {
  const own = await openOwnApps()
  onTestFinished(() => own.close())
  const there = own.cloud.tenant(own.customer).app
  const roles = there.roles
  const revoke = () => Object.assign(there, { state: 'no-service-principal', roles: [], late: null })
  const grant = () => Object.assign(there, { state: 'ready', roles })
  revoke()
  const redis = backend === 'redis' ? await ownRedis() : null
  onTestFinished(async () => redis?.stop())
  const config = loadConfig({
    ...own.env,
    ...(redis && { QUEUE_URL: redis.url }),
    HTTP_PORT: '0',
    OPS_TOKEN: randomUUID(),
    LOG_LEVEL: 'silent',
  })
  const app = await startApp(config, {
    log,
    timings: { worker: quickWorker, scheduler: { tickMs: 200 }, stopMs: 5000 },
  })
  onTestFinished(() => app.stop())
  const { db } = app
  const status = async () => {
    const { rows } = await sql<{ consent: string | null; scheduled: boolean }>`
      select consent, scheduled from entra_sync.tenant_status where entra_tenant_id = ${own.customer}`.execute(
      db,
    )
    return rows[0]
  }
  return {
    ...own,
    app,
    db,
    revoke,
    grant,
    consent: (wanted: string) =>
      until(`consent to be ${wanted}`, async () => (await status())?.consent === wanted && status()),
    persons: async (): Promise<number> => {
      const { rows } = await sql<{ count: number }>`
        select count(*)::int as count from entra_sync.persons
        where entra_tenant_id = ${own.customer} and deleted_at is null`.execute(db)
      return rows[0]?.count ?? 0
    },
    problems: async () => {
      const { rows } = await sql<{ code: string }>`
        select code from entra_sync.problems
        where entra_tenant_id = ${own.customer} and closed_at is null`.execute(db)
      return rows.map(({ code }) => code)
    },
  }
}

describe.each(backends)('consent over the whole daemon on %s', (backend) => {
  it('never given, given, taken back, given again: asked by itself, synced at once, told once, nothing emptied', async () => {
    const whole = await start(backend)
    const { app, db, customer, cloud } = whole
    expect(await whole.consent('required')).toMatchObject({ scheduled: false })

    const ticket = { entraTenantId: customer, clientId: cloud.clientId, actor: 'ada' }
    const { url } = await createTicket(db, ticket)
    const begun = await fetch(app.url + url, { redirect: 'manual' })
    const answered = await fetch(`${begun.headers.get('location')}&decision=accept`, { redirect: 'manual' })
    const back = new URL(answered.headers.get('location') ?? '')
    const cookie = begun.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const page = await fetch(app.url + back.pathname + back.search, { headers: { Cookie: cookie } })
    expect(await page.text()).toContain('Consent is given')
    await until('the first sync', async () => (await whole.persons()) > 0)
    const synced = await whole.persons()

    whole.revoke()
    cloud.issuer.revoke(customer)
    await syncNow(db, app.queues, { entraTenantId: customer, mode: 'full', requestedBy: 'ada' })
    expect(await whole.consent('revoked')).toMatchObject({ scheduled: false })
    expect(await whole.problems()).toEqual(['consent_required'])
    expect(await whole.persons()).toBe(synced)

    whole.grant()
    const id = await enqueueProof(app.queues, customer, 'ada')
    expect(await whole.consent('granted')).toMatchObject({ scheduled: true })
    const job = await until('the job to end', async () => {
      const found = await app.queues.control.getJob(id)
      return found?.finishedOn === undefined ? null : found
    })
    expect(job.returnvalue).toContain(`${cloud.clientId}: granted`)
    await until('the problem to close', async () => (await whole.problems()).length === 0)
  })
})

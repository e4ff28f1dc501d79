import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { refreshSignIns } from '../../src/consent/preconsent/housekeeping.ts'
import { requestPreconsent, takeLost } from '../../src/consent/preconsent/rows.ts'
import { enqueuePreconsents } from '../../src/jobs/enqueue-preconsents.ts'
import { housekeeping } from '../../src/jobs/housekeeping.ts'
import { preconsentCustomerJob } from '../../src/jobs/preconsent-customer.ts'
import { startWorker } from '../../src/jobs/worker.ts'
import { createLog } from '../../src/log.ts'
import { runTick } from '../../src/scheduler/tick.ts'
import { openPartnerCloud } from '../consent/preconsent/partner-cloud.ts'
import { control } from '../simulator/asking.ts'
import { backends, handlersWith, log, openTestQueues, quickWorker, until } from './support.ts'

async function openJobs(backend: (typeof backends)[number]) {
  const own = await openPartnerCloud()
  const queues = await openTestQueues(backend, own.database.url)
  onTestFinished(() => queues.close())
  const target = (entraTenantId: string) => ({
    entraTenantId,
    partnerEntraTenantId: own.partner,
    clientId: own.cloud.clientId,
  })
  return {
    ...own,
    queues,
    target,
    work() {
      const handlers = handlersWith({
        'preconsent-customer': (payload, job) =>
          preconsentCustomerJob({ preconsent: own.context, queues }, payload, job),
      })
      const worker = startWorker(
        { queues, handlers, log, beat: async () => {}, nameOf: async (id) => `name of ${id}` },
        'control',
        {
          concurrency: 4,
          timings: quickWorker,
        },
      )
      onTestFinished(() => worker.stop(5000))
    },
    tick: () =>
      runTick({
        db: own.db,
        queues,
        intervals: { syncMs: 60_000, discoveryMs: 600_000 },
        defaultClientId: own.cloud.clientId,
      }),
    ended: (id: string) =>
      until(`the pre-consent of ${id}`, async () => {
        const row = await own.row(id)
        return row?.['finished_at'] === null ? null : row
      }),
  }
}

test.each(backends)('asked for, done by a worker, and a sync follows, on %s', async (backend) => {
  const jobs = await openJobs(backend)
  await jobs.signedIn()
  jobs.work()
  await requestPreconsent(jobs.db, jobs.target(jobs.customer), 'tester')
  const [id, again] = [
    await enqueuePreconsents(jobs.queues, [jobs.customer], 'operator'),
    await enqueuePreconsents(jobs.queues, [jobs.customer], 'operator'),
  ]
  expect(id).toHaveLength(1)
  expect(again).toHaveLength(1)
  expect(await jobs.ended(jobs.customer)).toMatchObject({ step: 'done' })
  await until('a sync that was asked for', async () => {
    const { rows } = await sql<{ by: string[] }>`select requested_by as by from sync_requests`.execute(
      jobs.db,
    )
    return rows[0]?.by.includes('consent')
  })

  // Added by hand, by any client: it is asked for by that, and one of another customer fails with its name.
  const [, second = ''] = jobs.customers
  await control(jobs.cloud, 'POST /gdap', { tenantId: second, assignments: [] })
  const stranger = jobs.queues.stranger('control')
  const added = await stranger.add('preconsent-customer', { entraTenantId: second })
  expect(await jobs.ended(second)).toMatchObject({ step: 'failed', requested_by: 'queue' })
  const reason = await until(
    'the failed job',
    async () => (await stranger.getJob(added.id ?? ''))?.failedReason,
  )
  expect(reason).toContain(`partner_access_denied name of ${second}`)
  const bad = await stranger.add('preconsent-customer', { entraTenantId: 'x' })
  await until('the bad job', async () => (await stranger.getJob(bad.id ?? ''))?.failedReason)
})

test('a job that was lost is added again by the tick, once', async () => {
  const jobs = await openJobs('redis')
  await jobs.signedIn()
  await requestPreconsent(jobs.db, jobs.target(jobs.customer), 'tester')
  expect(await takeLost(jobs.db, 300_000)).toEqual([])
  expect((await jobs.tick()).preconsents).toBe(0)
  await sql`update preconsents set requested_at = now() - interval '6 minutes'`.execute(jobs.db)
  expect((await jobs.tick()).preconsents).toBe(1)
  expect((await jobs.tick()).preconsents).toBe(0)
  jobs.work()
  expect(await jobs.ended(jobs.customer)).toMatchObject({ step: 'done' })
})

test('throttled, it gives its slot back until Microsoft allows it', async () => {
  const jobs = await openJobs('redis')
  await jobs.signedIn()
  await control(jobs.cloud, 'POST /sign-ins', { consentsPerSecond: 0 })
  jobs.work()
  await requestPreconsent(jobs.db, jobs.target(jobs.customer), 'tester')
  await enqueuePreconsents(jobs.queues, [jobs.customer], 'operator')
  await until('a delayed job', async () => (await jobs.queues.control.getDelayedCount()) > 0)
  await control(jobs.cloud, 'POST /sign-ins', { consentsPerSecond: 50 })
  expect(await jobs.ended(jobs.customer)).toMatchObject({ step: 'done', error_code: null })
})

test('housekeeping refreshes sign-ins and tells of it', async () => {
  const jobs = await openJobs('redis')
  await jobs.signedIn()
  await sql`update partner_sign_ins set refreshed_at = now() - interval '2 days'`.execute(jobs.db)
  const verdict = await housekeeping(
    { db: jobs.db, licenseGraceMs: 1000, preconsent: jobs.context },
    {
      id: '1',
      log,
      signal: new AbortController().signal,
      progress: () => {},
      updatePayload: async () => {},
    },
  )
  expect(verdict).toMatchObject({
    result: expect.stringContaining('1 partner sign-ins refreshed, 0 bootstrap'),
  })
})

test('nothing secret is in jobs, rows or logs, whether it goes well or not', async () => {
  const jobs = await openJobs('redis')
  const lines: string[] = []
  jobs.context.log = createLog(
    { level: 'trace', pretty: false },
    { write: (line: string) => void lines.push(line) },
  )
  const [, second = ''] = jobs.customers
  await control(jobs.cloud, 'POST /gdap', { tenantId: second, assignments: [] })
  await jobs.signedIn()
  jobs.work()
  for (const id of [jobs.customer, second]) await requestPreconsent(jobs.db, jobs.target(id), 'tester')
  await enqueuePreconsents(jobs.queues, [jobs.customer, second], 'operator')
  await jobs.ended(jobs.customer)
  await jobs.ended(second)
  await control(jobs.cloud, 'POST /partner-user', { user: jobs.user, refuse: 50173 })
  await sql`update partner_sign_ins set refreshed_at = now() - interval '2 days'`.execute(jobs.db)
  await refreshSignIns(jobs.context, new AbortController().signal)
  const all = await jobs.queues.control.getJobs(['completed', 'failed', 'active'])
  const { rows } = await sql<{ text: string }>`
    select string_agg(t, ' ') as text from (
      select p::text as t from preconsents p union all select s::text from partner_sign_ins s
      union all select c::text from consents c union all select a::text from audit_log a
      union all select p::text from problems p) x`.execute(jobs.db)
  const everywhere = JSON.stringify(all.map((job) => job.toJSON())) + (rows[0]?.text ?? '') + lines.join('')
  expect(lines.join('')).toContain('a sign-in of a partner user has ended')
  for (const token of jobs.cloud.signIns.refreshTokens.keys()) expect(everywhere).not.toContain(token)
  expect(everywhere).not.toContain(jobs.cloud.clientSecret)
  expect(everywhere).not.toMatch(/eyJ[\w-]{20}/)
})

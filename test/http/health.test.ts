import { request } from 'node:http'
import { sql, type Kysely } from 'kysely'
import { describe, expect, onTestFinished, test } from 'vitest'
import { noteOutages, readOutages, type Outage } from '../../src/db/cloud-outages.ts'
import { openDatabase } from '../../src/db/connection.ts'
import type { Database } from '../../src/db/tables.ts'
import { liveness, watchEventLoop, workerCheck, type Check } from '../../src/http/health.ts'
import { tellOutages } from '../../src/jobs/tell-outages.ts'
import { log } from '../jobs/support.ts'
import { halfOpenWay } from '../harness/half-open.ts'
import { operatorToken, sessionOf, startTestHttp } from './start.ts'

async function ready(url: string): Promise<{ status: number; red: string[] }> {
  const answer = await fetch(`${url}/readyz`)
  const { checks } = (await answer.json()) as { checks: Check[] }
  return { status: answer.status, red: checks.filter(({ ok }) => !ok).map(({ name }) => name) }
}

async function addTenants(db: Kysely<Database>, count: number, syncedAgo: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    insert into entra_sync.entra_tenants (entra_tenant_id, display_name, last_synced_at)
    select gen_random_uuid(), 'Contoso ' || n, now() - ${syncedAgo}::interval from generate_series(1, ${count}) as n
    returning entra_tenant_id as id`.execute(db)
  return rows.map(({ id }) => id)
}

describe('/readyz', () => {
  test('green with nothing to do', async () => {
    const { url } = await startTestHttp()
    expect(await ready(url)).toEqual({ status: 200, red: [] })
  })

  test('red while a service of Microsoft answers nobody, and it is told in metrics and console; what a process told that is gone is forgotten', async () => {
    const { url, database } = await startTestHttp()
    const { db } = database
    let away: Outage[] = [{ service: 'login', since: Date.parse('2026-01-02T03:04:05Z') }]
    const telling = tellOutages({ db, away: () => away, process: 'one', log, everyMs: 20 })
    onTestFinished(() => telling.stop())
    await expect.poll(() => ready(url)).toEqual({ status: 503, red: ['cloud'] })
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    const headers = { Authorization: `Bearer ${operatorToken}` }
    expect(await (await fetch(`${url}/metrics`, { headers })).text()).toMatch(
      /cloud_away{service="graph"} 0\ncloud_away{service="login"} 1/,
    )
    const Cookie = await sessionOf(url, operatorToken)
    expect(await (await fetch(url, { headers: { Cookie, Accept: 'text/html' } })).text()).toContain(
      'login service has answered nobody since 2026-01-02T03:04:05.000Z',
    )
    await noteOutages(db, 'another', [{ service: 'graph', since: 0 }])
    away = []
    await expect.poll(() => readOutages(db)).toEqual([{ service: 'graph', since: 0 }])
    await sql`update cloud_outages set told_at = now() - interval '2 minutes'`.execute(db)
    expect(await ready(url)).toEqual({ status: 200, red: [] })
  })

  test('red when most Entra tenants are staler than three intervals, green with one that is', async () => {
    const { url, database } = await startTestHttp({ syncIntervalMs: 60_000 })
    await addTenants(database.db, 3, '1 minute')
    await addTenants(database.db, 1, '9 minutes')
    expect(await ready(url)).toEqual({ status: 200, red: [] })
    await addTenants(database.db, 4, '9 minutes')
    expect(await ready(url)).toEqual({ status: 503, red: ['freshness'] })
  })

  test('an Entra tenant of a longer interval, a paused one and one with a problem make nothing red', async () => {
    const { url, database } = await startTestHttp({ syncIntervalMs: 60_000 })
    const [slow, paused, broken] = await addTenants(database.db, 3, '9 minutes')
    await sql`update entra_sync.entra_tenants set sync_interval = '1 hour' where entra_tenant_id = ${slow}`.execute(
      database.db,
    )
    await sql`update entra_sync.entra_tenants set paused_at = now() where entra_tenant_id = ${paused}`.execute(
      database.db,
    )
    await sql`insert into entra_sync.problems (entra_tenant_id, code, message, remedy, who_acts)
      values (${broken}, 'consent_missing', 'm', 'r', 'customer_admin')`.execute(database.db)
    expect(await ready(url)).toEqual({ status: 200, red: [] })
    // Silenced it is still what keeps the Entra tenant from being fresh.
    await sql`insert into entra_sync.problem_silences (code, created_by) values ('consent_missing', 'test')`.execute(
      database.db,
    )
    expect(await ready(url)).toEqual({ status: 200, red: [] })
  })

  test('red when nothing at all is fresh any more, though each Entra tenant has its problem: an app secret that ended is all of theirs', async () => {
    const { url, database } = await startTestHttp()
    const all = await addTenants(database.db, 3, '3 days')
    for (const id of all)
      await sql`insert into entra_sync.problems (entra_tenant_id, code, message, remedy, who_acts)
        values (${id}, 'app_secret_expired', 'm', 'r', 'operator')`.execute(database.db)
    expect(await ready(url)).toEqual({ status: 503, red: ['freshness'] })
    await sql`update entra_sync.entra_tenants set last_synced_at = now() where entra_tenant_id = ${all[0]}`.execute(
      database.db,
    )
    expect(await ready(url)).toEqual({ status: 200, red: [] })
    // Those that wait for their first consent are no fault.
    await sql`update entra_sync.entra_tenants set last_synced_at = null`.execute(database.db)
    expect(await ready(url)).toEqual({ status: 200, red: [] })
  })

  test('red while requests wait and no worker takes any; a lease or a run that ended makes it green', async () => {
    const { url, database } = await startTestHttp()
    const { db } = database
    const [one, two] = await addTenants(db, 2, '1 minute')
    await sql`insert into entra_sync.sync_requests (entra_tenant_id, requested_seq, requested_at)
      values (${one}, 1, now() - interval '3 minutes')`.execute(db)
    expect(await ready(url)).toEqual({ status: 503, red: ['workers'] })
    await sql`insert into entra_sync.sync_leases (entra_tenant_id, run_seq, expires_at)
      values (${two}, 1, now() + interval '1 minute')`.execute(db)
    expect((await ready(url)).red).toEqual([])
    await sql`update entra_sync.sync_leases set expires_at = now() - interval '1 s'`.execute(db)
    expect((await ready(url)).red).toEqual(['workers'])
    await sql`insert into entra_sync.sync_runs (entra_tenant_id, mode, finished_at, outcome)
      values (${two}, 'delta', now(), 'succeeded')`.execute(db)
    expect((await ready(url)).red).toEqual([])
  })

  test('red within two minutes of a scheduler or a worker that stands still, and green before', async () => {
    const { url, database } = await startTestHttp()
    const loops = ['tick', 'worker sync', 'worker targets', 'worker control']
    const beat = (name: string, seconds: number) =>
      sql`insert into entra_sync.heartbeats (name, at, by) values (${name}, now() - make_interval(secs => ${seconds}), 'x')
        on conflict (name) do update set at = excluded.at`.execute(database.db)
    for (const name of loops) await beat(name, 60)
    expect(await ready(url)).toEqual({ status: 200, red: [] })
    for (const name of loops) {
      await beat(name, 119)
      expect(await ready(url)).toEqual({ status: 503, red: [name === 'tick' ? 'scheduler' : 'workers'] })
      await beat(name, 1)
    }
  })

  test('what has never come round is red, too, two minutes after the start', async () => {
    const late = await startTestHttp({ startedAt: Date.now() - 119_000 })
    expect(await ready(late.url)).toEqual({ status: 503, red: ['scheduler', 'workers'] })
    const early = await startTestHttp({ startedAt: Date.now() - 60_000 })
    expect(await ready(early.url)).toEqual({ status: 200, red: [] })
  })

  test('a feed that cannot be heard is red; a worker beyond repair is not even live', async () => {
    const deaf = await startTestHttp({
      feedBell: { subscribe: () => () => {}, ok: () => false, close: async () => {} },
    })
    expect(await ready(deaf.url)).toEqual({ status: 503, red: ['feed'] })
    expect((await fetch(`${deaf.url}/livez`)).status).toBe(200)
    const wedged = await startTestHttp({ health: () => [workerCheck('sync', false)] })
    const live = await fetch(`${wedged.url}/livez`)
    expect(live.status).toBe(503)
    expect(await live.text()).toContain('restart this process')
  })

  test('answers though Postgres does not: red, and which, to everybody who asks', async () => {
    const { database } = await startTestHttp()
    const way = await halfOpenWay(database.url)
    const db = openDatabase(way.url, { max: 4 })
    onTestFinished(async () => {
      await way.close()
      await db.destroy()
    })
    const { url } = await startTestHttp({ db, answerMs: 300 })
    expect((await ready(url)).status).toBe(200)
    way.silence(true)
    for (let n = 0; n < 2; n++)
      expect(await ready(url)).toEqual({
        status: 503,
        red: ['schema', 'freshness', 'cloud', 'scheduler', 'workers', 'targets'],
      })
    expect((await fetch(`${url}/livez`)).status).toBe(200)
  })

  test('red with a schema that this version does not know, and with what the process says of itself', async () => {
    const own = { name: 'worker loop', ok: false, detail: 'stood still' }
    const { url, database } = await startTestHttp({ health: () => [own] })
    expect((await ready(url)).red).toEqual(['worker loop'])
    await sql`drop schema entra_sync cascade`.execute(database.db)
    expect((await ready(url)).red).toEqual(expect.arrayContaining(['schema', 'freshness', 'workers']))
  })
})

test('/livez tells a stall of the event loop', () => {
  expect(liveness(4999).ok).toBe(true)
  expect(liveness(5000).ok).toBe(false)
})

test('the event loop is really watched', async () => {
  const loop = watchEventLoop()
  try {
    await new Promise((resolve) => setTimeout(resolve, 50))
    const until = performance.now() + 400
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(loop.stallMs()).toBeGreaterThan(300)
  } finally {
    loop.stop()
  }
})

describe('/metrics', () => {
  test('tells freshness, runs, problems, holds, waiting requests and queue depth', async () => {
    const { url, database, queues } = await startTestHttp()
    const { db } = database
    const [id = ''] = await addTenants(db, 1, '1 minute')
    const first = await (await fetch(`${url}/metrics`)).text()
    expect(first).toMatch(
      new RegExp(`sync_last_complete_timestamp_seconds\\{entra_tenant="${id}",name="Contoso 1"\\} \\d`),
    )
    expect(first).not.toMatch(/sync_runs_total\{/)

    await queues.sync.add('sync-tenant', { entraTenantId: id })
    await sql`insert into entra_sync.sync_requests (entra_tenant_id, requested_seq, requested_at)
      values (${id}, 1, now() - interval '90 s')`.execute(db)
    await sql`insert into entra_sync.sync_runs (entra_tenant_id, mode, finished_at, outcome, requests, throttled_ms, collections)
      values (${id}, 'full', now(), 'held', 7, 1500, '{"users":{"added":3,"removed":0}}')`.execute(db)
    await sql`insert into entra_sync.problems (entra_tenant_id, code, message, remedy, who_acts)
      values (${id}, 'consent_missing', 'm', 'r', 'customer_admin')`.execute(db)
    await sql`insert into entra_sync.holds (entra_tenant_id, kind, reason, size, of_total)
      values (${id}, 'person', 'too many', 12, 20)`.execute(db)
    const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n')
    for (const line of [
      'sync_runs_total{mode="full",outcome="held"} 1',
      'graph_requests_total 7',
      'graph_throttle_wait_seconds_total 1.5',
      'sync_changes_total{collection="users",change="added"} 3',
      'sync_problems_open{code="consent_missing"} 1',
      'sync_held_items{kind="person"} 12',
      'sync_requests_unserved 1',
      'queue_jobs{queue="sync",state="waiting"} 1',
      'entra_tenants{kind="standalone",state="problem"} 1',
    ]) {
      expect(lines).toContain(line)
    }
    await sql`insert into entra_sync.problem_silences (entra_tenant_id, created_by) values (${id}, 'test')`.execute(
      db,
    )
    const silenced = await (await fetch(`${url}/metrics`)).text()
    expect(silenced).not.toContain('sync_problems_open{')
    expect(silenced).not.toContain('state="problem"')
    // Counted once, however often it is read.
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('graph_requests_total 7\n')
  })

  test('without a token loopback clients only: none that a proxy forwards, none that asks for another name', async () => {
    const { url } = await startTestHttp()
    expect((await fetch(`${url}/metrics`)).status).toBe(200)
    expect((await fetch(`${url}/metrics`, { headers: { 'X-Forwarded-For': '203.0.113.9' } })).status).toBe(
      401,
    )
    expect(await statusFor(url, 'rebound.example')).toBe(401)
  })

  test('with a token that token, or an ops token', async () => {
    const metricsToken = 'metrics-token-of-the-tests'
    const { url } = await startTestHttp({ metricsToken })
    const status = async (token: string) =>
      (await fetch(`${url}/metrics`, { headers: token === '' ? {} : { Authorization: `Bearer ${token}` } }))
        .status
    expect([await status(''), await status('wrong-token-of-the-tests')]).toEqual([401, 401])
    expect([await status(metricsToken), await status(operatorToken)]).toEqual([200, 200])
    const queues = await fetch(`${url}/queues`, { headers: { Authorization: `Bearer ${metricsToken}` } })
    expect(queues.status).toBe(401)
  })
})

function statusFor(url: string, host: string): Promise<number | undefined> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const headers = { Host: host }
    request({ hostname, port, path: '/metrics', headers }, (answer) => resolve(answer.resume().statusCode))
      .on('error', reject)
      .end()
  })
}

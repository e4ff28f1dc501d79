import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createServer } from 'node:net'
import { sql } from 'kysely'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { startCloud } from '../../simulator/cloud.ts'
import { collections } from '../../src/sync/collections.ts'
import { loginFetch } from '../../src/graph/login-transport.ts'
import { createGraph } from '../../src/graph/graph.ts'
import { createPartnerCenter } from '../../src/graph/partner-center.ts'
import { createLog } from '../../src/log.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { runSync } from '../../src/sync/run.ts'
import { testCa } from '../harness/ca.ts'
import { testDatabase } from '../harness/database.ts'
import { scriptedContext, Script } from '../sync/scripted.ts'
import { caught } from './caught.ts'
import { fakeCloud, tenant } from './fake-cloud.ts'
import { hostileLinks } from './hostile-links.ts'
import { closeServers } from './tls-server.ts'

afterEach(closeServers)
const log = createLog({ level: 'silent', pretty: false })

/** Where this process's fetch goes from now on, whatever becomes of it; and who is reached on a port that waits for it. */
async function watched() {
  const origins = new Set<string>()
  const onRequest = (message: unknown): void => {
    const { request } = message as { request: { origin: string | URL } }
    origins.add(new URL(request.origin).origin)
  }
  subscribe('undici:request:create', onRequest)
  onTestFinished(() => void unsubscribe('undici:request:create', onRequest))
  let reached = 0
  const trap = createServer((socket) => {
    reached += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => trap.close(() => resolve())))
  const address = trap.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return { origins, reached: () => reached, trap: `https://localhost:${port}` }
}

test('no link of any answer takes a request elsewhere: nextLink, deltaLink, redirects, the way out of a 410', async () => {
  const { origins, reached, trap } = await watched()
  let answer: { status?: number; headers?: Record<string, string>; body?: unknown } = {}
  const cloud = await fakeCloud(() => answer)
  const client = cloud.graph.forTenant(tenant)
  const links = [...hostileLinks(cloud.origin), `${trap}/v1.0/users`, trap.replace('https', 'http')]
  expect(links.length).toBeGreaterThan(200)
  for (const link of links) {
    for (const name of ['@odata.nextLink', '@odata.deltaLink']) {
      answer = { body: { value: [], [name]: link } }
      const pages: unknown[] = []
      const read = async () => {
        for await (const page of client.pages('/users/delta')) pages.push(page)
      }
      // What is no text with something in it is no link at all, and its page is broken.
      const error = await caught(read())
      expect({ link, kind: error.kind, pages }).toEqual({
        link,
        kind: link === '' ? 'malformed' : 'foreign_origin',
        pages: [],
      })
    }
    if (/[^\x20-\x7e]/.test(link) || link.length > 8000) continue
    for (const status of [302, 307, 308]) {
      answer = { status, headers: { location: link }, body: '' }
      expect(await caught(client.get('/users'))).toMatchObject({ kind: 'foreign_origin' })
    }
    answer = { status: 410, headers: { location: link }, body: { error: { code: 'syncStateNotFound' } } }
    expect(await caught(client.get('/users/delta?$deltatoken=x'))).toMatchObject({ kind: 'reset' })
  }
  expect([...origins]).toEqual([cloud.origin])
  expect(reached()).toBe(0)
})

test('nor does what stands in the cursors of our own database', async () => {
  const { origins, reached, trap } = await watched()
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const { db } = database
  const cloud = await startCloud({ seed: 1, sizes: [12], customers: 0, ca: testCa() })
  onTestFinished(() => cloud.close())
  const [own] = cloud.tenants
  if (own === undefined) throw new Error('the cloud has a partner')
  await db.insertInto('entra_tenants').values({ entra_tenant_id: own.id }).execute()
  const graph = createGraph({
    cloud: { loginUrl: cloud.origin, graphUrl: cloud.origin },
    appFor: async () => ({ clientId: cloud.clientId, secret: cloud.clientSecret }),
    log,
  })
  onTestFinished(() => graph.close())
  const context = scriptedContext(db, new Script(own.id), { graphFor: graph.forTenant })
  const sync = async () => {
    await requestSync(db, { entraTenantId: own.id, requestedBy: 'test', priority: 1 })
    return runSync(context, own.id)
  }
  expect(await sync()).toMatchObject({ outcome: 'succeeded' })
  const persons = async () =>
    (await sql<{ n: number }>`select count(*) as n from persons where deleted_at is null`.execute(db)).rows[0]
      ?.n
  const before = await persons()
  // Postgres takes no NUL.
  const links = [...hostileLinks(cloud.origin), `${trap}/v1.0/users`].filter(
    (link) => !link.includes('\0') && link !== '' && !link.startsWith('/'),
  )
  for (const link of links.filter((_, index) => index % 8 === 0)) {
    await sql`update sync_cursors set start_link = ${link} where collection in ('users', 'groups')`.execute(
      db,
    )
    await sync()
    await sql`update entra_tenants set next_sync_at = now(), consecutive_failures = 0`.execute(db)
  }
  expect(await persons()).toBe(before)
  expect([...origins]).toEqual([cloud.origin])
  expect(reached()).toBe(0)
  expect(collections.map(({ start }) => start.startsWith('/'))).not.toContain(false)
})

test('a token request goes to the login service and nowhere else, and follows no redirect', async () => {
  const { origins, reached, trap } = await watched()
  const cloud = await fakeCloud(() => ({ status: 302, headers: { location: trap }, body: '' }))
  for (const link of [...hostileLinks(cloud.origin), trap]) {
    if (link.startsWith(`${cloud.origin}/`)) continue
    const error = await caught(
      loginFetch(cloud.origin, link, 1000, { method: 'POST', body: 'client_secret=secret' }),
    )
    expect({ link, kind: error.kind }).toEqual({ link, kind: 'foreign_origin' })
  }
  const redirected = await loginFetch(cloud.origin, `${cloud.origin}/v1.0/users`, 5000, {
    method: 'POST',
    body: 'client_secret=secret',
  })
  expect(redirected.status).toBe(302)
  expect([...origins]).toEqual([cloud.origin])
  expect(reached()).toBe(0)
})

test('nor do links and redirects inside the answers of a batch', async () => {
  const { origins, reached, trap } = await watched()
  let inner: object = {}
  const cloud = await fakeCloud(() => ({
    body: { responses: [{ id: '1', ...inner }], '@odata.nextLink': `${trap}/x` },
  }))
  const client = cloud.graph.forTenant(tenant)
  for (const link of [...hostileLinks(cloud.origin), `${trap}/v1.0/users`]) {
    for (const status of [200, 302, 410]) {
      inner = { status, headers: { Location: link }, body: { value: [], '@odata.nextLink': link } }
      const answers = await client.batch([{ id: '1', url: '/teams/x' }])
      expect(answers.get('1')).toMatchObject({ status })
    }
  }
  expect([...origins]).toEqual([cloud.origin])
  expect(reached()).toBe(0)
})

test('a partner user’s token stays with Partner Center, whatever it redirects to and whatever a customer is called', async () => {
  const { origins, reached, trap } = await watched()
  let location = trap
  const cloud = await fakeCloud(() => ({ status: 307, headers: { location }, body: '' }))
  const center = createPartnerCenter({ partnerCenterUrl: cloud.origin, log, spacingMs: 0 })
  const links = [...hostileLinks(cloud.origin), trap]
  expect(links.length).toBeGreaterThan(200)
  for (const link of links) {
    // A header takes no more than this.
    location = /^[\x20-\x7e]{1,8000}$/.test(link) ? link : trap
    const error = await caught(center.withdraw({ token: 'a-token', customer: link, clientId: link }))
    // A name that cannot stand in a path is refused before; all others end at the redirect.
    expect(['foreign_origin', 'transient', 'malformed', 'input']).toContain(error.kind)
  }
  expect([...origins].filter((origin) => origin !== cloud.origin)).toEqual([])
  expect(reached()).toBe(0)
})

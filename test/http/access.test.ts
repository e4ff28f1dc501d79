import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { cookieName, openRoutes } from '../../src/http/access.ts'
import { boardRoutes } from '../../src/http/dashboard.ts'
import { createFailures } from '../../src/http/failures.ts'
import { createSessions, signedInByToken } from '../../src/http/sessions.ts'
import { allRoutes } from './routes.ts'
import { operatorToken, sessionOf, signIn, startTestHttp, viewerToken } from './start.ts'

const aJob = JSON.stringify({
  name: 'sync-tenant',
  data: { entraTenantId: '11111111-2222-3333-4444-555555555555' },
  options: {},
})
const json = { 'Content-Type': 'application/json' }

describe('without sign-in', () => {
  test('every route but the probes and the sign-in page is refused', async () => {
    const { url, deps } = await startTestHttp({ metricsToken: 'a-metrics-token-of-its-own' })
    const routes = (await allRoutes(deps)).filter(({ path }) => !openRoutes.includes(path))
    const asked = new Set<string>()
    for (const { method, path } of routes) {
      const concrete = path.replace(/\*/g, 'x').replace(/:\w+/g, 'sync')
      for (const one of method === 'ALL' ? ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] : [method]) {
        asked.add(`${one} ${concrete}`)
      }
    }
    expect([...asked]).toEqual(
      expect.arrayContaining(['GET /queues/api/queues', 'POST /queues/api/queues/sync/add', 'GET /']),
    )
    for (const one of asked) {
      const [method = '', path = ''] = one.split(' ')
      const answer = await fetch(url + path, { method, redirect: 'manual', headers: { Origin: url } })
      expect({ one, status: answer.status }).toEqual({ one, status: 401 })
    }
    const page = await fetch(`${url}/queues`, { redirect: 'manual', headers: { Accept: 'text/html' } })
    expect([page.status, page.headers.get('location')]).toEqual([302, '/sign-in'])
  })

  test.each([
    '/queues/',
    '/QUEUES',
    '//queues',
    '/livez/../queues',
    '/%71ueues',
    '/sign-in/',
    '/nothing',
    '/.git/config',
  ])('%s is refused', async (path) => {
    const { url } = await startTestHttp()
    const { hostname, port } = new URL(url)
    // fetch would tidy the path up before it is sent.
    const status = await new Promise<number | undefined>((resolve, reject) => {
      request({ hostname, port, path }, (answer) => resolve(answer.resume().statusCode))
        .on('error', reject)
        .end()
    })
    expect(status).toBe(401)
  })
})

describe('sign-in', () => {
  test('a right token opens a session by a cookie that scripts and other sites do not get', async () => {
    const { url } = await startTestHttp()
    const answer = await signIn(url, operatorToken)
    expect(answer.status).toBe(303)
    const cookie = answer.headers.getSetCookie()[0] ?? ''
    expect(cookie).toMatch(/HttpOnly/)
    expect(cookie).toMatch(/SameSite=Strict/)
    expect(cookie).not.toContain(operatorToken)
    const page = await fetch(`${url}/queues`, { headers: { Cookie: cookie.split(';')[0] ?? '' } })
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('__UI_CONFIG__')
  })

  test('behind https the cookie travels over https only', async () => {
    const publicUrl = 'https://sync.example.com'
    const { url } = await startTestHttp({ http: { host: '127.0.0.1', port: 0, publicUrl } })
    const cookie = (await signIn(url, operatorToken, { Origin: publicUrl })).headers.getSetCookie()[0] ?? ''
    expect(cookie).toMatch(/^__Host-entra-sync=.*; Secure/)
  })

  test('a wrong token is refused, and after ten tries so is a right one for a while', async () => {
    const { url } = await startTestHttp()
    for (let count = 0; count < 10; count++) {
      expect((await signIn(url, `wrong token number ${count}`)).status).toBe(401)
    }
    const locked = await signIn(url, operatorToken)
    expect(locked.status).toBe(429)
    expect(Number(locked.headers.get('retry-after'))).toBeGreaterThan(0)
    const bearer = await fetch(`${url}/queues`, { headers: { Authorization: `Bearer ${operatorToken}` } })
    expect(bearer.status).toBe(429)
  })

  test('failures are forgotten after five minutes, sessions after eight hours', () => {
    let now = 0
    const failures = createFailures(() => now)
    for (let count = 0; count < 10; count++) failures.add('1.2.3.4')
    expect(failures.waitSeconds('1.2.3.4')).toBe(300)
    expect(failures.waitSeconds('5.6.7.8')).toBe(0)
    const sessions = createSessions(() => now)
    const id = sessions.open({ role: 'viewer', name: 'v' })
    now = 300_000
    expect(failures.waitSeconds('1.2.3.4')).toBe(0)
    expect(sessions.find(id)?.role).toBe('viewer')
    now = 8 * 3600_000
    expect(sessions.find(id)).toBeNull()
  })

  test('signing out ends the session on the server', async () => {
    const { url } = await startTestHttp()
    const Cookie = await sessionOf(url, operatorToken)
    await fetch(`${url}/sign-out`, { method: 'POST', redirect: 'manual', headers: { Cookie, Origin: url } })
    expect((await fetch(`${url}/queues`, { headers: { Cookie } })).status).toBe(401)
  })

  test('a token gives its own role', () => {
    const tokens = [
      { token: 'one-token-of-two', role: 'viewer' as const },
      { token: 'another-token-of-two', role: 'operator' as const },
    ]
    expect(signedInByToken(tokens, 'one-token-of-two')?.role).toBe('viewer')
    expect(signedInByToken(tokens, 'another-token-of-two')?.role).toBe('operator')
    expect(signedInByToken(tokens, 'one-token-of-tw')).toBeNull()
    expect(signedInByToken(tokens, '')).toBeNull()
  })
})

describe('requests from other sites', () => {
  test.each([
    ['another site', { Origin: 'https://evil.example' }],
    ['another port of this host', { Origin: 'http://127.0.0.1:1' }],
    ['an opaque origin', { Origin: 'null' }],
    ['no origin at all', {}],
  ])('%s can change nothing with an operator session', async (_name, headers) => {
    const { url, queues } = await startTestHttp()
    const Cookie = await sessionOf(url, operatorToken)
    const send = (more: Record<string, string>) =>
      fetch(`${url}/queues/api/queues/sync/add`, {
        method: 'POST',
        headers: { ...json, Cookie, ...more },
        body: aJob,
      })
    expect((await send(headers as Record<string, string>)).status).toBe(403)
    expect(await queues.sync.count()).toBe(0)
    expect((await send({ Origin: url })).status).toBe(200)
    expect(await queues.sync.count()).toBe(1)
  })

  test('a sign-in form of another site is refused', async () => {
    const { url } = await startTestHttp()
    const answer = await signIn(url, operatorToken, { Origin: 'https://evil.example' })
    expect(answer.status).toBe(403)
    expect(answer.headers.getSetCookie()).toEqual([])
  })
})

describe('roles', () => {
  test('a viewer sees the queues and changes nothing, by session or token', async () => {
    const { url, queues } = await startTestHttp()
    const ways = [{ Cookie: await sessionOf(url, viewerToken) }, { Authorization: `Bearer ${viewerToken}` }]
    for (const way of ways) {
      const seen = await fetch(`${url}/queues/api/queues`, { headers: { ...way } as Record<string, string> })
      const body = (await seen.json()) as { queues: { name: string; readOnlyMode: boolean }[] }
      expect(body.queues.map(({ name, readOnlyMode }) => [name, readOnlyMode])).toEqual([
        ['sync', true],
        ['targets', true],
        ['control', true],
      ])
      for (const { method, path } of boardRoutes({
        queues: queues.all,
        db: (await startTestHttp()).database.db,
      })) {
        if (method === 'GET' || method === 'ALL') continue
        const headers = { ...json, ...way, Origin: url } as Record<string, string>
        const concrete = path.replace(/:\w+/g, 'sync')
        const answer = await fetch(url + concrete, { method, headers, body: aJob })
        expect({ method, concrete, status: answer.status }).toEqual({ method, concrete, status: 403 })
      }
    }
    expect(await queues.sync.count()).toBe(0)
  })

  test('an operator adds a job with a bearer token, and the audit log keeps who', async () => {
    const { url, queues, database } = await startTestHttp()
    const answer = await fetch(`${url}/queues/api/queues/sync/add`, {
      method: 'POST',
      headers: { ...json, Authorization: `Bearer ${operatorToken}` },
      body: aJob,
    })
    expect(answer.status).toBe(200)
    expect(await queues.sync.count()).toBe(1)
    const log = await database.db.selectFrom('audit_log').selectAll().execute()
    expect(log).toMatchObject([
      { actor: expect.stringMatching(/^operator /), action: 'POST /queues/api/queues/sync/add' },
    ])
  })
})

test('every answer forbids foreign scripts and frames', async () => {
  const { url } = await startTestHttp()
  for (const path of ['/sign-in', '/livez', '/queues']) {
    const { headers } = await fetch(url + path, { headers: { Authorization: `Bearer ${viewerToken}` } })
    expect(headers.get('content-security-policy')).toMatch(/script-src 'self';.*frame-ancestors 'none'/)
    expect(headers.get('content-security-policy')).not.toMatch(/script-src[^;]*(unsafe|data:)|https?:|\*/)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  }
})

test('a body without end is cut off', async () => {
  const { url } = await startTestHttp()
  const answer = await fetch(`${url}/queues/api/queues/sync/add`, {
    method: 'POST',
    headers: { ...json, Authorization: `Bearer ${operatorToken}` },
    body: 'x'.repeat(2 * 1024 * 1024),
  })
  expect(answer.status).toBe(413)
})

test('the cookie has a name that only https can set where https is used', () => {
  expect([cookieName(true), cookieName(false)]).toEqual(['__Host-entra-sync', 'entra-sync'])
})

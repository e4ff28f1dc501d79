import { gunzipSync } from 'node:zlib'
import { request } from 'node:https'
import type { IncomingHttpHeaders } from 'node:http'
import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startCloud } from '../../simulator/cloud.ts'
import type { Cloud } from '../../simulator/cloud.ts'
import { resourceUnits } from '../../simulator/throttle.ts'
import type { Truth } from '../../simulator/types.ts'
import { askGraph, askToken, control, tokenFor, trust } from './asking.ts'

let cloud: Cloud
let token: string
beforeAll(async () => {
  cloud = await startCloud({ sizes: [60, 60] })
  trust(cloud)
  token = await tokenFor(cloud, cloud.partnerTenantId)
})
afterEach(() => control(cloud, 'DELETE /faults'))
afterAll(() => cloud.close())

const users = '/users?$select=id,displayName&$top=999'
const fault = (effect: object, more: object = {}): Promise<unknown> =>
  control(cloud, 'POST /faults', { path: '^/users', effect, ...more })

test.each([
  ['seconds', 7, /^7$/],
  ['an HTTP date', 'date+30', /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/],
  ['nonsense', 'soon', /^soon$/],
  ['a negative number', '-1', /^-1$/],
])('429 with Retry-After as %s', async (_name, retryAfter, header) => {
  await fault({ kind: 'status', status: 429, retryAfter }, { times: 1 })
  const answer = await askGraph(cloud, token, users)
  expect(answer.status).toBe(429)
  expect(answer.headers.get('retry-after')).toMatch(header)
  expect(await answer.json()).toMatchObject({ error: { code: 'TooManyRequests' } })
  expect((await askGraph(cloud, token, users)).status).toBe(200)
})

test.each([429, 500, 502, 503, 504])('%i without Retry-After', async (status) => {
  await fault({ kind: 'status', status })
  const answer = await askGraph(cloud, token, users)
  expect(answer.status).toBe(status)
  expect(answer.headers.has('retry-after')).toBe(false)
})

test('a fault may wait, strike some times, one tenant, one path', async () => {
  await fault({ kind: 'status', status: 503 }, { after: 1, times: 2, tenantId: cloud.partnerTenantId })
  const other = cloud.tenants[1]?.id ?? ''
  expect((await askGraph(cloud, await tokenFor(cloud, other), users)).status).toBe(200)
  expect((await askGraph(cloud, token, '/organization')).status).toBe(200)
  const seen: number[] = []
  for (let index = 0; index < 4; index += 1) seen.push((await askGraph(cloud, token, users)).status)
  expect(seen).toEqual([200, 503, 503, 200])
})

test('a fault of probability one half strikes some and spares some', async () => {
  await fault({ kind: 'status', status: 500 }, { probability: 0.5 })
  const seen = new Set<number>()
  for (let index = 0; index < 40; index += 1) seen.add((await askGraph(cloud, token, users)).status)
  expect(seen).toEqual(new Set([200, 500]))
})

test('a reset connection, JSON cut short, a body that breaks off, a page of HTML', async () => {
  await fault({ kind: 'reset' }, { times: 1 })
  await expect(askGraph(cloud, token, users)).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } })
  await fault({ kind: 'truncated' }, { times: 1 })
  const truncated = await askGraph(cloud, token, users)
  expect(truncated.status).toBe(200)
  await expect(truncated.json()).rejects.toThrow(SyntaxError)
  await fault({ kind: 'cut' }, { times: 1 })
  await expect(askGraph(cloud, token, users).then((answer) => answer.text())).rejects.toThrow('terminated')
  await fault({ kind: 'html' }, { times: 1 })
  const page = await askGraph(cloud, token, users)
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
})

test('a slow body arrives whole; one without end and one that never comes do not', async () => {
  await fault({ kind: 'slow', ms: 200 }, { times: 1 })
  expect(await (await askGraph(cloud, token, users)).json()).toHaveProperty('value')
  for (const kind of ['endless', 'silence']) {
    await fault({ kind }, { times: 1 })
    const signal = AbortSignal.timeout(300)
    await expect(askGraph(cloud, token, users, { signal }).then((answer) => answer.text())).rejects.toThrow(
      /timeout/i,
    )
  }
})

test('the token endpoint can fail in HTTP and in AADSTS codes', async () => {
  const ask = async (): Promise<unknown> => (await askToken(cloud, cloud.partnerTenantId)).json()
  await control(cloud, 'POST /faults', { effect: { kind: 'aadsts', code: 7000229 }, times: 1 })
  expect(await ask()).toMatchObject({ error: 'invalid_client', error_codes: [7000229] })
  await control(cloud, 'POST /faults', {
    path: '/oauth2/',
    effect: { kind: 'status', status: 503 },
    times: 1,
  })
  expect((await askToken(cloud, cloud.partnerTenantId)).status).toBe(503)
  expect(await ask()).toHaveProperty('access_token')
})

test.each([
  [700025, 401, 'invalid_client'],
  [700011, 400, 'unauthorized_client'],
  [50079, 400, 'invalid_grant'],
  [530034, 400, 'invalid_grant'],
  [70011, 400, 'invalid_scope'],
  [90055, 503, 'temporarily_unavailable'],
  [650052, 400, 'invalid_request'],
])('AADSTS%i comes with status %i and OAuth’s %s, in the documented JSON', async (code, status, error) => {
  await control(cloud, 'POST /faults', { path: '/oauth2/', effect: { kind: 'aadsts', code }, times: 1 })
  const answer = await askToken(cloud, cloud.partnerTenantId)
  expect([answer.status, await answer.json()]).toEqual([
    status,
    {
      error,
      error_codes: [code],
      error_description: expect.stringMatching(
        new RegExp(`^AADSTS${code}: .* Trace ID: .* Correlation ID: .* Timestamp: .*Z$`),
      ),
      error_uri: expect.stringContaining(`code=${code}`),
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/),
      trace_id: expect.any(String),
      correlation_id: expect.any(String),
    },
  ])
})

test('a bad call says what is wrong with it', async () => {
  await expect(fault({ kind: 'status', status: 42 })).rejects.toThrow(/400 .*status/)
  await expect(control(cloud, 'POST /faults', { knobs: { shuffle: 7 } })).rejects.toThrow(/400 .*shuffle/)
  await expect(control(cloud, 'GET /truth/nobody')).rejects.toThrow(/404 .*nobody/)
  await expect(control(cloud, 'GET /nothing')).rejects.toThrow(/404 /)
})

test('an app that asks too much of one tenant is throttled there, and only there', async () => {
  await control(cloud, 'POST /throttle', { units: 5, windowMs: 60_000 })
  const answers: Response[] = []
  for (let index = 0; index < 7; index += 1) answers.push(await askGraph(cloud, token, users))
  const [first] = answers
  const last = answers.at(-1)
  expect(first?.headers.get('x-ms-resource-unit')).toBe('1')
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429, 429])
  expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(last?.headers.get('x-ms-throttle-scope')).toBe(
    `Tenant_Application/Read/${cloud.clientId}/${cloud.partnerTenantId}`,
  )
  expect(last?.headers.get('x-ms-throttle-information')).toBe('ResourceUnitLimitExceeded')
  expect(await last?.json()).toMatchObject({
    error: { code: 'TooManyRequests', innerError: { status: '429' } },
  })
  const other = await tokenFor(cloud, cloud.tenants[1]?.id ?? '')
  expect((await askGraph(cloud, other, users)).status).toBe(200)
  await control(cloud, 'POST /throttle', { units: null, windowMs: 10_000 })
  expect((await askGraph(cloud, token, users)).status).toBe(200)
})

test.each([
  ['/users', 2],
  ['/users?$select=id', 1],
  ['/users?$select=id&$top=5', 1],
  ['/users?$expand=manager', 3],
  ['/users/delta', 1],
  ['/groups/x/members', 3],
  ['/groups/x/transitiveMembers?$select=id', 4],
  ['/subscribedSkus', 3],
  ['/directoryObjects/getByIds', 5],
  ['/organization', 1],
])('%s costs %i', (link, units) => {
  const { pathname, searchParams } = new URL(link, 'https://localhost')
  expect(resourceUnits({ method: 'GET', path: pathname, query: searchParams, headers: {}, body: '' })).toBe(
    units,
  )
})

test('requests are counted by tenant and kind', async () => {
  await control(cloud, 'DELETE /requests')
  await askGraph(cloud, token, users)
  await askGraph(cloud, token, '/organization')
  expect(await control(cloud, 'GET /requests?recent')).toMatchObject({
    total: 2,
    units: 2,
    statuses: { 200: 2 },
    tenants: { [cloud.partnerTenantId]: { '/users': 1, '/organization': 1 } },
    recent: [{ kind: '/users', status: 200 }, { kind: '/organization' }],
  })
})

test('long answers are zipped for who takes it, over one kept connection', async () => {
  const ask = (encoding: string): Promise<{ headers: IncomingHttpHeaders; body: Buffer }> =>
    new Promise((resolve, reject) => {
      const url = `${cloud.origin}/v1.0${users}`
      const headers = { authorization: `Bearer ${token}`, 'accept-encoding': encoding }
      request(url, { headers, ca: readFileSync(cloud.caFile) }, (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('end', () => resolve({ headers: answer.headers, body: Buffer.concat(chunks) }))
      })
        .on('error', reject)
        .end()
    })
  const [plain, zipped] = [await ask('identity'), await ask('gzip, deflate')]
  expect(plain.headers['content-encoding']).toBeUndefined()
  expect(zipped.headers).toMatchObject({ 'content-encoding': 'gzip', connection: 'keep-alive' })
  const value = (body: Buffer): unknown => (JSON.parse(body.toString()) as { value: unknown }).value
  expect(value(gunzipSync(zipped.body))).toEqual(value(plain.body))
})

test('the truth is told, and mutations change it the same way from the same seed', async () => {
  const [first, second] = [
    await startCloud({ seed: 7, sizes: [80] }),
    await startCloud({ seed: 7, sizes: [80] }),
  ]
  try {
    const tenantId = first.partnerTenantId
    const before = (await control(first, `GET /truth/${tenantId}`)) as Truth
    expect(await control(second, `GET /truth/${tenantId}`)).toEqual(before)
    const call = { tenantId, count: 300, seed: 11 }
    const changes = await control(first, 'POST /mutate', call)
    expect(await control(second, 'POST /mutate', call)).toEqual(changes)
    const after = (await control(first, `GET /truth/${tenantId}`)) as Truth
    expect(await control(second, `GET /truth/${tenantId}`)).toEqual(after)
    expect(after).not.toEqual(before)
    expect((changes as { changes: unknown[] }).changes).toHaveLength(300)
  } finally {
    await Promise.all([first.close(), second.close()])
  }
})

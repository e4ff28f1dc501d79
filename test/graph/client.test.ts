import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { caught } from './caught.ts'
import { fakeCloud, graphErrorBody, tenant, type Answer } from './fake-cloud.ts'
import { closeServers } from './tls-server.ts'

afterEach(closeServers)

const ok = { body: { value: [1] } }
const throttled = (headers: Record<string, string> = {}): Answer => ({
  status: 429,
  headers,
  body: graphErrorBody('TooManyRequests'),
})

describe('throttling', () => {
  it.each([
    ['seconds', '1'],
    ['zero', '0'],
    ['negative', '-5'],
    ['garbage', 'soon'],
    ['absent', null],
    ['a date in the past', new Date(0).toUTCString()],
  ])('waits itself and goes on: %s', async (_, header) => {
    const cloud = await fakeCloud((_url, { count }) =>
      count === 1 ? throttled(header === null ? {} : { 'retry-after': header }) : ok,
    )
    const client = cloud.graph.forTenant(tenant)
    expect(await client.get('/users')).toEqual({ value: [1] })
    expect(client.usage).toMatchObject({ requests: 2, retries: 1 })
    expect(client.usage.throttledMs).toBeGreaterThan(0)
    if (header === '1') expect(cloud.calls[1]!.at - cloud.calls[0]!.at).toBeGreaterThanOrEqual(990)
  })

  it.each([
    ['seconds', '30', 30_000],
    ['a date', new Date(Date.now() + 60_000).toUTCString(), 60_000],
    ['huge, which is not believed', '999999999', 15 * 60_000],
  ])('gives the slot back for longer waits: %s', async (_, header, expected) => {
    const cloud = await fakeCloud(() => throttled({ 'retry-after': header }))
    const started = Date.now()
    const error = await caught(cloud.graph.forTenant(tenant).get('/users'))
    expect(error).toMatchObject({ kind: 'throttled', code: 'too_many_requests', status: 429, tenant })
    // HTTP dates have whole seconds.
    expect(Math.abs(error.retryAt!.getTime() - started - expected)).toBeLessThan(5_000)
    expect(cloud.calls).toHaveLength(1)
  })

  it('holds all calls of the throttled tenant, of no other, and sends nothing meanwhile', async () => {
    const cloud = await fakeCloud((url) => (url.endsWith('/users') ? throttled({ 'retry-after': '30' }) : ok))
    await caught(cloud.graph.forTenant(tenant).get('/users'))
    const error = await caught(cloud.graph.forTenant(tenant).get('/groups'))
    expect(error).toMatchObject({ kind: 'throttled', code: 'tenant_held' })
    expect(error.retryAt!.getTime()).toBeGreaterThan(Date.now() + 20_000)
    expect(cloud.calls).toHaveLength(1)
    expect(await cloud.graph.forTenant(tenant.replace('3f', '4f')).get('/groups')).toEqual({ value: [1] })
  })

  it('holds every tenant when the application as a whole is throttled', async () => {
    const cloud = await fakeCloud(() =>
      throttled({ 'retry-after': '30', 'x-ms-throttle-scope': 'Application/Read/a' }),
    )
    await caught(cloud.graph.forTenant(tenant).get('/users'))
    expect(await caught(cloud.graph.forTenant(tenant.replace('3f', '4f')).get('/users'))).toMatchObject({
      code: 'tenant_held',
    })
    expect(cloud.calls).toHaveLength(1)
  })

  it('gives up on endless short waits', async () => {
    const cloud = await fakeCloud(() => throttled({ 'retry-after': '0' }), {
      timings: { maxInlineWaitMs: 200 },
    })
    expect(await caught(cloud.graph.forTenant(tenant).get('/users'))).toMatchObject({ kind: 'throttled' })
    expect(cloud.calls.length).toBeGreaterThan(1)
    expect(cloud.calls.length).toBeLessThan(10)
  })

  it('leaves a wait at once when it is stopped', async () => {
    const cloud = await fakeCloud(() => throttled({ 'retry-after': '3600' }), {
      timings: { maxInlineWaitMs: 9e6, maxRetryAfterMs: 9e6 },
    })
    const stop = new AbortController()
    const outcome = caught(cloud.graph.forTenant(tenant).get('/users', { signal: stop.signal }))
    await vi.waitFor(() => expect(cloud.calls).toHaveLength(1))
    stop.abort()
    expect(await outcome).toMatchObject({ kind: 'aborted' })
  })
})

describe('retries', () => {
  it.each([500, 502, 503, 504])('tries %i three times', async (status) => {
    const cloud = await fakeCloud((_url, { count }) => (count < 3 ? { status, body: '' } : ok))
    const client = cloud.graph.forTenant(tenant)
    expect(await client.get('/users')).toEqual({ value: [1] })
    expect(client.usage).toMatchObject({ requests: 3, retries: 2 })
    const down = await fakeCloud(() => ({ status, body: '<html>' }))
    expect(await caught(down.graph.forTenant(tenant).get('/users'))).toMatchObject({
      kind: 'transient',
      status,
      code: `graph_${status}`,
    })
    expect(down.calls).toHaveLength(3)
  })

  it('rides out a reset connection, and tells its code when it stays', async () => {
    const cloud = await fakeCloud((_url, { count, response }) => {
      if (count > 2) return ok
      response.socket?.destroy()
      return undefined
    })
    expect(await cloud.graph.forTenant(tenant).get('/users')).toEqual({ value: [1] })
    const down = await fakeCloud((_url, { response }) => void response.socket?.destroy())
    const error = await caught(down.graph.forTenant(tenant).get('/users'))
    expect(error).toMatchObject({ kind: 'transient', resource: '/users' })
    expect(error.code).toMatch(/^network_/)
    expect(down.calls).toHaveLength(3)
  })

  it('retries no more than a tenth of a run beyond its floor', async () => {
    const cloud = await fakeCloud(() => ({ status: 503, body: '' }))
    const client = cloud.graph.forTenant(tenant)
    for (let call = 0; call < 40; call++) await caught(client.get('/users'))
    expect(client.usage.retries).toBeLessThanOrEqual(10 + client.usage.requests * 0.1 + 1)
    expect(client.usage.requests).toBe(40 + client.usage.retries)
  })

  it('replays a 401 once with a new token', async () => {
    const refused = { status: 401, body: graphErrorBody('InvalidAuthenticationToken') }
    const cloud = await fakeCloud((_url, { count }) => (count === 1 ? refused : ok))
    expect(await cloud.graph.forTenant(tenant).get('/users')).toEqual({ value: [1] })
    expect(cloud.calls.map((call) => call.authorization)).toEqual(['Bearer token-1', 'Bearer token-2'])
    const lost = await fakeCloud(() => refused)
    expect(await caught(lost.graph.forTenant(tenant).get('/users'))).toMatchObject({
      kind: 'access_lost',
      code: 'invalid_authentication_token',
      status: 401,
    })
    expect(lost.calls).toHaveLength(2)
    expect(lost.tokenRequests).toHaveLength(2)
  })

  it('asks for one new token on 403 if the token is older than the run', async () => {
    let granted = false
    const cloud = await fakeCloud(() =>
      granted ? ok : { status: 403, body: graphErrorBody('Authorization_RequestDenied') },
    )
    const first = cloud.graph.forTenant(tenant)
    expect(await caught(first.get('/users'))).toMatchObject({
      kind: 'access_lost',
      code: 'authorization_request_denied',
    })
    expect(cloud.tokenRequests).toHaveLength(1)
    await new Promise((resolve) => setTimeout(resolve, 2))
    const second = cloud.graph.forTenant(tenant)
    await caught(second.get('/users'))
    await caught(second.get('/devices'))
    expect(cloud.tokenRequests).toHaveLength(2)
    granted = true
    await second.get('/users')
  })
})

describe('answers', () => {
  it.each([
    ['HTML with 200', { headers: { 'content-type': 'text/html' }, body: '<html>' }, 'not_json', 2],
    ['JSON cut short', { body: '{"value":[{"id":' }, 'not_json', 2],
    ['nothing', { body: '' }, 'not_json', 2],
    ['nothing with 204', { status: 204 }, 'not_json', 2],
    ['a key that poisons', { body: '{"value":[{"__proto__":{"admin":true}}]}' }, 'forbidden_key', 2],
    ['another one', { body: '{"constructor":{"prototype":{"admin":true}}}' }, 'forbidden_key', 2],
    ['70 levels', { body: '['.repeat(70) + ']'.repeat(70) }, 'json_too_deep', 2],
    ['a million levels', { body: '['.repeat(1e6) + ']'.repeat(1e6) }, 'json_too_deep', 2],
    ['a bomb', { headers: { 'content-encoding': 'gzip' }, body: 'bomb' }, 'response_too_large', 1],
  ])('%s is malformed', async (_, answer: Answer, code, requests) => {
    const bomb = gzipSync(Buffer.alloc(20_000_000, 32))
    const cloud = await fakeCloud(
      (_url, { response }) => {
        if (answer.body !== 'bomb') return answer
        response.writeHead(200, answer.headers).end(bomb)
        return undefined
      },
      { limits: { maxResponseBytes: 10_000_000 } },
    )
    expect(await caught(cloud.graph.forTenant(tenant).get('/users'))).toMatchObject({
      kind: 'malformed',
      code,
    })
    expect(cloud.calls).toHaveLength(requests)
    expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false)
  })

  it('takes a body that was broken once', async () => {
    const cloud = await fakeCloud((_url, { count }) => (count === 1 ? { body: '{"val' } : ok))
    expect(await cloud.graph.forTenant(tenant).get('/users')).toEqual({ value: [1] })
  })

  it.each([
    ['headers', { headersMs: 50 }, false, 'headers_timeout'],
    ['the body', { pageMs: 300 }, true, 'page_timeout'],
  ])('does not wait for ever for %s', async (_, timings, begins, code) => {
    const cloud = await fakeCloud(
      (_url, { response }) => {
        if (begins) response.writeHead(200).write('{"value":[')
        return undefined
      },
      { timings },
    )
    expect(await caught(cloud.graph.forTenant(tenant).get('/users'))).toMatchObject({
      kind: 'transient',
      code,
    })
  })

  it('closes the socket when a read is stopped', async () => {
    const closed = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const cloud = await fakeCloud((_url, { response }) => {
      response.writeHead(200).write('{"value":[')
      response.on('close', closed.resolve)
      begun.resolve()
      return undefined
    })
    const stop = new AbortController()
    const outcome = caught(cloud.graph.forTenant(tenant).get('/users', { signal: stop.signal }))
    await begun.promise
    stop.abort()
    expect(await outcome).toMatchObject({ kind: 'aborted' })
    await closed.promise
    expect(cloud.calls).toHaveLength(1)
  })

  it('counts units, sends ids and its name, and passes headers', async () => {
    const cloud = await fakeCloud(() => ({ ...ok, headers: { 'x-ms-resource-unit': '3' } }))
    const client = cloud.graph.forTenant(tenant)
    await client.get('/users', { headers: { ConsistencyLevel: 'eventual' } })
    await client.get('/users')
    expect(client.usage).toEqual({ requests: 2, resourceUnits: 6, throttledMs: 0, retries: 0 })
    const headers = cloud.calls.map(({ request }) => request.headers)
    expect(headers[0]).toMatchObject({ consistencylevel: 'eventual', accept: 'application/json' })
    expect(headers[0]?.['user-agent']).toMatch(/^entra-sync/)
    expect(headers[0]?.['client-request-id']).not.toBe(headers[1]?.['client-request-id'])
    expect(cloud.graph.forTenant(tenant).usage.requests).toBe(0)
  })

  it('follows links to the letter', async () => {
    const cloud = await fakeCloud(() => ok)
    const tail = '/users/delta?$skiptoken=a%2Fb+c%3D%3D&$select=id&$select=mail&x'
    await cloud.graph.forTenant(tenant).get(`${cloud.origin}/v1.0${tail}`)
    expect(cloud.calls[0]?.url).toBe(`/v1.0${tail}`)
  })

  it('reads counts, with a byte order mark too', async () => {
    const bodies = ['﻿42', '7', 'many', '{"value":1}']
    const cloud = await fakeCloud((_url, { count }) => ({
      headers: { 'content-type': 'text/plain' },
      body: bodies[count - 1] ?? '',
    }))
    const client = cloud.graph.forTenant(tenant)
    expect(await client.count('/users/$count')).toBe(42)
    expect(await client.count('/users/$count')).toBe(7)
    expect(await caught(client.count('/users/$count'))).toMatchObject({ kind: 'malformed' })
    expect(await caught(client.count('/users/$count'))).toMatchObject({ kind: 'malformed' })
    expect(cloud.calls[0]?.request.headers.consistencylevel).toBe('eventual')
  })
})

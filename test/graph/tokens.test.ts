import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAppCertificate } from '../../simulator/certificates.ts'
import { describeError } from '../../src/errors.ts'
import { laterBy } from '../harness/steady-clock.ts'
import { caught } from './caught.ts'
import { clientId, fakeCloud, tenant, token, type Answer } from './fake-cloud.ts'
import { closeServers } from './tls-server.ts'

afterEach(async () => {
  vi.restoreAllMocks()
  await closeServers()
})

const ok = () => ({ body: { value: [] } })
const refused = (number: number, error = 'invalid_client', status = 401): Answer => ({
  status,
  body: {
    error,
    error_description: `AADSTS${number}: told by the test.`,
    error_codes: [number],
    correlation_id: '9f8e7d6c-0000-4000-8000-000000000001',
  },
})

describe('tokens', () => {
  it('asks once for 50 callers, in the tenant, for the scope of the configured Graph, and nobody else', async () => {
    const cloud = await fakeCloud(ok)
    const client = cloud.graph.forTenant(tenant)
    await Promise.all(Array.from({ length: 50 }, () => client.get('/organization')))
    expect(cloud.tokenRequests.map((request) => request.path)).toEqual([`/${tenant}/oauth2/v2.0/token`])
    expect(cloud.tokenRequests[0]?.body.get('scope')?.split(' ')).toContain(`${cloud.origin}/.default`)
    expect(cloud.tokenRequests[0]?.body.get('client_secret')).toBe('s3cr3t~of-the-app')
    expect(cloud.calls).toHaveLength(50)
    expect(new Set(cloud.calls.map((call) => call.authorization))).toEqual(new Set(['Bearer token-1']))
  })

  it('keeps no more tokens than its bound, dropping what was used longest ago', async () => {
    const cloud = await fakeCloud(ok, { limits: { maxTokens: 2 } })
    const ask = (last: number) =>
      cloud.graph.forTenant(tenant.replace(/.$/, String(last))).get('/organization')
    for (const last of [1, 2, 1, 3, 1]) await ask(last)
    expect(cloud.tokenRequests).toHaveLength(3)
    await ask(2)
    expect(cloud.tokenRequests).toHaveLength(4)
  })

  it('renews early beside the work, and waits only for a token about to end', async () => {
    const cloud = await fakeCloud(ok)
    const client = cloud.graph.forTenant(tenant)
    await client.get('/1')
    laterBy(50 * 60_000)
    await client.get('/2')
    laterBy(56 * 60_000)
    await client.get('/3')
    await vi.waitFor(() => expect(cloud.tokenRequests).toHaveLength(2))
    await client.get('/4')
    laterBy((56 + 59.5) * 60_000)
    await client.get('/5')
    expect(cloud.calls.map((call) => call.authorization)).toEqual([
      'Bearer token-1',
      'Bearer token-1',
      'Bearer token-1',
      'Bearer token-2',
      'Bearer token-3',
    ])
  })

  it('fetches a new token after forgetTokens, with the credential of now', async () => {
    let secret = 'old'
    const cloud = await fakeCloud(ok, { appFor: async () => ({ clientId, secret }) })
    const client = cloud.graph.forTenant(tenant)
    await client.get('/organization')
    secret = 'new'
    cloud.graph.forgetTokens(tenant)
    await client.get('/organization')
    expect(cloud.tokenRequests.map(({ body }) => body.get('client_secret'))).toEqual(['old', 'new'])
  })

  it('tries each of several credentials once, in their order, and only after a refused one', async () => {
    const secrets = ['newest', 'older', 'oldest']
    const appFor = async () => secrets.map((secret) => ({ clientId, secret }))
    const cloud = await fakeCloud(ok, { appFor })
    const asked = () => cloud.tokenRequests.map(({ body }) => body.get('client_secret'))
    cloud.onToken = (count) => (count === 1 ? refused(7000222) : token('by the older'))
    await cloud.graph.forTenant(tenant).get('/organization')
    expect(asked()).toEqual(['newest', 'older'])

    cloud.graph.forgetTokens(tenant)
    cloud.onToken = (count) => refused(count === 3 ? 7000222 : 7000215)
    expect(await caught(cloud.graph.forTenant(tenant).get('/organization'))).toMatchObject({
      code: 'client_secret_expired',
    })
    expect(asked().slice(2)).toEqual(secrets)

    cloud.onToken = () => refused(7000229)
    expect(await caught(cloud.graph.forTenant(tenant).get('/organization'))).toMatchObject({
      code: 'consent_required',
    })
    expect(asked()).toHaveLength(6)
  })

  it('does not wait for a certificate that is not yet known while an older credential is there', async () => {
    const { certificatePem, privateKeyPem } = await createAppCertificate('not yet known')
    const cloud = await fakeCloud(ok, {
      appFor: async () => [
        { clientId, certificate: { certificatePem, privateKeyPem } },
        { clientId, secret: 'older' },
      ],
    })
    cloud.onToken = (count) => (count === 1 ? refused(700027) : token('by the older'))
    await cloud.graph.forTenant(tenant).get('/organization')
    expect(cloud.tokenRequests).toHaveLength(2)
  })

  it('signs with a certificate: PS256, thumbprint, audience of the tenant', async () => {
    const { certificatePem, privateKeyPem } = await createAppCertificate('graph test app')
    const cloud = await fakeCloud(ok, {
      appFor: async () => ({ clientId, certificate: { certificatePem, privateKeyPem } }),
    })
    await cloud.graph.forTenant(tenant).get('/organization')
    const [header, payload, signature] = (cloud.tokenRequests[0]?.body.get('client_assertion') ?? '').split(
      '.',
    )
    const decode = (part = ''): unknown => JSON.parse(Buffer.from(part, 'base64url').toString())
    const thumbprint = createHash('sha256')
      .update(new X509Certificate(certificatePem).raw)
      .digest('base64url')
    expect(decode(header)).toMatchObject({ alg: 'PS256', 'x5t#S256': thumbprint })
    expect(decode(payload)).toMatchObject({
      aud: `${cloud.origin}/${tenant}/oauth2/v2.0/token`,
      iss: clientId,
      sub: clientId,
    })
    const key = { key: createPublicKey(certificatePem), padding: 6, saltLength: 32 }
    expect(
      verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature ?? '', 'base64url')),
    ).toBe(true)
  })

  it.each([
    [7000215, 'access_lost', 'client_secret_invalid'],
    [7000222, 'access_lost', 'client_secret_expired'],
    [700027, 'access_lost', 'certificate_invalid'],
    [700024, 'access_lost', 'clock_skewed'],
    [700016, 'access_lost', 'consent_required'],
    [7000229, 'access_lost', 'consent_required'],
    [65001, 'access_lost', 'consent_required'],
    [7000112, 'access_lost', 'app_disabled'],
    [90002, 'access_lost', 'tenant_not_found'],
    [900382, 'access_lost', 'tenant_in_other_cloud'],
    [53003, 'access_lost', 'conditional_access_blocked'],
    [50194, 'access_lost', 'app_misconfigured'],
    [90033, 'transient', 'login_transient'],
  ])('AADSTS%i is %s %s', async (number, kind, code) => {
    const cloud = await fakeCloud(ok)
    cloud.onToken = () => refused(number, 'invalid_client', 400)
    const error = await caught(cloud.graph.forTenant(tenant).get('/organization'))
    expect(error).toMatchObject({ kind, code, tenant, requestId: '9f8e7d6c-0000-4000-8000-000000000001' })
    expect(error.message).toContain(`AADSTS${number}`)
    expect(error.remedy).toBeTruthy()
    expect(JSON.stringify(error) + describeError(error)).not.toContain('s3cr3t~of-the-app')
    expect(cloud.calls).toHaveLength(0)
  })

  it.each([
    ['invalid_client', 'access_lost', 'client_credential_refused'],
    ['unauthorized_client', 'access_lost', 'consent_required'],
    ['temporarily_unavailable', 'transient', 'login_transient'],
    ['something_new', 'transient', 'login_400'],
  ])('an unknown number falls back to the OAuth error %s', async (oauth, kind, code) => {
    const cloud = await fakeCloud(ok)
    cloud.onToken = () => refused(123456789, oauth, 400)
    expect(await caught(cloud.graph.forTenant(tenant).get('/organization'))).toMatchObject({ kind, code })
  })

  it('tries a certificate that is not yet known three times, then gives up', async () => {
    const cloud = await fakeCloud(ok)
    cloud.onToken = () => refused(700027)
    expect(await caught(cloud.graph.forTenant(tenant).get('/organization'))).toMatchObject({
      code: 'certificate_invalid',
    })
    expect(cloud.tokenRequests).toHaveLength(3)
    cloud.onToken = (count) => (count < 6 ? refused(700027) : token('late'))
    await cloud.graph.forTenant(tenant).get('/organization')
    expect(cloud.tokenRequests).toHaveLength(6)
  })

  it.each([
    [{ status: 429, headers: { 'retry-after': '120' }, body: {} }, 'throttled', 'login_throttled'],
    [{ status: 503, body: '<html>no</html>' }, 'transient', 'login_transient'],
    [{ status: 200, body: '<html>sign in to the hotel</html>' }, 'transient', 'login_transient'],
    [{ status: 200, body: { token_type: 'Bearer', expires_in: 3599 } }, 'transient', 'login_transient'],
    [{ status: 302, headers: { location: 'https://login.invalid/' }, body: {} }, 'transient', 'login_302'],
  ])('a login service that answers %j', async (answer, kind, code) => {
    const cloud = await fakeCloud(ok)
    cloud.onToken = () => answer
    const error = await caught(cloud.graph.forTenant(tenant).get('/organization'))
    expect(error).toMatchObject({ kind, code })
    if (kind === 'throttled') expect(error.retryAt!.getTime() - Date.now()).toBeGreaterThan(110_000)
    // The fault is not remembered: the next call asks again and gets its token.
    cloud.onToken = () => token('after')
    await cloud.graph.forTenant(tenant).get('/organization')
    expect(cloud.calls[0]?.authorization).toBe('Bearer after')
  })

  it('lets one waiter leave without disturbing the others', async () => {
    const { promise, resolve } = Promise.withResolvers<Answer>()
    const cloud = await fakeCloud(ok)
    cloud.onToken = () => promise
    const client = cloud.graph.forTenant(tenant)
    const leaving = new AbortController()
    const left = caught(client.get('/left', { signal: leaving.signal }))
    const stayed = client.get('/stayed')
    await vi.waitFor(() => expect(cloud.tokenRequests).toHaveLength(1))
    leaving.abort()
    expect(await left).toMatchObject({ kind: 'aborted' })
    resolve(token('for those who stay'))
    await stayed
    expect(cloud.calls.map((call) => call.url)).toEqual(['/v1.0/stayed'])
  })

  it('reads claims where a token can be decoded, and null where not', async () => {
    const cloud = await fakeCloud(ok)
    const claims = { tid: tenant, appid: clientId, roles: ['User.Read.All'] }
    cloud.onToken = () => token(`e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`)
    expect(await cloud.graph.forTenant(tenant).claims()).toEqual({
      tid: tenant,
      appId: clientId,
      roles: ['User.Read.All'],
    })
    cloud.graph.forgetTokens(tenant)
    cloud.onToken = () => token('opaque')
    expect(await cloud.graph.forTenant(tenant).claims()).toBeNull()
  })
})

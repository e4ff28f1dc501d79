import { createHash, createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import { constants } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAppCertificate } from '../../simulator/certificates.ts'
import { startCloud } from '../../simulator/cloud.ts'
import type { Cloud } from '../../simulator/cloud.ts'
import { askGraph, askToken, control, tokenFor, trust } from './asking.ts'

let cloud: Cloud
beforeAll(async () => {
  cloud = await startCloud({ customers: 2, users: 30 })
  trust(cloud)
})
afterAll(() => cloud.close())

function decode(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
}

/** A client assertion, right in everything that `changes` doesn't change. */
function assertion(
  tenant: string,
  changes: { header?: object; claims?: object; pem?: string; alg?: 'PS256' | 'RS256' } = {},
): { client_assertion: string; client_assertion_type: string } {
  const pem = changes.pem ?? readFileSync(cloud.certificateFile, 'utf8')
  const certificate = new X509Certificate(pem.slice(pem.indexOf('-----BEGIN CERTIFICATE')))
  const alg = changes.alg ?? 'PS256'
  const now = Math.floor(Date.now() / 1000)
  const thumbprint =
    alg === 'PS256'
      ? { 'x5t#S256': createHash('sha256').update(certificate.raw).digest('base64url') }
      : { x5t: createHash('sha1').update(certificate.raw).digest('base64url') }
  const head = { alg, typ: 'JWT', ...thumbprint, ...changes.header }
  const claims = {
    aud: `${cloud.origin}/${tenant}/oauth2/v2.0/token`,
    iss: cloud.clientId,
    sub: cloud.clientId,
    jti: randomUUID(),
    nbf: now,
    iat: now,
    exp: now + 300,
    ...changes.claims,
  }
  const signed = [head, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const padding =
    alg === 'PS256'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
      : { padding: constants.RSA_PKCS1_PADDING }
  const signature = sign('sha256', Buffer.from(signed), { key: createPrivateKey(pem), ...padding })
  return {
    client_assertion: `${signed}.${signature.toString('base64url')}`,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  }
}

async function refusal(answer: Response): Promise<{ status: number; error: string; codes: number[] }> {
  const body = (await answer.json()) as Record<string, unknown>
  expect(Object.keys(body)).toEqual(
    expect.arrayContaining([
      'error',
      'error_description',
      'error_codes',
      'timestamp',
      'trace_id',
      'correlation_id',
    ]),
  )
  const [code] = body['error_codes'] as number[]
  expect(body['error_description']).toMatch(
    new RegExp(`^AADSTS${code}: .*Trace ID: .*Correlation ID: .*Timestamp: `),
  )
  return { status: answer.status, error: String(body['error']), codes: body['error_codes'] as number[] }
}

test('a domain leads to its tenant id, an unknown one to AADSTS90002', async () => {
  const [, customer] = cloud.tenants
  const found = await fetch(
    `${cloud.origin}/${customer?.defaultDomain}/v2.0/.well-known/openid-configuration`,
  )
  expect(found.headers.get('cache-control')).toBe('max-age=86400, private')
  expect(await found.json()).toMatchObject({
    issuer: `${cloud.origin}/${customer?.id}/v2.0`,
    token_endpoint: `${cloud.origin}/${customer?.id}/oauth2/v2.0/token`,
  })
  const unknown = await fetch(`${cloud.origin}/nosuch.example/v2.0/.well-known/openid-configuration`)
  expect(await refusal(unknown)).toEqual({ status: 400, error: 'invalid_tenant', codes: [90002] })
})

test('instance discovery knows this host and no other', async () => {
  const ask = (host: string): Promise<Response> =>
    fetch(
      `${cloud.origin}/common/discovery/instance?api-version=1.1&authorization_endpoint=https://${host}/x/oauth2/v2.0/authorize`,
    )
  const { host } = new URL(cloud.origin)
  expect(await (await ask(host)).json()).toMatchObject({
    metadata: [{ preferred_network: host, aliases: [host] }],
  })
  expect((await refusal(await ask('evil.example'))).codes).toEqual([50049])
})

test('a secret gives a token that says who, where and what', async () => {
  const answer = await askToken(cloud, cloud.partnerTenantId)
  expect(answer.status).toBe(200)
  const body = (await answer.json()) as { access_token: string; expires_in: number; token_type: string }
  expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 3599 })
  expect(decode(body.access_token)).toMatchObject({
    aud: cloud.origin,
    iss: `https://sts.windows.net/${cloud.partnerTenantId}/`,
    appid: cloud.clientId,
    tid: cloud.partnerTenantId,
    idtyp: 'app',
    roles: expect.arrayContaining(['User.Read.All', 'DelegatedAdminRelationship.Read.All']) as unknown,
  })
})

test('secret by HTTP Basic, and the tenant by its domain', async () => {
  const basic = Buffer.from(`${cloud.clientId}:${encodeURIComponent(cloud.clientSecret)}`).toString('base64')
  const answer = await fetch(`${cloud.origin}/${cloud.tenants[1]?.defaultDomain}/oauth2/v2.0/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'https://graph.microsoft.com/.default',
    }),
  })
  const { access_token: token } = (await answer.json()) as { access_token: string }
  expect(decode(token)).toMatchObject({ tid: cloud.tenants[1]?.id, aud: 'https://graph.microsoft.com' })
})

test.each([
  ['wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client', 7000215],
  ['no credential', { client_secret: '' }, 401, 'invalid_client', 7000218],
  ['other app', { client_id: randomUUID() }, 400, 'unauthorized_client', 700016],
  ['no grant type', { grant_type: '' }, 400, 'invalid_request', 900144],
  ['other grant', { grant_type: 'password' }, 400, 'unsupported_grant_type', 70003],
  ['single scope', { scope: 'https://graph.microsoft.com/User.Read.All' }, 400, 'invalid_scope', 1002012],
  ['two scopes', { scope: 'https://graph.microsoft.com/.default openid' }, 400, 'invalid_scope', 70011],
  ['other resource', { scope: 'https://evil.example/.default' }, 400, 'invalid_resource', 500011],
])('%s is refused', async (_name, form, status, error, code) => {
  expect(await refusal(await askToken(cloud, cloud.partnerTenantId, form))).toEqual({
    status,
    error,
    codes: [code],
  })
})

test.each([
  ['common', 9001023],
  [randomUUID(), 90002],
  ['not a tenant', 900023],
])('tenant %s is refused', async (tenant, code) => {
  expect((await refusal(await askToken(cloud, encodeURIComponent(tenant)))).codes).toEqual([code])
})

test.each([
  ['no-service-principal', 7000229],
  ['disabled', 7000112],
  ['blocked-by-policy', 53003],
  ['tenant-gone', 90002],
] as const)('an app that is %s gets no token there, and all others do', async (state, code) => {
  const [partner, customer] = cloud.tenants
  await control(cloud, 'POST /grant', { tenantId: customer?.id, state })
  expect((await refusal(await askToken(cloud, customer?.id ?? ''))).codes).toEqual([code])
  expect((await askToken(cloud, partner?.id ?? '')).status).toBe(200)
  await control(cloud, 'POST /grant', { tenantId: customer?.id, state: 'ready' })
  expect((await askToken(cloud, customer?.id ?? '')).status).toBe(200)
})

test('expired secrets are told from wrong ones, and two are valid while one is rotated', async () => {
  const { registration } = cloud
  registration.expiredSecrets.push('old')
  registration.secrets.push('new')
  expect(
    (await refusal(await askToken(cloud, cloud.partnerTenantId, { client_secret: 'old' }))).codes,
  ).toEqual([7000222])
  expect((await askToken(cloud, cloud.partnerTenantId, { client_secret: 'new' })).status).toBe(200)
})

test.each(['PS256', 'RS256'] as const)(
  'a %s assertion of the registered certificate is accepted',
  async (alg) => {
    const answer = await askToken(cloud, cloud.partnerTenantId, assertion(cloud.partnerTenantId, { alg }))
    expect(await answer.json()).toMatchObject({ token_type: 'Bearer' })
  },
)

test.each([
  ['for another tenant', { claims: { aud: 'https://localhost/other/oauth2/v2.0/token' } }, 700023],
  ['of another issuer', { claims: { iss: randomUUID() } }, 700021],
  ['about another subject', { claims: { sub: randomUUID() } }, 50048],
  ['that expired', { claims: { exp: 1_700_000_000 } }, 700024],
  ['from the future', { claims: { nbf: 4_000_000_000 } }, 700024],
  ['with an unknown key', { header: { 'x5t#S256': 'AAAA' } }, 700027],
])('an assertion %s is refused', async (_name, changes, code) => {
  const form = assertion(cloud.partnerTenantId, changes)
  expect((await refusal(await askToken(cloud, cloud.partnerTenantId, form))).codes).toEqual([code])
})

test('an assertion signed by another key under the right thumbprint is refused', async () => {
  const other = await createAppCertificate('intruder')
  const registered = cloud.registration.certificates[0]
  const header = {
    'x5t#S256': createHash('sha256')
      .update(registered?.raw ?? '')
      .digest('base64url'),
  }
  const form = assertion(cloud.partnerTenantId, { header, pem: other.privateKeyPem + other.certificatePem })
  expect((await refusal(await askToken(cloud, cloud.partnerTenantId, form))).codes).toEqual([700027])
})

test('Graph takes its own tokens only, and says why not in the documented shape', async () => {
  const token = await tokenFor(cloud, cloud.partnerTenantId)
  expect((await askGraph(cloud, token, '/organization')).status).toBe(200)
  const [head, payload] = token.split('.')
  const forged = `${head}.${payload}.${Buffer.alloc(256).toString('base64url')}`
  const answer = await askGraph(cloud, forged, '/organization', { headers: { 'client-request-id': 'mine' } })
  expect(answer.status).toBe(401)
  expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm=""/)
  expect(answer.headers.get('client-request-id')).toBe('mine')
  expect(await answer.json()).toMatchObject({
    error: {
      code: 'InvalidAuthenticationToken',
      innerError: { 'client-request-id': 'mine', 'request-id': answer.headers.get('request-id') },
    },
  })
})

test('tokens expire and can be revoked in the middle of a run', async () => {
  const [partner, customer] = cloud.tenants.map(({ id }) => id)
  const [mine, theirs] = [await tokenFor(cloud, partner ?? ''), await tokenFor(cloud, customer ?? '')]
  await control(cloud, 'POST /faults', { revokeTokens: customer })
  expect((await askGraph(cloud, theirs, '/organization')).status).toBe(401)
  expect((await askGraph(cloud, mine, '/organization')).status).toBe(200)
  const fresh = await tokenFor(cloud, customer ?? '')
  expect((await askGraph(cloud, fresh, '/organization')).status).toBe(200)

  await control(cloud, 'POST /faults', { tokenLifetimeSeconds: 1 })
  const short = await tokenFor(cloud, customer ?? '')
  await expect.poll(async () => (await askGraph(cloud, short, '/organization')).status).toBe(401)
  await control(cloud, 'DELETE /faults')
})

test('a grant that is taken away is still in tokens issued before, and not in new ones', async () => {
  const tenant = cloud.tenants[1]
  const before = await tokenFor(cloud, tenant?.id ?? '')
  await control(cloud, 'POST /grant', { tenantId: tenant?.id, roles: [] })
  expect(decode(before)['roles']).toContain('User.Read.All')
  expect(decode(await tokenFor(cloud, tenant?.id ?? ''))).not.toHaveProperty('roles')
})

import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { createUserTokens, newVerifier, type UserTokens } from '../../src/graph/user-tokens.ts'
import { readUserClaims } from '../../src/graph/user-claims.ts'
import { testCa } from '../harness/ca.ts'
import { callback, sentBack, technician } from '../simulator/sign-in.ts'
import { caught } from './caught.ts'

const partnerCenter = 'https://api.partnercenter.microsoft.com/user_impersonation'
const scope = `${partnerCenter} offline_access openid profile`
let cloud: Cloud
let users: UserTokens
beforeAll(async () => {
  cloud = await startCloud({ sizes: [12, 5], ca: testCa() })
  users = createUserTokens(cloud.origin)
})
afterAll(() => cloud.close())

const app = () => ({
  entraTenantId: cloud.partnerTenantId,
  clientId: cloud.clientId,
  credentials: [{ clientId: cloud.clientId, secret: cloud.clientSecret }],
})

/** Signs in at the page that `authorizeUrl` names, as a browser would. */
async function codeFor(verifier: string, nonce = 'n'): Promise<string> {
  const url = users.authorizeUrl({
    entraTenantId: cloud.partnerTenantId,
    clientId: cloud.clientId,
    redirectUri: callback,
    scope,
    state: 'state',
    nonce,
    verifier,
  })
  const answer = await fetch(`${url}&user=${technician(cloud)}`, { redirect: 'manual' })
  return sentBack(answer)['code'] ?? ''
}

test('a code is redeemed with its verifier, once; the identity is told', async () => {
  const verifier = newVerifier()
  const code = await codeFor(verifier, 'the nonce')
  const redeem = (using: string) =>
    users.redeemCode({ ...app(), code, redirectUri: callback, verifier: using, scope })
  expect(await caught(redeem(newVerifier()))).toMatchObject({
    kind: 'access_lost',
    code: 'sign_in_not_taken',
  })
  const token = await redeem(verifier)
  expect(token.identity).toMatchObject({
    tid: cloud.partnerTenantId,
    oid: technician(cloud),
    aud: cloud.clientId,
    nonce: 'the nonce',
  })
  expect(token.expiresAt).toBeGreaterThan(Date.now())
  expect(token.refreshToken).toMatch(/.{20}/)
  expect(await caught(redeem(verifier))).toMatchObject({ code: 'sign_in_not_taken' })
})

test('a certificate proves the app as well as a secret does; a wrong credential gives way to the next', async () => {
  const pem = await readFile(cloud.certificateFile, 'utf8')
  const at = pem.indexOf('-----BEGIN CERTIFICATE')
  const certificate = { privateKeyPem: pem.slice(0, at), certificatePem: pem.slice(at) }
  const verifier = newVerifier()
  const code = await codeFor(verifier)
  const { clientId } = cloud
  const credentials = [
    { clientId, secret: 'wrong' },
    { clientId, certificate },
  ]
  const token = await users.redeemCode({
    ...app(),
    credentials,
    code,
    redirectUri: callback,
    verifier,
    scope,
  })
  expect(token.accessToken).toMatch(/\./)
  const wrong = users.refresh({
    ...app(),
    credentials: [{ clientId, secret: 'wrong' }],
    refreshToken: token.refreshToken ?? '',
    scope,
  })
  expect(await caught(wrong)).toMatchObject({ code: 'client_secret_invalid' })
})

test('a refresh rotates, works for another resource, and tells why it is refused', async () => {
  const verifier = newVerifier()
  const code = await codeFor(verifier)
  const first = await users.redeemCode({ ...app(), code, redirectUri: callback, verifier, scope })
  const graph = 'https://graph.microsoft.com/.default'
  const ask = (refreshToken: string, entraTenantId = cloud.partnerTenantId) =>
    users.refresh({ ...app(), entraTenantId, refreshToken, scope: graph })
  const second = await ask(first.refreshToken ?? '')
  expect(second.refreshToken).not.toBe(first.refreshToken)
  expect(readUserClaims(second.accessToken)?.scopes).toContain('AppRoleAssignment.ReadWrite.All')

  const refresh = second.refreshToken ?? ''
  const customer = cloud.tenants[1]?.id ?? ''
  expect(await caught(ask(refresh, customer))).toMatchObject({ code: 'consent_required', tenant: customer })
  for (const [number, code] of [
    [50173, 'sign_in_revoked'],
    [50133, 'sign_in_revoked'],
    [70043, 'sign_in_expired'],
    [50076, 'mfa_required'],
    [50079, 'mfa_registration_required'],
  ] as const) {
    cloud.signIns.refused.set(technician(cloud), number)
    expect(await caught(ask(refresh))).toMatchObject({ kind: 'access_lost', code })
  }
  cloud.signIns.refused.clear()
  for (const token of cloud.signIns.refreshTokens.values()) token.lastUsedAt -= 91 * 86_400_000
  expect(await caught(ask(refresh))).toMatchObject({ code: 'sign_in_expired' })
  expect(await caught(ask('no such token'))).toMatchObject({ code: 'sign_in_not_taken' })
})

test('a device code: pending, told to slow down, entered; declined; expired; abandoned', async () => {
  cloud.signIns.settings.deviceIntervalSeconds = 1
  const begin = async () => ({
    ...(await users.startDeviceCode({ ...app(), scope })),
    // Faster than is asked for, so that the slow-down is met.
    intervalMs: 100,
  })
  const enter = (userCode: string, more: string) =>
    fetch(`${cloud.origin}/common/oauth2/v2.0/deviceauth?otc=${userCode}&${more}`)

  const device = await begin()
  expect(device.verificationUri).toContain('deviceauth')
  const waiting = users.awaitDeviceCode({ ...app(), device })
  await new Promise((resolve) => setTimeout(resolve, 300))
  await enter(device.userCode, `user=${technician(cloud)}`)
  expect((await waiting).identity).toMatchObject({ oid: technician(cloud) })

  const declined = await begin()
  await enter(declined.userCode, 'decision=cancel')
  expect(await caught(users.awaitDeviceCode({ ...app(), device: declined }))).toMatchObject({
    code: 'consent_declined',
  })

  cloud.signIns.settings.deviceLifetimeSeconds = 0
  expect(await caught(users.awaitDeviceCode({ ...app(), device: await begin() }))).toMatchObject({
    code: 'device_code_expired',
  })
  cloud.signIns.settings.deviceLifetimeSeconds = 900
  const abandoned = users.awaitDeviceCode({
    ...app(),
    device: await begin(),
    signal: AbortSignal.timeout(150),
  })
  expect(await caught(abandoned)).toMatchObject({ kind: 'aborted' })
})

test('no request leaves the login origin', async () => {
  const other = createUserTokens('https://login.example')
  const tampered = other.refresh({
    ...app(),
    entraTenantId: '../../../@evil.example',
    refreshToken: 'r',
    scope,
    signal: AbortSignal.timeout(2000),
  })
  // The tenant is one segment of the path: nothing in it changes host or path.
  expect(await caught(tampered)).toMatchObject({ kind: 'transient', code: 'login_unreachable' })
})

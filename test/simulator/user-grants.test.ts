import { ConfidentialClientApplication, PublicClientApplication } from '@azure/msal-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCloud } from '../../simulator/cloud.ts'
import type { Cloud } from '../../simulator/cloud.ts'
import { control, trust } from './asking.ts'
import { ask, callback, claimsOf, pkce, sentBack, signedIn, signIn, technician } from './sign-in.ts'

let cloud: Cloud
beforeAll(async () => {
  cloud = await startCloud({ sizes: [20, 10] })
  trust(cloud)
})
afterAll(() => cloud.close())

const partnerCenter = 'https://api.partnercenter.microsoft.com/user_impersonation'

function auth() {
  return {
    clientId: cloud.clientId,
    authority: `${cloud.origin}/${cloud.partnerTenantId}`,
    knownAuthorities: [new URL(cloud.origin).host],
  }
}

test('MSAL redeems a code with PKCE and then the refresh token', async () => {
  const app = new ConfidentialClientApplication({ auth: { ...auth(), clientSecret: cloud.clientSecret } })
  const { verifier, challenge } = pkce()
  const url = new URL(
    await app.getAuthCodeUrl({
      scopes: [partnerCenter],
      redirectUri: callback,
      codeChallenge: challenge,
      codeChallengeMethod: 'S256',
      nonce: 'n-1',
    }),
  )
  url.searchParams.set('user', technician(cloud))
  url.searchParams.set('response_mode', 'query')
  const { code = '' } = sentBack(await fetch(url, { redirect: 'manual' }))
  const first = await app.acquireTokenByCode({
    code,
    scopes: [partnerCenter],
    redirectUri: callback,
    codeVerifier: verifier,
    nonce: 'n-1',
  })
  expect(first.account?.localAccountId).toBe(technician(cloud))
  expect(claimsOf(first.idToken)['nonce']).toBe('n-1')

  const { refresh_token: refreshToken } = await signedIn(cloud)
  const second = await app.acquireTokenByRefreshToken({ refreshToken, scopes: [partnerCenter] })
  expect(claimsOf(second?.accessToken ?? '')).toMatchObject({ scp: 'user_impersonation', idtyp: 'user' })
})

test('MSAL gets tokens by device code', async () => {
  await control(cloud, 'POST /sign-ins', { deviceIntervalSeconds: 1 })
  const app = new PublicClientApplication({ auth: auth() })
  const opened: Promise<Response>[] = []
  const answer = await app.acquireTokenByDeviceCode({
    scopes: [partnerCenter],
    deviceCodeCallback: ({ userCode, verificationUri }) => {
      opened.push(fetch(`${verificationUri}?otc=${userCode}&user=${technician(cloud)}&decision=accept`))
    },
  })
  expect((await opened[0])?.status).toBe(200)
  expect(claimsOf(answer?.accessToken ?? '')['oid']).toBe(technician(cloud))
})

test.each([
  ['a second time', {}, 54005, true],
  ['with another redirect URI', { redirect_uri: 'http://localhost:8080/other' }, 500112, false],
  ['with a wrong verifier', { code_verifier: 'wrong' }, 501481, false],
  ['with a wrong secret', { client_secret: 'wrong' }, 7000215, false],
])('a code is not redeemed %s', async (_name, form, code, twice) => {
  const { verifier, challenge } = pkce()
  const sent = await signIn(cloud, { code_challenge: challenge, code_challenge_method: 'S256' })
  const good = {
    grant_type: 'authorization_code',
    code: sentBack(sent)['code'] ?? '',
    redirect_uri: callback,
    code_verifier: verifier,
  }
  if (twice) expect(await ask(cloud, cloud.partnerTenantId, good)).toHaveProperty('id_token')
  expect((await ask(cloud, cloud.partnerTenantId, { ...good, ...form })).error_codes).toEqual([code])
})

test('cancelling the sign-in is sent back; a redirect URI that is not registered sends nobody anywhere', async () => {
  expect(sentBack(await signIn(cloud, { decision: 'cancel' }))).toMatchObject({
    error: 'access_denied',
    error_subcode: 'cancel',
    state: 'mine',
  })
  await control(cloud, 'POST /registration', { redirectUris: [callback] })
  const page = await signIn(cloud, { redirect_uri: `${callback}/` })
  expect([page.status, await page.text()]).toEqual([400, expect.stringContaining('AADSTS50011')])
  await control(cloud, 'POST /registration', { redirectUris: [] })
  expect(await (await signIn(cloud)).text()).toContain('AADSTS500113')
  await control(cloud, 'POST /registration', { redirectUris: null })
})

test.each([
  ['revoked or with a changed password', { refuse: 50173 }, 50173],
  ['wanting MFA', { refuse: 50076 }, 50076],
  ['unused for 90 days', { inactiveDays: 91 }, 700082],
])('a refresh token %s is refused until the user signs in again', async (_name, change, code) => {
  const { refresh_token } = await signedIn(cloud)
  const form = { grant_type: 'refresh_token', scope: `${cloud.origin}/partner-center/.default` }
  const rotated = await ask(cloud, cloud.partnerTenantId, { ...form, refresh_token })
  expect(rotated.refresh_token).not.toBe(refresh_token)
  await control(cloud, 'POST /partner-user', { user: technician(cloud), ...change })
  const refused = await ask(cloud, cloud.partnerTenantId, { ...form, refresh_token: rotated.refresh_token })
  expect(refused).toMatchObject({ error: 'invalid_grant', error_codes: [code] })
  const again = await signedIn(cloud)
  expect(
    await ask(cloud, cloud.partnerTenantId, { ...form, refresh_token: again.refresh_token }),
  ).toHaveProperty('access_token')
})

test('a device code is pending, told to slow down, declined, expired', async () => {
  const start = async (): Promise<{ device_code: string; user_code: string }> => {
    const body = new URLSearchParams({ client_id: cloud.clientId, scope: partnerCenter })
    const url = `${cloud.origin}/${cloud.partnerTenantId}/oauth2/v2.0/devicecode`
    return (await (await fetch(url, { method: 'POST', body })).json()) as {
      device_code: string
      user_code: string
    }
  }
  const poll = async (device_code: string): Promise<string> => {
    const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
    return (await ask(cloud, cloud.partnerTenantId, { grant_type, device_code, client_secret: '' })).error
  }
  await control(cloud, 'POST /sign-ins', { deviceIntervalSeconds: 60 })
  const { device_code, user_code } = await start()
  expect(await poll(device_code)).toBe('authorization_pending')
  expect(await poll(device_code)).toBe('slow_down')
  await fetch(`${cloud.origin}/common/oauth2/v2.0/deviceauth?otc=${user_code}&decision=cancel`)
  expect(await poll(device_code)).toBe('authorization_declined')
  await control(cloud, 'POST /sign-ins', { deviceLifetimeSeconds: 0 })
  expect(await poll((await start()).device_code)).toBe('expired_token')
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCloud } from '../../simulator/cloud.ts'
import type { Cloud } from '../../simulator/cloud.ts'
import { askToken, control, trust } from './asking.ts'
import { claimsOf, sentBack } from './sign-in.ts'

let cloud: Cloud
beforeAll(async () => {
  cloud = await startCloud({ customers: 1, users: 20 })
  trust(cloud)
})
afterAll(() => cloud.close())

function ask(tenant: string, more: Record<string, string> = {}): Promise<Response> {
  const query = new URLSearchParams({
    client_id: cloud.clientId,
    scope: 'https://graph.microsoft.com/.default',
    redirect_uri: 'http://localhost:8080/consent-callback',
    state: 'mine',
    ...more,
  })
  return fetch(`${cloud.origin}/${tenant}/v2.0/adminconsent?${query.toString()}`, { redirect: 'manual' })
}

test('an admin is asked; accepting makes the principal and sends back the tenant and the state', async () => {
  const customer = cloud.tenants[1]
  await control(cloud, 'POST /grant', { tenantId: customer?.id, state: 'no-service-principal', roles: [] })
  const page = await ask(customer?.defaultDomain ?? '')
  expect(await page.text()).toContain(customer?.displayName)
  expect((await askToken(cloud, customer?.id ?? '')).status).toBe(401)

  const answer = await ask(customer?.defaultDomain ?? '', { decision: 'accept' })
  expect(answer.status).toBe(302)
  const back = new URL(answer.headers.get('location') ?? '')
  expect(back.origin + back.pathname).toBe('http://localhost:8080/consent-callback')
  expect(Object.fromEntries(back.searchParams)).toMatchObject({
    admin_consent: 'True',
    tenant: customer?.id,
    state: 'mine',
  })
  expect((await askToken(cloud, customer?.id ?? '')).status).toBe(200)
})

test('declining is an error, though admin_consent=True stands beside it', async () => {
  const answer = await ask('organizations', { tenant: cloud.tenants[1]?.id ?? '', decision: 'cancel' })
  const back = new URL(answer.headers.get('location') ?? '')
  expect(Object.fromEntries(back.searchParams)).toMatchObject({
    error: 'consent_required',
    admin_consent: 'True',
    state: 'mine',
  })
})

test.each([
  ['another app', { client_id: 'x' }, 'AADSTS700016'],
  ['a strange address to return to', { redirect_uri: 'http://evil.example/' }, 'AADSTS50011'],
  ['no whole resource', { scope: 'User.Read.All' }, 'AADSTS900144'],
])('%s stays on an error page', async (_name, more, code) => {
  const answer = await ask(cloud.tenants[1]?.id ?? '', more)
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(code)])
})

test('roles may arrive late; the v1 form has no scope, takes common and says refusal in its own words', async () => {
  const tenant = cloud.tenants[1]?.id ?? ''
  await control(cloud, 'POST /grant', { tenantId: tenant, state: 'no-service-principal', roles: [] })
  await control(cloud, 'POST /sign-ins', { rolesDelayMs: 60_000 })
  await ask(tenant, { decision: 'accept' })
  const { access_token } = (await (await askToken(cloud, tenant)).json()) as { access_token: string }
  expect(claimsOf(access_token)).not.toHaveProperty('roles')
  const query = new URLSearchParams({
    client_id: cloud.clientId,
    redirect_uri: 'http://localhost:8080/consent-callback',
    tenant,
    decision: 'cancel',
  })
  const answer = await fetch(`${cloud.origin}/common/adminconsent?${query.toString()}`, {
    redirect: 'manual',
  })
  expect(sentBack(answer)).toMatchObject({ error: 'permission_denied', admin_consent: 'True' })
})

test('an admin of another tenant may sign in: consent is given there, and the redirect says so', async () => {
  const [partner, customer] = cloud.tenants
  await control(cloud, 'POST /grant', { tenantId: customer?.id, state: 'no-service-principal' })
  await control(cloud, 'POST /sign-ins', { answersAsTenant: partner?.id, rolesDelayMs: 0 })
  const answer = await ask(customer?.id ?? '', { decision: 'accept' })
  expect(sentBack(answer)).toMatchObject({ admin_consent: 'True', tenant: partner?.id, state: 'mine' })
  expect((await askToken(cloud, customer?.id ?? '')).status).toBe(401)
  await control(cloud, 'POST /sign-ins', { answersAsTenant: null })
  expect(sentBack(await ask(customer?.id ?? '', { decision: 'accept' }))).toMatchObject({
    tenant: customer?.id,
  })
  const nobody = 'd2a1c3f4-5b6a-4c7d-8e9f-0a1b2c3d4e5f'
  await expect(control(cloud, 'POST /sign-ins', { answersAsTenant: nobody })).rejects.toThrow(/404 /)
})

test('consent may grant less than was asked for', async () => {
  const tenant = cloud.tenants[1]?.id ?? ''
  await control(cloud, 'POST /grant', { tenantId: tenant, state: 'no-service-principal' })
  await control(cloud, 'POST /sign-ins', { grantOnly: ['Device.Read.All', 'No.Such.Role'] })
  expect(sentBack(await ask(tenant, { decision: 'accept' }))).toMatchObject({ admin_consent: 'True' })
  const { access_token } = (await (await askToken(cloud, tenant)).json()) as { access_token: string }
  expect(claimsOf(access_token)['roles']).toEqual(['Device.Read.All'])
  await control(cloud, 'POST /sign-ins', { grantOnly: null })
})

test('consent does not enable an app that was disabled', async () => {
  const tenant = cloud.tenants[1]?.id ?? ''
  await control(cloud, 'POST /grant', { tenantId: tenant, state: 'disabled' })
  await ask(tenant, { decision: 'accept' })
  expect(await (await askToken(cloud, tenant)).json()).toMatchObject({ error_codes: [7000112] })
  await control(cloud, 'POST /grant', { tenantId: tenant, state: 'ready' })
})

test.each([
  ['none is registered', [], 'AADSTS500113'],
  ['another one is', ['https://sync.example.com/consent-callback'], 'AADSTS50011'],
])('a bad redirect URI may be told too late: %s, consent is stored', async (_name, redirectUris, code) => {
  const tenant = cloud.tenants[1]?.id ?? ''
  await control(cloud, 'POST /grant', { tenantId: tenant, state: 'no-service-principal' })
  await control(cloud, 'POST /registration', { redirectUris })
  await control(cloud, 'POST /sign-ins', { checksRedirectLate: true })
  expect(await (await ask(tenant)).text()).toContain('Accept')
  expect(await (await ask(tenant, { decision: 'cancel' })).text()).toContain(code)
  expect((await askToken(cloud, tenant)).status).toBe(401)
  const answer = await ask(tenant, { decision: 'accept' })
  expect([answer.status, answer.headers.has('location'), await answer.text()]).toEqual([
    400,
    false,
    expect.stringContaining(code),
  ])
  expect((await askToken(cloud, tenant)).status).toBe(200)
  await control(cloud, 'POST /sign-ins', { checksRedirectLate: false })
  expect(await (await ask(tenant)).text()).toContain(code)
  await control(cloud, 'POST /registration', { redirectUris: null })
})

test('who may not consent, and a registration without any redirect URI, stay on an error page', async () => {
  const tenant = cloud.tenants[1]?.id ?? ''
  await control(cloud, 'POST /sign-ins', { mayConsent: false })
  expect(await (await ask(tenant, { decision: 'accept' })).text()).toContain('AADSTS90094')
  await control(cloud, 'POST /registration', { redirectUris: [] })
  expect(await (await ask(tenant)).text()).toContain('AADSTS500113')
})

import { X509Certificate } from 'node:crypto'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { createAppCertificate } from '../../simulator/certificates.ts'
import { startCloud } from '../../simulator/cloud.ts'
import type { Cloud } from '../../simulator/cloud.ts'
import { addSecret, registerOwnApp } from '../../simulator/registrations.ts'
import type { AppRegistration, OwnAppOptions } from '../../simulator/registrations.ts'
import { askGraph, askToken, control, trust } from './asking.ts'
import { ask, claimsOf, sentBack, signedIn, signIn, technician } from './sign-in.ts'

const redirect = 'https://sync.example.com/consent-callback'
const day = 86_400_000
let cloud: Cloud
beforeEach(async () => {
  await cloud?.close()
  cloud = await startCloud({ sizes: [6, 4, 4] })
  trust(cloud)
})
afterAll(() => cloud.close())

const customer = (): string => cloud.tenants[1]?.id ?? ''

interface OwnApp {
  registration: AppRegistration
  client_id: string
  client_secret: string
}

function register(options: OwnAppOptions = {}): OwnApp {
  const registration = registerOwnApp(cloud, options)
  return { registration, client_id: registration.clientId, client_secret: addSecret(registration) }
}

const credentials = ({ client_id, client_secret }: OwnApp) => ({ client_id, client_secret })

/** The claims of a token of the app itself, or the AADSTS code that stands in its way. */
async function appToken(tenant: string, app?: OwnApp): Promise<{ token: string; claims: unknown }> {
  const answer = await askToken(cloud, tenant, app === undefined ? {} : credentials(app))
  const body = (await answer.json()) as { access_token?: string; error_codes?: number[] }
  const token = body.access_token ?? ''
  return { token, claims: body.error_codes ?? claimsOf(token) }
}

function consent(tenant: string, app: OwnApp, more: Record<string, string> = {}): Promise<Response> {
  const scope = 'https://graph.microsoft.com/.default'
  const asked = { client_id: app.client_id, scope, redirect_uri: redirect, decision: 'accept', ...more }
  const query = new URLSearchParams(asked).toString()
  return fetch(`${cloud.origin}/${tenant}/v2.0/adminconsent?${query}`, { redirect: 'manual' })
}

test('has a principal without roles at home, and none elsewhere before somebody consents', async () => {
  const app = register({ requiredRoles: ['User.Read.All'] })
  const home = await appToken(cloud.partnerTenantId, app)
  expect(home.claims).toMatchObject({ appid: app.client_id, tid: cloud.partnerTenantId })
  expect(home.claims).not.toHaveProperty('roles')
  expect((await appToken(customer(), app)).claims).toEqual([7000229])
  expect((await consent(customer(), app)).status).toBe(302)
  const there = (await appToken(customer(), app)).claims as { oid: string }
  expect(there).toMatchObject({ appid: app.client_id, roles: ['User.Read.All'] })
  const other = (await appToken(customer())).claims as { oid: string; roles: string[] }
  expect(other.roles).toContain('Device.Read.All')
  expect(other.oid).not.toBe(there.oid)
  expect((await appToken(cloud.tenants[2]?.id ?? '', app)).claims).toEqual([7000229])
})

test('starts with what the Default app has, in the tenants where it is said to be granted', async () => {
  const app = register({ grantedIn: [customer()] })
  const roles = cloud.tenant(customer()).app.roles
  expect((await appToken(customer(), app)).claims).toMatchObject({ roles })
  await control(cloud, 'POST /grant', { tenantId: customer(), roles: ['User.Read.All'] })
  expect((await appToken(customer(), app)).claims).toMatchObject({ roles })
  await control(cloud, 'POST /grant', {
    tenantId: customer(),
    clientId: app.client_id,
    state: 'no-service-principal',
  })
  expect((await appToken(customer(), app)).claims).toEqual([7000229])
  expect((await appToken(customer())).claims).toMatchObject({ roles: ['User.Read.All'] })
})

test('the consent page goes by its own registration: name, permissions, redirect URIs, delay of roles', async () => {
  const app = register({
    displayName: 'Contoso sync',
    redirectUris: [redirect],
    requiredRoles: ['User.Read.All'],
    requiredScopes: ['User.Read', 'https://api.partnercenter.microsoft.com/user_impersonation'],
  })
  const page = await consent(customer(), app, { redirect_uri: `${redirect}/` })
  expect(await page.text()).toContain('AADSTS50011')
  const question = new URLSearchParams({ client_id: app.client_id, redirect_uri: redirect })
  const asked = await fetch(`${cloud.origin}/${customer()}/adminconsent?${question.toString()}`)
  expect(await asked.text()).toMatch(/Contoso sync.*User\.Read\.All.*user_impersonation/s)
  await control(cloud, 'POST /sign-ins', { rolesDelayMs: 60_000 })
  expect(sentBack(await consent(customer(), app))).toMatchObject({ tenant: customer() })
  expect((await appToken(customer(), app)).claims).not.toHaveProperty('roles')
  expect((await appToken(customer())).claims).toHaveProperty('roles')
  const { delegated } = cloud.tenant(customer()).appOf(app.client_id)
  expect(delegated.map(({ scopes }) => scopes)).toEqual([['User.Read'], ['user_impersonation']])
})

test('an app of one tenant only is unknown elsewhere, and may not ask whoever signs in', async () => {
  const app = register({ singleTenant: true, ownerTenantId: customer() })
  expect((await appToken(customer(), app)).claims).toMatchObject({ tid: customer() })
  expect((await appToken(cloud.partnerTenantId, app)).claims).toEqual([700016])
  expect(await (await consent(cloud.partnerTenantId, app)).text()).toContain('AADSTS700016')
  expect(await (await consent('organizations', app)).text()).toContain('AADSTS50194')
  const query = { client_id: app.client_id }
  expect(await (await signIn(cloud, query, 'organizations')).text()).toContain('AADSTS50194')
})

test('codes, refresh tokens and device codes are good for the app that got them', async () => {
  const app = register({ grantedIn: [cloud.partnerTenantId], allowPublicClient: false })
  const tokens = await signedIn(cloud, {}, credentials(app))
  expect(claimsOf(tokens.access_token)).toMatchObject({ appid: app.client_id, scp: 'user_impersonation' })
  const scope = 'https://graph.microsoft.com/.default'
  const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token, scope }
  expect((await ask(cloud, cloud.partnerTenantId, form)).error_codes).toEqual([70000])
  const bare = { ...form, client_id: app.client_id, client_secret: '' }
  expect((await ask(cloud, cloud.partnerTenantId, bare)).error_codes).toEqual([7000218])
  const own = await ask(cloud, cloud.partnerTenantId, { ...form, ...credentials(app) })
  expect(claimsOf(own.access_token)).toMatchObject({ appid: app.client_id })

  const { code = '' } = sentBack(await signIn(cloud))
  const redirect_uri = 'http://localhost:8080/callback'
  const stolen = { grant_type: 'authorization_code', code, redirect_uri, ...credentials(app) }
  expect((await ask(cloud, 'organizations', stolen)).error_codes).toEqual([70000])

  const started = await fetch(`${cloud.origin}/organizations/oauth2/v2.0/devicecode`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: app.client_id, scope: `${scope} offline_access` }),
  })
  const { device_code, user_code } = (await started.json()) as { device_code: string; user_code: string }
  await fetch(`${cloud.origin}/common/oauth2/v2.0/deviceauth?otc=${user_code}&user=${technician(cloud)}`)
  const poll = { grant_type: 'device_code', device_code }
  expect((await ask(cloud, 'organizations', poll)).error_codes).toEqual([70018])
  const polled = await ask(cloud, 'organizations', { ...poll, ...credentials(app) })
  expect(claimsOf(polled.access_token)).toMatchObject({ appid: app.client_id })
})

test('/applications tells the ends of its secrets and certificates, at home only', async () => {
  const app = register({ ownerTenantId: customer(), grantedIn: [cloud.partnerTenantId] })
  const { registration } = app
  registration.secretEnds.set(app.client_secret, new Date(Date.now() - day))
  const lasting = { ...app, client_secret: addSecret(registration, new Date('2099-01-01')) }
  for (const days of [-1, 20]) {
    const { certificatePem } = await createAppCertificate(`for ${days} days`, days)
    registration.certificates.push(new X509Certificate(certificatePem))
  }
  cloud.tenant(customer()).appOf(app.client_id).roles = ['Application.Read.All']
  cloud.tenant(cloud.partnerTenantId).appOf(app.client_id).roles = ['Application.Read.All']
  expect((await appToken(customer(), app)).claims).toEqual([7000222])

  const { token } = await appToken(customer(), lasting)
  const path = `/applications(appId='${app.client_id}')`
  const told = (await (await askGraph(cloud, token, path)).json()) as Record<string, { keyId: string }[]>
  expect(told['passwordCredentials']).toMatchObject([
    { hint: 'own', endDateTime: registration.secretEnds.get(app.client_secret)?.toISOString() },
    { hint: 'own', endDateTime: '2099-01-01T00:00:00.000Z' },
  ])
  const ends = registration.certificates.map(({ validTo }) => new Date(validTo).toISOString())
  expect(told['keyCredentials']).toMatchObject(ends.map((endDateTime) => ({ endDateTime })))
  expect(new Date(ends[0] ?? '').getTime()).toBeLessThan(Date.now())
  const keys = [...(told['passwordCredentials'] ?? []), ...(told['keyCredentials'] ?? [])]
  expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(4)

  const elsewhere = await appToken(cloud.partnerTenantId, lasting)
  expect((await askGraph(cloud, elsewhere.token, path)).status).toBe(404)
})

test('the control port registers one, rotates its secrets and changes its registration', async () => {
  const made = (await control(cloud, 'POST /apps', { displayName: 'Ours', grantedIn: [customer()] })) as {
    clientId: string
    clientSecret: string
  }
  const form = { client_id: made.clientId, client_secret: made.clientSecret }
  expect((await askToken(cloud, customer(), form)).status).toBe(200)
  const { clientId } = made
  await control(cloud, 'POST /secrets', { clientId, valid: ['next'], expired: [made.clientSecret] })
  expect(await (await askToken(cloud, customer(), form)).json()).toMatchObject({ error_codes: [7000222] })
  const next = { ...form, client_secret: 'next' }
  expect((await askToken(cloud, customer(), next)).status).toBe(200)
  expect((await askToken(cloud, customer())).status).toBe(200)
  await control(cloud, 'POST /secrets', { clientId, ends: { next: '2020-01-01' } })
  expect(await (await askToken(cloud, customer(), next)).json()).toMatchObject({ error_codes: [7000222] })
  await control(cloud, 'POST /registration', { clientId, redirectUris: [] })
  expect(cloud.registration.redirectUris).toBeNull()
  expect(cloud.ownRegistrations.map(({ redirectUris }) => redirectUris)).toEqual([[]])
  await control(cloud, 'POST /grant', { tenantId: customer(), clientId, state: 'tenant-gone' })
  expect(await (await askToken(cloud, customer())).json()).toMatchObject({ error_codes: [90002] })
  const told = (await control(cloud, 'GET /tenants')) as { apps: Record<string, { state: string }> }[]
  expect(told[1]?.apps).toMatchObject({
    [cloud.clientId]: { state: 'tenant-gone' },
    [clientId]: { roles: expect.arrayContaining(['User.Read.All']) },
  })
  const nobody = '00000000-0000-4000-8000-000000000000'
  await expect(control(cloud, 'POST /grant', { tenantId: customer(), clientId: nobody })).rejects.toThrow(
    /404 .*No app/,
  )
})

import { afterAll, beforeEach, expect, test } from 'vitest'
import { startCloud } from '../../simulator/cloud.ts'
import type { Cloud } from '../../simulator/cloud.ts'
import { addSecret, registerOwnApp } from '../../simulator/registrations.ts'
import { askGraph, askToken, control, trust } from './asking.ts'
import { ask, claimsOf, signedIn, technician } from './sign-in.ts'

const graph = '00000003-0000-0000-c000-000000000000'
const userReadAll = 'df021288-bdef-4463-88db-98f22de89214'
const bootstrap =
  'Application.ReadWrite.All,AppRoleAssignment.ReadWrite.All,DelegatedPermissionGrant.ReadWrite.All'
let cloud: Cloud
let own: { client_id: string; client_secret: string }
beforeEach(async () => {
  await cloud?.close()
  cloud = await startCloud({ sizes: [20, 4] })
  trust(cloud)
  const registration = registerOwnApp(cloud, { grantedIn: [cloud.partnerTenantId] })
  own = { client_id: registration.clientId, client_secret: addSecret(registration) }
})
afterAll(() => cloud.close())

const customer = (): string => cloud.tenants[1]?.id ?? ''

function applicationConsents(token: string, applicationId: string, headers: Record<string, string> = {}) {
  const applicationGrants = [{ enterpriseApplicationId: graph, scope: bootstrap }]
  return fetch(`${cloud.origin}/v1/customers/${customer()}/applicationconsents`, {
    method: 'POST',
    body: JSON.stringify({ applicationId, applicationGrants }),
    headers: { authorization: `Bearer ${token}`, ...headers },
  })
}

/** A token of the technician in the customer's directory, for the own app. */
async function inCustomer(refresh_token: string): Promise<string> {
  const scope = 'https://graph.microsoft.com/.default'
  const tokens = await ask(cloud, customer(), { grant_type: 'refresh_token', refresh_token, scope, ...own })
  return tokens.access_token
}

async function read<T>(token: string, path: string): Promise<T> {
  const answer = await askGraph(cloud, token, path)
  expect([path, answer.status]).toEqual([path, 200])
  return (await answer.json()) as T
}

/** The own app consented through Partner Center, and the technician's token with it. */
async function preConsented(): Promise<{ token: string; principalId: string; refresh: string }> {
  const { access_token, refresh_token: refresh } = await signedIn(cloud, {}, own)
  expect((await applicationConsents(access_token, own.client_id)).status).toBe(201)
  const token = await inCustomer(refresh)
  const { id } = await read<{ id: string }>(token, `/servicePrincipals(appId='${own.client_id}')`)
  return { token, principalId: id, refresh }
}

test('Partner Center consents the app that asks, and nothing of another app', async () => {
  const { access_token } = await signedIn(cloud, {}, own)
  expect((await applicationConsents(access_token, cloud.clientId)).status).toBe(400)
  await control(cloud, 'POST /grant', { tenantId: customer(), state: 'no-service-principal' })
  await preConsented()
  expect((await askToken(cloud, customer(), own)).status).toBe(200)
  expect((await askToken(cloud, customer())).status).toBe(401)
})

test('a repeated request to Partner Center is answered as the first one was', async () => {
  const { access_token } = await signedIn(cloud, {}, own)
  const first = { 'ms-requestid': 'one' }
  expect((await applicationConsents(access_token, own.client_id, first)).status).toBe(201)
  expect((await applicationConsents(access_token, own.client_id, first)).status).toBe(201)
  await control(cloud, 'POST /sign-ins', { consentExistsStatus: 400 })
  const second = { 'ms-requestid': 'two' }
  const again = await applicationConsents(access_token, own.client_id, second)
  expect([again.status, await again.json()]).toEqual([
    400,
    expect.objectContaining({ description: 'Permission entry already exists.' }),
  ])
})

test('roles and delegated grants are listed, added and taken away app by app', async () => {
  const { token, principalId } = await preConsented()
  const all = await read<{ value: { appId: string }[] }>(token, '/servicePrincipals')
  expect(all.value.map(({ appId }) => appId)).toEqual([graph, cloud.clientId, own.client_id])
  const resource = await read<{ id: string }>(token, `/servicePrincipals(appId='${graph}')`)
  const made = await askGraph(cloud, token, `/servicePrincipals/${principalId}/appRoleAssignments`, {
    method: 'POST',
    body: JSON.stringify({ principalId, resourceId: resource.id, appRoleId: userReadAll }),
  })
  expect([made.status, await made.json()]).toEqual([201, expect.objectContaining({ principalId })])
  const path = `/servicePrincipals/${principalId}/appRoleAssignments`
  const { value } = await read<{ value: { id: string; appRoleId: string }[] }>(token, path)
  expect(value).toMatchObject([{ appRoleId: userReadAll }])
  const before = cloud.tenant(customer()).app.roles
  const given = await read<{ value: { principalId: string }[] }>(
    token,
    `/servicePrincipals/${resource.id}/appRoleAssignedTo`,
  )
  expect(given.value.map((each) => each.principalId).filter((id) => id === principalId)).toHaveLength(1)
  expect(given.value).toHaveLength(before.length + 1)
  await askGraph(cloud, token, `${path}/${value[0]?.id ?? ''}`, { method: 'DELETE' })
  expect(cloud.tenant(customer()).appOf(own.client_id).roles).toEqual([])
  expect(cloud.tenant(customer()).app.roles).toEqual(before)

  await control(cloud, 'POST /grant', { tenantId: customer(), delegated: ['User.Read'] })
  const scopes = async (query = ''): Promise<string[]> => {
    const listed = await read<{ value: { scope: string }[] }>(token, `/oauth2PermissionGrants${query}`)
    return listed.value.map(({ scope }) => scope)
  }
  expect(await scopes()).toEqual(['User.Read', bootstrap.replaceAll(',', ' ')])
  expect(await scopes(`?$filter=clientId eq '${principalId}'`)).toEqual([bootstrap.replaceAll(',', ' ')])
})

test('deleting a service principal takes all its grants, and only its own; a new one is another', async () => {
  const { token, principalId } = await preConsented()
  cloud.tenant(customer()).appOf(own.client_id).roles = ['User.Read.All']
  const old = ((await (await askToken(cloud, customer(), own)).json()) as { access_token: string })
    .access_token
  expect((await askGraph(cloud, old, '/users')).status).toBe(200)
  const gone = await askGraph(cloud, token, `/servicePrincipals/${principalId}`, { method: 'DELETE' })
  expect(gone.status).toBe(204)
  expect(await (await askToken(cloud, customer(), own)).json()).toMatchObject({ error_codes: [7000229] })
  expect(await (await askGraph(cloud, old, '/users')).text()).toContain('Authorization_IdentityNotFound')
  expect((await askToken(cloud, customer())).status).toBe(200)

  const again = await preConsented()
  expect(again.principalId).not.toBe(principalId)
  expect((await read<{ value: [] }>(again.token, '/servicePrincipals')).value).toHaveLength(3)
  const fresh = (await (await askToken(cloud, customer(), own)).json()) as { access_token: string }
  expect(claimsOf(fresh.access_token)).not.toHaveProperty('roles')
  // The token of before names an object that is gone.
  expect(await (await askGraph(cloud, old, '/users')).text()).toContain('Authorization_IdentityNotFound')
})

test('who lacks the scope or the role may not delete one; nobody deletes Microsoft’s', async () => {
  const { token, principalId } = await preConsented()
  const remove = async (by: string, id = principalId): Promise<number> =>
    (await askGraph(cloud, by, `/servicePrincipals/${id}`, { method: 'DELETE' })).status
  const app = (await (await askToken(cloud, customer())).json()) as { access_token: string }
  expect(await remove(app.access_token)).toBe(403)
  await control(cloud, 'POST /partner-user', {
    user: technician(cloud),
    groups: ['adminAgents', 'privilegedRoleAdministrators'],
  })
  expect(await remove(token)).toBe(403)
  await control(cloud, 'POST /partner-user', {
    user: technician(cloud),
    groups: ['adminAgents', 'applicationAdministrators'],
  })
  const { id } = await read<{ id: string }>(token, `/servicePrincipals(appId='${graph}')`)
  expect(await remove(token, id)).toBe(403)
  expect(await remove(token, 'd2a1c3f4-5b6a-4c7d-8e9f-0a1b2c3d4e5f')).toBe(404)
  expect((await askGraph(cloud, token, '/servicePrincipals', { method: 'POST', body: '{}' })).status).toBe(
    405,
  )
  expect(await remove(token)).toBe(204)
})

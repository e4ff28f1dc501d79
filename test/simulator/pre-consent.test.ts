import { afterAll, beforeEach, expect, test } from 'vitest'
import { startCloud } from '../../simulator/cloud.ts'
import type { Cloud } from '../../simulator/cloud.ts'
import { askGraph, askToken, control, trust } from './asking.ts'
import { ask, claimsOf, signedIn, technician } from './sign-in.ts'

const graph = '00000003-0000-0000-c000-000000000000'
const userReadAll = 'df021288-bdef-4463-88db-98f22de89214'
let cloud: Cloud
beforeEach(async () => {
  await cloud?.close()
  cloud = await startCloud({ sizes: [20, 10, 10] })
  trust(cloud)
  await control(cloud, 'POST /grant', { tenantId: customer(), state: 'no-service-principal', roles: [] })
})
afterAll(() => cloud.close())

function customer(): string {
  return cloud.tenants[1]?.id ?? ''
}

function center(
  token: string,
  path: string,
  init: { method?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, ...init.headers }
  return fetch(`${cloud.origin}/v1${path}`, { ...init, headers })
}

function consent(
  token: string,
  more: object = {},
  scope = 'Application.Read.All, AppRoleAssignment.ReadWrite.All',
) {
  const applicationGrants = [{ enterpriseApplicationId: graph, scope }]
  return center(token, `/customers/${customer()}/applicationconsents`, {
    method: 'POST',
    body: JSON.stringify({ applicationId: cloud.clientId, applicationGrants, ...more }),
  })
}

async function inCustomer(refresh_token: string) {
  const scope = 'https://graph.microsoft.com/.default'
  return ask(cloud, customer(), { grant_type: 'refresh_token', refresh_token, scope })
}

test('consent, then roles by the user, then a token of the app that has them', async () => {
  const { access_token, refresh_token } = await signedIn(cloud)
  expect((await inCustomer(refresh_token)).error_codes).toEqual([90099])
  expect((await consent(access_token)).status).toBe(201)
  expect((await consent(access_token)).status).toBe(409)

  const { access_token: token } = await inCustomer(refresh_token)
  expect(claimsOf(token)).toMatchObject({
    tid: customer(),
    scp: expect.stringContaining('AppRoleAssignment'),
  })
  const idOf = async (appId: string): Promise<string> => {
    const answer = await askGraph(cloud, token, `/servicePrincipals(appId='${appId}')`)
    return ((await answer.json()) as { id: string }).id
  }
  const [principalId, resourceId] = [await idOf(cloud.clientId), await idOf(graph)]
  const grant = (): Promise<Response> =>
    askGraph(cloud, token, `/servicePrincipals/${principalId}/appRoleAssignments`, {
      method: 'POST',
      body: JSON.stringify({ principalId, resourceId, appRoleId: userReadAll }),
    })
  const made = await grant()
  expect(made.status).toBe(201)
  const { id } = (await made.json()) as { id: string }
  const twice = await grant()
  expect([twice.status, await twice.text()]).toEqual([400, expect.stringContaining('already exists')])
  const app = (await (await askToken(cloud, customer())).json()) as { access_token: string }
  expect(claimsOf(app.access_token)['roles']).toEqual(['User.Read.All'])

  const removed = await askGraph(cloud, token, `/servicePrincipals/${principalId}/appRoleAssignments/${id}`, {
    method: 'DELETE',
  })
  expect(removed.status).toBe(204)
  await control(cloud, 'POST /partner-user', {
    user: technician(cloud),
    groups: ['adminAgents', 'applicationAdministrators'],
  })
  expect((await grant()).status).toBe(403)
})

test('the bootstrap grant is read and taken back where the scope for that was granted', async () => {
  const { access_token, refresh_token } = await signedIn(cloud)
  await consent(access_token, {}, 'Application.Read.All,DelegatedPermissionGrant.ReadWrite.All')
  const { access_token: token } = await inCustomer(refresh_token)
  const listed = (await (await askGraph(cloud, token, '/oauth2PermissionGrants')).json()) as {
    value: { id: string; scope: string }[]
  }
  expect(listed.value).toMatchObject([
    { scope: 'Application.Read.All DelegatedPermissionGrant.ReadWrite.All' },
  ])
  const path = `/oauth2PermissionGrants/${listed.value[0]?.id ?? ''}`
  expect((await askGraph(cloud, token, path, { method: 'DELETE' })).status).toBe(204)
  expect((await inCustomer(refresh_token)).error_codes).toEqual([65001])
})

test('without a relationship 50020, without the group 50177 and 403, without AdminAgents 403', async () => {
  const user = technician(cloud)
  const { access_token, refresh_token } = await signedIn(cloud)
  await control(cloud, 'POST /partner-user', { user, groups: ['adminAgents'] })
  expect((await inCustomer(refresh_token)).error_codes).toEqual([50177])
  expect((await consent(access_token)).status).toBe(403)
  await control(cloud, 'POST /gdap', { tenantId: customer(), status: 'terminated' })
  expect((await inCustomer(refresh_token)).error_codes).toEqual([50020])
  await control(cloud, 'POST /partner-user', { user, groups: [] })
  expect((await center(access_token, '/customers')).status).toBe(403)
})

test('what else Partner Center refuses', async () => {
  const { access_token } = await signedIn(cloud)
  expect((await consent(access_token, { applicationId: graph })).status).toBe(400)
  expect((await consent(access_token, {}, 'No.Such.Scope')).status).toBe(400)
  const path = `/customers/${customer()}/applicationconsents/${cloud.clientId}`
  expect((await center(access_token, path, { method: 'DELETE' })).status).toBe(404)
  await consent(access_token)
  expect((await center(access_token, path, { method: 'DELETE' })).status).toBe(200)
  await control(cloud, 'POST /sign-ins', { consentsPerSecond: 0, mfa: false })
  expect((await consent(access_token)).status).toBe(429)
  const app = (await (await askToken(cloud, customer())).json()) as { access_token: string }
  expect((await center(app.access_token, '/customers')).status).toBe(401)
  expect((await center((await signedIn(cloud)).access_token, '/customers')).status).toBe(401)
})

test('customers come in pages, the token in a header', async () => {
  const { access_token } = await signedIn(cloud)
  const first = (await (await center(access_token, '/customers?size=1')).json()) as {
    items: { id: string }[]
    links: { next: { uri: string; headers: { key: string; value: string }[] } }
  }
  const { uri, headers } = first.links.next
  const more = { headers: Object.fromEntries(headers.map(({ key, value }) => [key, value])) }
  const second = (await (await center(access_token, uri, more)).json()) as typeof first
  expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(
    cloud.tenants.slice(1).map(({ id }) => id),
  )
  expect(second.links.next).toBeUndefined()
})

test('/me is the partner tenant only; the registration tells when its secret ends', async () => {
  const { access_token, refresh_token } = await signedIn(cloud, { scope: 'User.Read offline_access openid' })
  const me = (await (await askGraph(cloud, access_token, '/me')).json()) as { id: string }
  expect(me.id).toBe(technician(cloud))
  const groups = await askGraph(cloud, access_token, '/me/transitiveMemberOf?$select=id,displayName')
  expect(await groups.text()).toContain('AdminAgents')
  const application = await askGraph(cloud, access_token, `/applications(appId='${cloud.clientId}')`)
  expect(await application.json()).toMatchObject({
    passwordCredentials: [{ endDateTime: expect.any(String) }],
  })
  await control(cloud, 'POST /grant', { tenantId: customer(), state: 'ready', delegated: ['User.Read'] })
  const { access_token: there } = await inCustomer(refresh_token)
  expect((await askGraph(cloud, there, '/me/transitiveMemberOf')).status).toBe(400)
})

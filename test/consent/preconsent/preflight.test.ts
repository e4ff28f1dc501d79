import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { gdapRoles } from '../../../simulator/relationships.ts'
import { preflight, type Preflight } from '../../../src/consent/preconsent/preflight.ts'
import { control } from '../../simulator/asking.ts'
import { openPartnerCloud, type PartnerCloud } from './partner-cloud.ts'

const look = (own: PartnerCloud, ids = own.customers): Promise<Preflight> =>
  preflight(own.context, own.partner, ids, new AbortController().signal)

/** What does not hold, with where to set it. */
const missing = (requirements: Preflight['requirements']) =>
  requirements
    .filter(({ ok }) => ok === false)
    .map(({ code, found, remedy }) => `${code}: ${found} ${remedy ?? ''}`)

test('all is well', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  const all = await look(own)
  expect(all).toMatchObject({
    partnerEntraTenantId: own.partner,
    clientId: own.cloud.clientId,
    userName: 'tech@partner.example',
    ready: true,
  })
  expect(all.requirements.map(({ code, ok }) => [code, ok])).toEqual([
    ['app_in_partner', true],
    ['sign_in', true],
    ['delegated_scopes', true],
    ['admin_agents', true],
  ])
  expect(all.customers).toHaveLength(2)
  expect(all.customers.every(({ ready }) => ready)).toBe(true)
  expect(all.customers[0]?.requirements.map(({ code }) => code)).toEqual([
    'relationship',
    'consent_role',
    'grant_role',
  ])
})

test('nobody has signed in; the sign-in has ended', async () => {
  const own = await openPartnerCloud()
  const nobody = await look(own)
  expect(nobody).toMatchObject({ ready: false, userName: null })
  expect(missing(nobody.requirements)).toEqual([
    expect.stringMatching(/sign_in: .*entra-sync partner sign-in/),
  ])
  await own.signedIn()
  await control(own.cloud, 'POST /partner-user', { user: own.user, refuse: 50173 })
  expect(missing((await look(own)).requirements)[0]).toMatch(/^sign_in: .*taken back/)
  expect(missing((await look(own)).requirements)[0]).toMatch(/^sign_in: .*does not take/)
})

test('AdminAgents, the second factor, and the scopes at home are named with the place to set them', async () => {
  const own = await openPartnerCloud()
  await control(own.cloud, 'POST /sign-ins', { mfa: false })
  await own.signedIn()
  await control(own.cloud, 'POST /partner-user', {
    user: own.user,
    groups: ['applicationAdministrators', 'privilegedRoleAdministrators'],
  })
  await control(own.cloud, 'POST /grant', {
    tenantId: own.partner,
    delegated: ['User.Read', 'Application.Read.All'],
  })
  // The control's scopes stand in place of all, Partner Center's too.
  own.cloud.tenant(own.partner).app.delegated.push({
    id: 'pc',
    resourceAppId: 'fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd',
    scopes: ['user_impersonation'],
  })
  const told = missing((await look(own)).requirements)
  expect(told).toEqual([
    expect.stringMatching(/^sign_in: .*second factor.*multi-factor/),
    expect.stringMatching(
      /^delegated_scopes: .*AppRoleAssignment.ReadWrite.All, DelegatedPermissionGrant.ReadWrite.All.*API permissions/,
    ),
    expect.stringMatching(/^admin_agents: .*User management.*Admin agent/),
  ])
  own.cloud.tenant(own.partner).app.delegated = []
  expect(missing((await look(own)).requirements)).toEqual([
    expect.stringMatching(/^partner_center_scope: .*user_impersonation/),
    expect.stringMatching(/^delegated_scopes: .*Application.Read.All/),
    expect.stringMatching(/^admin_agents/),
  ])
})

test('no service principal of the app in the partner’s tenant', async () => {
  const own = await openPartnerCloud()
  await control(own.cloud, 'POST /grant', { tenantId: own.partner, state: 'no-service-principal' })
  expect(missing((await look(own, [])).requirements)[0]).toMatch(/^app_in_partner: .*consent/)
})

test('customers: each missing piece is named, with group, relationship and page', async () => {
  const own = await openPartnerCloud({ sizes: [12, 3, 3, 3, 3, 3, 3] })
  await own.signedIn()
  const [ended = '', roleless = '', unassigned = '', pending = '', other = '', foreign = ''] = own.customers
  const { applicationAdministrator: app, privilegedRoleAdministrator: privileged } = gdapRoles
  await control(own.cloud, 'POST /gdap', { tenantId: ended, status: 'expired' })
  await control(own.cloud, 'POST /gdap', { tenantId: roleless, roles: [app], displayName: 'Reading only' })
  await control(own.cloud, 'POST /gdap', {
    tenantId: unassigned,
    displayName: 'Standard 2026',
    assignments: [{ group: 'applicationAdministrators', roles: [app] }],
  })
  await control(own.cloud, 'POST /gdap', {
    tenantId: pending,
    assignments: [
      { group: 'applicationAdministrators', roles: [app], status: 'pending' },
      { group: 'privilegedRoleAdministrators', roles: [privileged] },
    ],
  })
  await control(own.cloud, 'POST /partner-user', {
    user: own.user,
    groups: ['adminAgents', 'applicationAdministrators'],
  })
  await sql`update entra_tenants set partner_entra_tenant_id = null where entra_tenant_id = ${foreign}`.execute(
    own.db,
  )
  const { customers, ready } = await look(own)
  expect(ready).toBe(true)
  const of = (id: string) =>
    missing(customers.find(({ entraTenantId }) => entraTenantId === id)?.requirements ?? [])
  expect(of(ended)).toEqual([expect.stringMatching(/^relationship: .*Request new relationship/)])
  expect(of(roleless)).toEqual([expect.stringMatching(/^grant_role: No active relationship .* has the role/)])
  expect(of(unassigned)).toEqual([
    expect.stringMatching(/^grant_role: .*given to no security group.*Standard 2026 > Security groups/),
  ])
  expect(of(pending)).toEqual([
    expect.stringMatching(/^consent_role: .*GDAP Application Administrators .*pending, not active/),
    expect.stringMatching(/^grant_role: tech@partner.example is not in GDAP Privileged Role Administrators/),
  ])
  expect(of(other)).toEqual([
    expect.stringMatching(/^grant_role: .*Groups > GDAP Privileged Role Administrators .*Add members/),
  ])
  expect(of(foreign)).toEqual([expect.stringMatching(/^preconsent_no_customer/)])
})

test('what the app may not read is unknown, and does not stop anybody', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  const roles = own.cloud.tenant(own.partner).app.roles
  own.cloud.tenant(own.partner).app.roles = roles.filter((role) => !role.startsWith('DelegatedAdmin'))
  const { customers } = await look(own)
  expect(customers[0]).toMatchObject({
    ready: true,
    requirements: [{ ok: null, remedy: expect.stringContaining('DelegatedAdminRelationship.Read.All') }],
  })
})

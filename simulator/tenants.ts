import { randomBytes } from 'node:crypto'
import { Directory } from './directory/directory.ts'
import { ascii, companyName } from './names.ts'
import { between, guid, seededRandom } from './random.ts'
import type { Random } from './random.ts'
import { seedDirectory } from './seed.ts'
import { partnerCenterAppId } from './resources.ts'
import { graphAppId } from './tokens.ts'
import type { GdapRelationship, TenantApp, TenantHandle } from './types.ts'

/** App roles that the app asks for in every tenant. */
export const customerRoles = [
  'User.Read.All',
  'GroupMember.Read.All',
  'LicenseAssignment.Read.All',
  'Organization.Read.All',
  'Device.Read.All',
  'Team.ReadBasic.All',
  'TeamSettings.Read.All',
  'Member.Read.Hidden',
]

/** Role template ids of the pair that pre-consent needs, and of two usual ones. */
export const gdapRoles = {
  applicationAdministrator: '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3',
  privilegedRoleAdministrator: 'e8611ab8-c189-46e8-94e1-60213ab1f814',
  directoryReaders: '88d8e3e3-8f55-4a1e-953a-9b9898b8876b',
  userAdministrator: 'fe930be7-5e62-47db-91af-98c3a49a38b1',
}

/** Delegated scopes that the registration has consented in the partner tenant, for Graph. */
export const partnerScopes = [
  'User.Read',
  'Application.Read.All',
  'AppRoleAssignment.ReadWrite.All',
  'DelegatedPermissionGrant.ReadWrite.All',
  'DelegatedAdminRelationship.Read.All',
  'Directory.Read.All',
]

/** Security groups of the partner: members of the first may use Partner Center, the others hold roles at customers. */
export const partnerGroups = {
  adminAgents: 'ad3a6e17-0000-4000-8000-000000000001',
  applicationAdministrators: 'ad3a6e17-0000-4000-8000-000000000002',
  privilegedRoleAdministrators: 'ad3a6e17-0000-4000-8000-000000000003',
}

/** Grants app roles, making the service principal where there is none; tokens show them after the delay. */
export function grantRoles(app: TenantApp, roles: readonly string[], delayMs: number): void {
  createPrincipal(app)
  const shown = app.late !== null && app.late.until > Date.now() ? app.late.roles : app.roles
  app.late = delayMs === 0 ? null : { roles: [...shown], until: Date.now() + delayMs }
  app.roles = [...new Set([...app.roles, ...roles])]
}

/** Adds delegated scopes for everybody, making the service principal where there is none. */
export function grantScopes(tenant: TenantHandle, resourceAppId: string, scopes: readonly string[]): void {
  createPrincipal(tenant.app)
  const found = tenant.app.delegated.find((grant) => grant.resourceAppId === resourceAppId)
  if (found === undefined) {
    tenant.app.delegated.push({
      id: randomBytes(24).toString('base64url'),
      resourceAppId,
      scopes: [...scopes],
    })
  } else found.scopes = [...new Set([...found.scopes, ...scopes])]
}

/** What was granted to a principal that is gone is gone with it. */
function createPrincipal(app: TenantApp): void {
  if (app.state === 'no-service-principal') Object.assign(app, { roles: [], late: null, delegated: [] })
  app.state = 'ready'
}

/** AdminAgents and the groups with GDAP roles; the first two technicians are in all, the third may only enter. */
function seedPartnerGroups(directory: Directory): void {
  const add = (id: string, displayName: string, members: { id: string }[]): void => {
    directory.addGroup({ id, displayName, mailNickname: ascii(displayName), securityEnabled: true })
    for (const member of members) directory.addMember(id, member.id)
  }
  const people = directory.users.order.filter(
    ({ state, properties }) =>
      state === 'live' && properties['accountEnabled'] === true && properties['userType'] === 'Member',
  )
  const technicians = people.length > 3 ? people.slice(1) : people
  add(partnerGroups.adminAgents, 'AdminAgents', technicians.slice(0, 3))
  add(partnerGroups.applicationAdministrators, 'GDAP Application Administrators', technicians.slice(0, 2))
  add(
    partnerGroups.privilegedRoleAdministrators,
    'GDAP Privileged Role Administrators',
    technicians.slice(0, 2),
  )
}

interface Sizing {
  customers?: number
  users?: number
  sizes?: number[]
  groupsPerTenant?: number
}

/** The partner and its customers; a directory is filled when it is first looked at, so 900 customers cost nothing. */
export function planTenants(options: Sizing, seed: number): TenantHandle[] {
  const customers =
    options.customers ?? (options.sizes === undefined ? 3 : Math.max(0, options.sizes.length - 1))
  const random = seededRandom(seed * 7919 + 1)
  const sizes = tenantSizes(options, customers, random)
  return sizes.map((size, index) => planTenant(index, size, options.groupsPerTenant, random))
}

/** Users per tenant: a partner of some 30, then a few large customers and a long tail of small ones, in no order. */
function tenantSizes(options: Sizing, customers: number, random: Random): number[] {
  const { sizes } = options
  if (sizes !== undefined) return Array.from({ length: customers + 1 }, (_, index) => sizes[index] ?? 10)
  const total = options.users ?? 40 * (customers + 1)
  if (customers === 0) return [total]
  const partner = Math.min(30, Math.max(1, Math.floor(total / (customers + 1))))
  const weights = Array.from({ length: customers }, (_, index) => 1 / (index + 2))
  for (let index = weights.length - 1; index > 0; index -= 1) {
    const other = between(random, 0, index)
    ;[weights[index], weights[other]] = [weights[other] ?? 0, weights[index] ?? 0]
  }
  const sum = weights.reduce((left, right) => left + right, 0)
  const planned = weights.map((weight) => Math.max(1, Math.floor(((total - partner) * weight) / sum)))
  const left = total - partner - planned.reduce((sum, size) => sum + size, 0)
  const largest = planned.indexOf(Math.max(...planned))
  planned[largest] = Math.max(1, (planned[largest] ?? 0) + left)
  return [partner, ...planned]
}

function planTenant(
  index: number,
  userCount: number,
  groups: number | undefined,
  random: Random,
): TenantHandle {
  const id = guid(random)
  const displayName = index === 0 ? 'Contoso Managed Services' : companyName(index - 1)
  const slug = ascii(displayName)
  const defaultDomain = `${displayName.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.example`
  const domains = [defaultDomain, `${slug}.onmicrosoft.com`]
  // Every fifth customer bought another company and kept its domain.
  if (index % 5 === 2) domains.push(`${slug}-group.example`)
  const directorySeed = Math.floor(random() * 4_294_967_296)
  let directory: Directory | undefined
  return {
    id,
    displayName,
    defaultDomain,
    domains,
    userCount,
    get directory() {
      if (directory === undefined) {
        directory = new Directory({ tenantId: id, displayName, domains })
        const own = index === 0 ? Object.keys(partnerGroups).length : 0
        const seeded = groups === undefined ? undefined : Math.max(0, groups - own)
        seedDirectory(directory, {
          seed: directorySeed,
          users: userCount,
          groups: seeded,
          displayName,
          domains,
        })
        if (index === 0) seedPartnerGroups(directory)
        directory.settle()
      }
      return directory
    },
    app: {
      state: 'ready',
      servicePrincipalId: guid(random),
      roles: [...customerRoles, ...(index === 0 ? ['DelegatedAdminRelationship.Read.All'] : [])],
      late: null,
      delegated:
        index === 0
          ? [
              { id: 'partner-graph', resourceAppId: graphAppId, scopes: [...partnerScopes] },
              { id: 'partner-center', resourceAppId: partnerCenterAppId, scopes: ['user_impersonation'] },
            ]
          : [],
    },
    gdap: index === 0 ? [] : [relationship(id, displayName, random)],
  }
}

/** A relationship with an approved partner: active, with the roles that pre-consent needs. */
export function relationship(tenantId: string, displayName: string, random: Random): GdapRelationship {
  const day = 86_400_000
  const createdAt = new Date(Date.now() - between(random, 30, 500) * day)
  const activatedAt = new Date(createdAt.getTime() + between(random, 1, 72) * 3_600_000)
  const roles = Object.values(gdapRoles)
  return {
    id: `${guid(random)}-${guid(random)}`,
    displayName: `Contoso managed services ${displayName}`,
    customerTenantId: tenantId,
    status: 'active',
    roles,
    createdAt,
    activatedAt,
    endsAt: new Date(activatedAt.getTime() + 730 * day),
    autoExtendDuration: random() < 0.7 ? 'P180D' : 'PT0S',
    duration: 'P730D',
    assignments: [
      {
        id: guid(random),
        status: 'active',
        groupId: partnerGroups.applicationAdministrators,
        roles: roles.filter((role) => role !== gdapRoles.privilegedRoleAdministrator),
      },
      {
        id: guid(random),
        status: 'active',
        groupId: partnerGroups.privilegedRoleAdministrators,
        roles: [gdapRoles.privilegedRoleAdministrator],
      },
    ],
  }
}

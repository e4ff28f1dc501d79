import { Directory } from './directory/directory.ts'
import { ascii, companyName } from './names.ts'
import { between, guid, seededRandom } from './random.ts'
import type { Random } from './random.ts'
import { seedDirectory } from './seed.ts'
import { relationship } from './relationships.ts'
import { partnerCenterAppId } from './resources.ts'
import { unknownApp } from './tenant-apps.ts'
import { graphAppId } from './tokens.ts'
import type { PartnerGroups, TenantApp, TenantHandle } from './types.ts'

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

/** Delegated scopes that the registration has consented in the partner tenant, for Graph. */
export const partnerScopes = [
  'User.Read',
  'Application.Read.All',
  'AppRoleAssignment.ReadWrite.All',
  'DelegatedPermissionGrant.ReadWrite.All',
  'DelegatedAdminRelationship.Read.All',
  'Directory.Read.All',
]

/** The first partner's groups. */
export const partnerGroups: PartnerGroups = groupsOfPartner(0)

function groupsOfPartner(index: number): PartnerGroups {
  const id = (last: number): string =>
    `ad3a6e17-0000-4000-8${String(index).padStart(3, '0')}-00000000000${last}`
  return { adminAgents: id(1), applicationAdministrators: id(2), privilegedRoleAdministrators: id(3) }
}

/** AdminAgents and the groups with GDAP roles; the first two technicians are in all, the third may only enter. */
function seedPartnerGroups(directory: Directory, groups: PartnerGroups): void {
  const add = (id: string, displayName: string, members: { id: string }[]): void => {
    directory.addGroup({ id, displayName, mailNickname: ascii(displayName), securityEnabled: true })
    for (const member of members) directory.addMember(id, member.id)
  }
  const people = directory.users.order.filter(
    ({ state, properties }) =>
      state === 'live' && properties['accountEnabled'] === true && properties['userType'] === 'Member',
  )
  const technicians = people.length > 3 ? people.slice(1) : people
  add(groups.adminAgents, 'AdminAgents', technicians.slice(0, 3))
  add(groups.applicationAdministrators, 'GDAP Application Administrators', technicians.slice(0, 2))
  add(groups.privilegedRoleAdministrators, 'GDAP Privileged Role Administrators', technicians.slice(0, 2))
}

interface Sizing {
  customers?: number
  users?: number
  sizes?: number[]
  groupsPerTenant?: number
  partners?: number
}

/**
 * The partner and its customers, then further partners without any customer. A directory is filled when it is first
 * looked at, so 900 customers cost nothing.
 */
export function planTenants(
  options: Sizing,
  seed: number,
  clientId = guid(seededRandom(seed)),
): TenantHandle[] {
  const customers =
    options.customers ?? (options.sizes === undefined ? 3 : Math.max(0, options.sizes.length - 1))
  const random = seededRandom(seed * 7919 + 1)
  const sizes = tenantSizes(options, customers, random)
  const plan = { groups: options.groupsPerTenant, clientId }
  const tenants: TenantHandle[] = []
  for (const [index, userCount] of sizes.entries()) {
    const [partner] = tenants
    const tenant = planTenant({ ...plan, index, userCount, partner: index === 0 ? 0 : null }, random)
    if (partner !== undefined) tenant.gdap.push(relationship(partner, tenant, tenant.displayName, random))
    tenants.push(tenant)
  }
  // From a source of their own: what comes before is the same with them and without.
  const others = seededRandom(seed * 7919 + 2)
  for (let partner = 1; partner < (options.partners ?? 1); partner += 1) {
    tenants.push(planTenant({ ...plan, index: 0, userCount: 12, partner }, others))
  }
  return tenants
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

interface Plan {
  /** Place among the first partner and its customers. */
  index: number
  userCount: number
  groups: number | undefined
  /** Which partner it is, from 0; null = a customer. */
  partner: number | null
  clientId: string
}

function planTenant({ index, userCount, groups, partner, clientId }: Plan, random: Random): TenantHandle {
  const id = guid(random)
  const displayName = partner === null ? companyName(index - 1) : partnerName(partner)
  const slug = ascii(displayName)
  const defaultDomain = `${displayName.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.example`
  const domains = [defaultDomain, `${slug}.onmicrosoft.com`]
  // Every fifth customer bought another company and kept its domain.
  if (index % 5 === 2) domains.push(`${slug}-group.example`)
  const directorySeed = Math.floor(random() * 4_294_967_296)
  let directory: Directory | undefined
  const partnerGroups = partner === null ? null : groupsOfPartner(partner)
  const app = defaultApp(guid(random), partner !== null)
  const apps = new Map([[clientId.toLowerCase(), app]])
  return {
    id,
    displayName,
    defaultDomain,
    domains,
    userCount,
    get directory() {
      if (directory === undefined) {
        directory = new Directory({ tenantId: id, displayName, domains })
        const own = partnerGroups === null ? 0 : Object.keys(partnerGroups).length
        const seeded = groups === undefined ? undefined : Math.max(0, groups - own)
        seedDirectory(directory, {
          seed: directorySeed,
          users: userCount,
          groups: seeded,
          displayName,
          domains,
        })
        if (partnerGroups !== null) seedPartnerGroups(directory, partnerGroups)
        directory.settle()
      }
      return directory
    },
    app,
    apps,
    appOf(appId) {
      const key = appId.toLowerCase()
      const found = apps.get(key) ?? unknownApp(id, key)
      apps.set(key, found)
      return found
    },
    partnerGroups,
    gdap: [],
    unlistedFor: new Set(),
  }
}

function partnerName(index: number): string {
  if (index === 0) return 'Contoso Managed Services'
  return `Fabrikam Managed Services${index > 1 ? ` ${index}` : ''}`
}

/** The multi-tenant app where it was consented long ago. */
function defaultApp(servicePrincipalId: string, isPartner: boolean): TenantApp {
  return {
    state: 'ready',
    servicePrincipalId,
    roles: [...customerRoles, ...(isPartner ? ['DelegatedAdminRelationship.Read.All'] : [])],
    late: null,
    delegated: isPartner
      ? [
          { id: 'partner-graph', resourceAppId: graphAppId, scopes: [...partnerScopes] },
          { id: 'partner-center', resourceAppId: partnerCenterAppId, scopes: ['user_impersonation'] },
        ]
      : [],
  }
}

import type { Kysely, Selectable } from 'kysely'
import type {
  AppEntitlementPlansTable,
  AppEntitlementsTable,
  ComputersTable,
  Database,
  DeploymentTargetsTable,
  DeploymentsTable,
  DevicesTable,
  GroupMembersTable,
  GroupsTable,
  PersonLicensesTable,
  PersonsTable,
  SkuServicePlansTable,
  SubscribedSkusTable,
  TenantLinksTable,
  TenantsTable,
} from '../../src/db/tables.ts'

/** The inputs of a resolution, as they stand in the tables. */
export interface World {
  tenants: Selectable<TenantsTable>[]
  tenant_links: Selectable<TenantLinksTable>[]
  persons: Selectable<PersonsTable>[]
  groups: Selectable<GroupsTable>[]
  group_members: Selectable<GroupMembersTable>[]
  devices: Selectable<DevicesTable>[]
  computers: Selectable<ComputersTable>[]
  person_licenses: Selectable<PersonLicensesTable>[]
  subscribed_skus: Selectable<SubscribedSkusTable>[]
  sku_service_plans: Selectable<SkuServicePlansTable>[]
  app_entitlements: Selectable<AppEntitlementsTable>[]
  app_entitlement_plans: Selectable<AppEntitlementPlansTable>[]
  deployments: Selectable<DeploymentsTable>[]
  deployment_targets: Selectable<DeploymentTargetsTable>[]
}

const tables = [
  'tenants',
  'tenant_links',
  'persons',
  'groups',
  'group_members',
  'devices',
  'computers',
  'person_licenses',
  'subscribed_skus',
  'sku_service_plans',
  'app_entitlements',
  'app_entitlement_plans',
  'deployments',
  'deployment_targets',
] as const satisfies readonly (keyof World)[]

export async function loadWorld(db: Kysely<Database>): Promise<World> {
  const all = await Promise.all(
    tables.map(async (name) => [name, await db.selectFrom(name).selectAll().execute()] as const),
  )
  return Object.fromEntries(all) as unknown as World
}

export interface WantedTarget {
  tenant_id: string
  subject_kind: 'person' | 'computer'
  subject_id: string
  item_id: string
  deployment_id: string
  scope: string
  version: string
  desired_state: string
  enforcement: string
  reason: unknown
}

interface Subject {
  kind: 'person' | 'computer'
  id: string
  family: string
  tenant: string
  objects: string[]
  enabled: boolean
  guest: boolean
  department: string | null
  domain: string | null
  tags: string[]
}

type Target = Record<string, string>

/** What the design says the targets are: one obvious loop over subjects and deployments, and a sort for the winner. */
export function wantedTargets(world: World, graceMs: number): Map<string, WantedTarget> {
  const wanted = new Map<string, WantedTarget>()
  for (const subject of subjectsOf(world)) {
    const candidates = world.deployments.flatMap((deployment) => {
      const distance = distanceOf(world, deployment, subject)
      if (!deployment.enabled || distance === null) return []
      const reason = reasonFor(world, deployment, subject, graceMs)
      return reason === null ? [] : [{ deployment, distance, reason }]
    })
    candidates.sort((a, b) => compare(rankOf(a), rankOf(b)))
    for (const { deployment, reason } of candidates) {
      const key = `${subject.id} ${deployment.item_id}`
      if (wanted.has(key)) continue
      const { item_id, deployment_id, scope, version, desired_state, enforcement } = deployment
      wanted.set(key, {
        tenant_id: subject.tenant,
        subject_kind: subject.kind,
        subject_id: subject.id,
        item_id,
        deployment_id,
        scope,
        version,
        desired_state,
        enforcement,
        reason,
      })
    }
  }
  return wanted
}

export function familyOf(world: World, tenantId: string): string {
  return world.tenant_links.find((link) => link.tenant_id === tenantId)?.entra_tenant_id ?? tenantId
}

function subjectsOf(world: World): Subject[] {
  const persons = world.persons
    .filter((person) => person.deleted_at === null && person.tenant_id !== null)
    .map((person): Subject => {
      const upn = person.user_principal_name
      return {
        kind: 'person',
        id: person.person_id,
        family: person.entra_tenant_id,
        tenant: person.tenant_id ?? '',
        objects: person.object_id === null ? [] : [person.object_id],
        enabled: person.account_enabled ?? true,
        guest: person.user_type?.toLowerCase() === 'guest' || (upn?.toUpperCase().includes('#EXT#') ?? false),
        department: person.department?.toLowerCase() ?? null,
        domain: upn?.toLowerCase().split('@')[1] ?? null,
        tags: person.tags.map((tag) => tag.toLowerCase()),
      }
    })
  const computers = world.computers.map((computer): Subject => {
    const family = familyOf(world, computer.tenant_id)
    const devices = world.devices.filter(
      (device) =>
        device.entra_tenant_id === family &&
        device.device_id !== null &&
        device.device_id === computer.entra_device_id,
    )
    return {
      kind: 'computer',
      id: computer.computer_id,
      family,
      tenant: computer.tenant_id,
      objects: devices.map((device) => device.object_id),
      enabled: devices.length === 0 || devices.some((device) => device.account_enabled ?? true),
      guest: false,
      department: null,
      domain: null,
      tags: [],
    }
  })
  return [...persons, ...computers]
}

/** How far above the subject's tenant the deployment's is; null = the tenant does not have it. */
function distanceOf(world: World, deployment: Selectable<DeploymentsTable>, subject: Subject): number | null {
  const tenant = world.tenants.find((one) => one.tenant_id === subject.tenant)
  if (deployment.scope === 'cross_tenant') return tenant?.in_cross_tenant_deployments === true ? 0 : null
  if (deployment.scope === 'individual') return 0
  let above = tenant
  for (let distance = 0; above !== undefined; distance += 1) {
    if (above.tenant_id === deployment.tenant_id) return distance
    const parent: string | null = above.parent_tenant_id
    above = world.tenants.find((one) => one.tenant_id === parent)
  }
  return null
}

const scopes = ['individual', 'single_tenant', 'cross_tenant']
const types = [
  ['computer'],
  ['person'],
  ['tag'],
  ['team', 'group'],
  ['group_name'],
  ['license'],
  ['app_entitlement'],
  ['everyone'],
]
const states = ['ignored', 'uninstalled', 'installed', 'update_if_found']

function rankOf({ deployment, distance }: { deployment: Selectable<DeploymentsTable>; distance: number }) {
  return [
    scopes.indexOf(deployment.scope),
    distance,
    types.findIndex((rank) => rank.includes(deployment.target_type)),
    deployment.rank,
    states.indexOf(deployment.desired_state),
    -deployment.created_at.getTime(),
    deployment.deployment_id,
  ]
}

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index] ?? 0
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

/** Why the deployment reaches the subject; null = it does not. */
function reasonFor(
  world: World,
  deployment: Selectable<DeploymentsTable>,
  subject: Subject,
  graceMs: number,
): unknown {
  const target = deployment.target as Target
  const excludes = deployment.excludes as Target[]
  if (isGone(world, deployment, subject.family)) {
    const had = world.deployment_targets.find(
      (row) =>
        row.subject_id === subject.id &&
        row.item_id === deployment.item_id &&
        row.deployment_id === deployment.deployment_id &&
        row.family_id === subject.family,
    )
    return had?.reason ?? null
  }
  const reason = reachedBy(world, deployment.target_type, target, subject, graceMs)
  if (reason === null || !passes(deployment, subject)) return null
  if (excludes.some((one) => reachedBy(world, one['type'] ?? '', one, subject, graceMs) !== null)) return null
  return reason
}

function isGone(world: World, deployment: Selectable<DeploymentsTable>, family: string): boolean {
  const live = (id: string | undefined) =>
    world.groups.some((group) => group.object_id === id && group.deleted_at === null)
  const terms = [
    { ...(deployment.target as Target), type: deployment.target_type },
    ...(deployment.excludes as Target[]),
  ]
  if (terms.some((term: Target) => ['group', 'team'].includes(term['type'] ?? '') && !live(term['group_id'])))
    return true
  return (
    deployment.target_type === 'group_name' &&
    namedGroups(world, deployment.target as Target, family).length === 0
  )
}

function namedGroups(world: World, target: Target, family: string): string[] {
  const fits = (name: string | null): boolean => {
    if (name === null) return false
    if (target['name'] !== undefined) return name.toLowerCase() === target['name'].toLowerCase()
    const pattern = (target['pattern'] ?? '')
      .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')
    return new RegExp(`^${pattern}$`, 'is').test(name)
  }
  return world.groups
    .filter(
      (group) => group.entra_tenant_id === family && group.deleted_at === null && fits(group.display_name),
    )
    .map((group) => group.object_id)
}

function passes(deployment: Selectable<DeploymentsTable>, subject: Subject): boolean {
  if (deployment.target_type === 'computer') return true
  const filters = deployment.filters as {
    accounts?: string
    guests?: string
    departments?: string[]
    domains?: string[]
  }
  const { accounts = 'enabled', guests = 'exclude', departments = [], domains = [] } = filters
  if (accounts !== 'any' && subject.enabled !== (accounts === 'enabled')) return false
  if (subject.kind === 'computer') return departments.length === 0 && domains.length === 0
  if (guests !== 'include' && subject.guest !== (guests === 'only')) return false
  const among = (list: string[], value: string | null): boolean =>
    list.length === 0 || (value !== null && list.some((one) => one.toLowerCase() === value))
  return among(departments, subject.department) && among(domains, subject.domain)
}

function reachedBy(world: World, type: string, target: Target, subject: Subject, graceMs: number): unknown {
  switch (type) {
    case 'everyone':
      return subject.kind === 'person' ? { by: 'everyone' } : null
    case 'person':
      return subject.id === target['person_id'] ? { by: 'person' } : null
    case 'computer':
      return subject.id === target['computer_id'] ? { by: 'computer' } : null
    case 'tag': {
      const tag = (target['tag'] ?? '').toLowerCase()
      return subject.tags.includes(tag) ? { by: 'tag', tag } : null
    }
    case 'group':
    case 'team':
      return byGroups(world, subject, [target['group_id'] ?? ''])
    case 'group_name':
      return byGroups(world, subject, namedGroups(world, target, subject.family))
    case 'license':
      return byLicense(world, subject, target, graceMs)
    default:
      return byEntitlement(world, subject, target['entitlement'] ?? '', graceMs)
  }
}

/** All simple ways from a named group down to one that has the subject; the shortest, then that of the smallest ids. */
function byGroups(world: World, subject: Subject, roots: string[]): unknown {
  const live = new Map(
    world.groups
      .filter((group) => group.entra_tenant_id === subject.family && group.deleted_at === null)
      .map((group) => [group.object_id, group]),
  )
  const ways: string[][] = []
  const walk = (way: string[]): void => {
    const last = way.at(-1) ?? ''
    const edges = world.group_members.filter(
      (edge) => edge.entra_tenant_id === subject.family && edge.group_id === last,
    )
    if (edges.some((edge) => edge.member_type !== 'group' && subject.objects.includes(edge.member_id)))
      ways.push(way)
    for (const edge of edges)
      if (edge.member_type === 'group' && live.has(edge.member_id) && !way.includes(edge.member_id))
        walk([...way, edge.member_id])
  }
  for (const root of roots) if (live.has(root)) walk([root])
  const [best] = ways.toSorted((a, b) => compare([a.length, ...a], [b.length, ...b]))
  if (best === undefined) return null
  return {
    by: 'group',
    groups: best.toReversed().map((id) => ({ id, name: live.get(id)?.display_name ?? null })),
  }
}

interface Grant {
  sku_id: string
  sku: string
  service_plan_id: string
  service_plan: string
}

/** The SKUs whose licences count, that the subject has. */
function licensesOf(world: World, subject: Subject, graceMs: number) {
  if (subject.kind === 'computer') return []
  return world.person_licenses.flatMap((license) => {
    if (license.entra_tenant_id !== subject.family || !subject.objects.includes(license.object_id)) return []
    const sku = world.subscribed_skus.find(
      (one) => one.entra_tenant_id === subject.family && one.sku_id === license.sku_id,
    )
    if (sku === undefined) return []
    const status = sku.capability_status ?? 'Enabled'
    const inGrace = status === 'Suspended' && sku.status_since.getTime() > Date.now() - graceMs
    return status === 'Enabled' || status === 'Warning' || inGrace ? [{ license, sku }] : []
  })
}

function plansOf(world: World, subject: Subject, graceMs: number): Grant[] {
  return licensesOf(world, subject, graceMs)
    .flatMap(({ license, sku }) =>
      world.sku_service_plans
        .filter(
          (plan) =>
            plan.entra_tenant_id === subject.family &&
            plan.sku_id === sku.sku_id &&
            !['Disabled', 'Error'].includes(plan.provisioning_status ?? 'Success') &&
            !license.disabled_plans.includes(plan.service_plan_id),
        )
        .map((plan) => ({
          sku_id: sku.sku_id,
          sku: sku.sku_part_number,
          service_plan_id: plan.service_plan_id,
          service_plan: plan.service_plan_name,
        })),
    )
    .toSorted((a, b) =>
      compare(
        [a.sku, a.sku_id, a.service_plan, a.service_plan_id],
        [b.sku, b.sku_id, b.service_plan, b.service_plan_id],
      ),
    )
}

function byLicense(world: World, subject: Subject, target: Target, graceMs: number): unknown {
  if (target['sku_id'] !== undefined) {
    const found = licensesOf(world, subject, graceMs).find(({ sku }) => sku.sku_id === target['sku_id'])
    return found === undefined
      ? null
      : { by: 'license', sku_id: found.sku.sku_id, sku: found.sku.sku_part_number }
  }
  const grant = plansOf(world, subject, graceMs).find(
    (one) => one.service_plan_id === target['service_plan_id'],
  )
  return grant === undefined ? null : { by: 'license', ...grant }
}

function byEntitlement(world: World, subject: Subject, entitlement: string, graceMs: number): unknown {
  const entitled = (name: string): Grant | undefined => {
    const plans = world.app_entitlement_plans
      .filter((one) => one.entitlement === name)
      .map((one) => one.service_plan_id)
    return plansOf(world, subject, graceMs).find((one) => plans.includes(one.service_plan_id))
  }
  const grant = entitled(entitlement)
  if (grant === undefined) return null
  const other = world.app_entitlements.find((one) => one.entitlement === entitlement)?.yields_to ?? null
  if (other !== null && entitled(other) !== undefined) return null
  const [over] = world.app_entitlements
    .filter((one) => one.yields_to === entitlement && entitled(one.entitlement) !== undefined)
    .map((one) => one.entitlement)
    .toSorted()
  return { by: 'app_entitlement', entitlement, ...grant, ...(over !== undefined && { over }) }
}

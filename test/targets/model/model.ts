import type { DeploymentFact, Facts, PersonFact, TargetFact } from './facts.ts'
import { keyOf } from './facts.ts'
import { namedGroups, smallerFirst, told, waysDown } from './groups.ts'
import { entitlementOf, plansOf, skusOf } from './licenses.ts'

/** A person or a computer that may get targets. */
export interface Subject {
  kind: 'person' | 'computer'
  id: string
  tenant: string
  /** Null: a computer of a tenant without a link. */
  entra: string | null
  person: PersonFact | null
  device: string | null
}

type Term = { type: string; group_id?: string; name?: string; pattern?: string } & Record<string, string>

export function subjectsOf(facts: Facts): Subject[] {
  const subjects: Subject[] = []
  for (const person of facts.persons) {
    if (person.deleted_at !== null || person.tenant_id === null) continue
    const { person_id: id, tenant_id: tenant, entra_tenant_id: entra } = person
    subjects.push({ kind: 'person', id, tenant, entra, person, device: null })
  }
  for (const computer of facts.computers) {
    const link = facts.links.find((one) => one.tenant_id === computer.tenant_id)
    subjects.push({
      kind: 'computer',
      id: computer.computer_id,
      tenant: computer.tenant_id,
      entra: link?.entra_tenant_id ?? null,
      person: null,
      device: computer.entra_device_id,
    })
  }
  return subjects
}

/** What the design wants to stand after a resolution of everything, by subject and item. */
export function wantedBy(facts: Facts, graceMs: number): Map<string, TargetFact> {
  const wanted = new Map<string, TargetFact>()
  const items = new Set(facts.deployments.map((deployment) => deployment.item_id))
  const reaches = facts.deployments.map((deployment) => reachOf(facts, deployment, graceMs))
  for (const target of facts.standing)
    if (facts.frozen.includes(target.family_id)) wanted.set(keyOf(target), target)
  for (const subject of subjectsOf(facts)) {
    if (subject.entra !== null && facts.frozen.includes(subject.entra)) continue
    for (const item of items) {
      let best: { deployment: DeploymentFact; target: TargetFact } | null = null
      for (const [at, deployment] of facts.deployments.entries()) {
        if (deployment.item_id !== item) continue
        const target = reaches[at]?.(subject) ?? null
        if (target === null) continue
        if (best === null || beats(facts, subject, deployment, best.deployment)) best = { deployment, target }
      }
      if (best !== null) wanted.set(keyOf(best.target), best.target)
    }
  }
  return wanted
}

/** A function that says what a deployment alone would give to a subject. */
function reachOf(
  facts: Facts,
  deployment: DeploymentFact,
  graceMs: number,
): (subject: Subject) => TargetFact | null {
  const target: Term = { ...deployment.target, type: deployment.target_type }
  const find = finderOf(facts, graceMs)
  return (subject) => {
    if (!deployment.enabled) return null
    if (distanceOf(facts, subject, deployment) === null) return null
    if (isGone(facts, subject, deployment)) {
      if (deployment.scope === 'individual' && find(target, subject, null) === null) return null
      const family = subject.entra ?? subject.tenant
      const kept = facts.standing.find(
        (one) =>
          one.family_id === family &&
          one.subject_id === subject.id &&
          one.item_id === deployment.item_id &&
          one.deployment_id === deployment.deployment_id,
      )
      // It keeps whom it has; what they get of it is an operator's word.
      const { scope, version, desired_state, enforcement } = deployment
      return kept === undefined
        ? null
        : { ...kept, tenant_id: subject.tenant, scope, version, desired_state, enforcement }
    }
    const reason = find(target, subject, deployment)
    if (reason === null) return null
    if (target.type !== 'computer' && !passes(subject, deployment)) return null
    if (deployment.excludes.some((exclude) => find(exclude, subject, null) !== null)) return null
    return {
      tenant_id: subject.tenant,
      subject_kind: subject.kind,
      subject_id: subject.id,
      item_id: deployment.item_id,
      deployment_id: deployment.deployment_id,
      scope: deployment.scope,
      version: deployment.version,
      desired_state: deployment.desired_state,
      enforcement: deployment.enforcement,
      reason,
      family_id: subject.entra ?? subject.tenant,
    }
  }
}

/** How far above the subject's tenant the deployment's is; null = it does not concern this tenant at all. */
function distanceOf(facts: Facts, subject: Subject, deployment: DeploymentFact): number | null {
  if (deployment.scope === 'individual') return 0
  const tenantOf = (id: string | null) => facts.tenants.find((tenant) => tenant.tenant_id === id)
  if (deployment.scope === 'cross_tenant')
    return tenantOf(subject.tenant)?.in_cross_tenant_deployments === true ? 0 : null
  let distance = 0
  for (let at = tenantOf(subject.tenant); at !== undefined; at = tenantOf(at.parent_tenant_id)) {
    if (at.tenant_id === deployment.tenant_id) return distance
    distance++
  }
  return null
}

/** A group named by id that lives nowhere, or a group name that nothing in this Entra tenant bears any more. */
function isGone(facts: Facts, subject: Subject, deployment: DeploymentFact): boolean {
  const terms: Term[] = [{ ...deployment.target, type: deployment.target_type }, ...deployment.excludes]
  for (const term of terms) {
    if (term.type !== 'group' && term.type !== 'team') continue
    const isLive = facts.groups.some(
      (group) => group.object_id === term.group_id && group.deleted_at === null,
    )
    if (!isLive) return true
  }
  return (
    deployment.target_type === 'group_name' &&
    (subject.entra === null || namedGroups(facts, subject.entra, deployment.target).length === 0)
  )
}

/** A function that says why a term names a subject; null = it does not. */
function finderOf(facts: Facts, graceMs: number) {
  const ways = new Map<string, Map<string, string[]>>()
  const waysOf = (entra: string, term: Term): Map<string, string[]> => {
    const key = `${entra} ${JSON.stringify(term)}`
    const known = ways.get(key) ?? waysDown(facts, entra, namedGroups(facts, entra, term))
    ways.set(key, known)
    return known
  }
  return (term: Term, subject: Subject, deployment: DeploymentFact | null): object | null => {
    const { person } = subject
    switch (term.type) {
      case 'person':
        return person !== null && subject.id === term.person_id ? { by: 'person' } : null
      case 'computer':
        return subject.kind === 'computer' && subject.id === term.computer_id ? { by: 'computer' } : null
      case 'everyone':
        return person === null ? null : { by: 'everyone' }
      case 'tag':
        return person?.tags.some((tag) => tag.toLowerCase() === term.tag?.toLowerCase())
          ? { by: 'tag', tag: term.tag?.toLowerCase() }
          : null
      case 'license': {
        if (person === null) return null
        if (term.sku_id !== undefined) {
          const sku = skusOf(facts, person, graceMs).find((one) => one.sku_id === term.sku_id)
          return sku === undefined ? null : { by: 'license', ...sku }
        }
        const plan = plansOf(facts, person, graceMs).find(
          (one) => one.service_plan_id === term.service_plan_id,
        )
        return plan === undefined ? null : { by: 'license', ...plan }
      }
      case 'app_entitlement': {
        if (person === null) return null
        const { entitlement = '' } = term
        const entitled = entitlementOf(facts, person, entitlement, graceMs)
        if (entitled === null) return null
        const { plan, over } = entitled
        return { by: 'app_entitlement', entitlement, ...plan, ...(over === null ? {} : { over }) }
      }
      default: {
        if (subject.entra === null) return null
        const below = waysOf(subject.entra, term)
        const paths = objectsOf(facts, subject, deployment)
          .map((object) => below.get(object))
          .filter((way) => way !== undefined)
          .sort(smallerFirst)
        const [path] = paths
        return path === undefined ? null : { by: 'group', groups: told(facts, subject.entra, path) }
      }
    }
  }
}

/** The objects of the directory that stand for a subject in groups; of its devices those that the filter lets pass. */
function objectsOf(facts: Facts, subject: Subject, deployment: DeploymentFact | null): string[] {
  if (subject.person !== null) return subject.person.object_id === null ? [] : [subject.person.object_id]
  const objects: string[] = []
  for (const device of facts.devices) {
    if (device.entra_tenant_id !== subject.entra || subject.device === null) continue
    if (device.device_id !== subject.device) continue
    if (deployment !== null && !isAccountWanted(device.account_enabled, deployment)) continue
    objects.push(device.object_id)
  }
  return objects
}

function isAccountWanted(enabled: boolean | null, { filters: { accounts = 'enabled' } }: DeploymentFact) {
  return accounts === 'any' || (accounts === 'enabled') === (enabled ?? true)
}

function passes({ person }: Subject, deployment: DeploymentFact): boolean {
  const { guests = 'exclude', departments, domains } = deployment.filters
  if (person === null) return departments === undefined && domains === undefined
  const upn = person.user_principal_name?.toLowerCase() ?? ''
  const isGuest = person.user_type?.toLowerCase() === 'guest' || upn.includes('#ext#')
  if (!isAccountWanted(person.account_enabled, deployment)) return false
  if (guests === 'exclude' && isGuest) return false
  if (guests === 'only' && !isGuest) return false
  if (departments !== undefined && !departments.includes(person.department?.toLowerCase() ?? '')) return false
  return domains === undefined || domains.includes(upn.slice(upn.lastIndexOf('@') + 1))
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

/** Rule 8.9, word by word. */
function beats(facts: Facts, subject: Subject, one: DeploymentFact, other: DeploymentFact): boolean {
  const places = ({ scope, target_type, rank, desired_state, created_at }: DeploymentFact, far: number) => [
    scopes.indexOf(scope),
    far,
    types.findIndex((equal) => equal.includes(target_type)),
    rank,
    states.indexOf(desired_state),
    -created_at.getTime(),
  ]
  const ours = places(one, distanceOf(facts, subject, one) ?? 0)
  const theirs = places(other, distanceOf(facts, subject, other) ?? 0)
  for (const [at, place] of ours.entries()) {
    const against = theirs[at] ?? 0
    if (place !== against) return place < against
  }
  return one.deployment_id < other.deployment_id
}

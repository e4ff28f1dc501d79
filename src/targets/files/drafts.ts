import type { DeploymentScope } from '../../db/tables.ts'
import { isGuid } from './checks.ts'
import { didYouMean } from './nearest.ts'
import type { Groups, WantedGroup } from './lookups/groups.ts'
import type { KnownTenant, Tenants } from './lookups/tenants.ts'
import type { DeploymentEntry } from './schema.ts'
import type { TargetEntry } from './target-schema.ts'
import type { FileProblem, Placed } from './types.ts'

type Path = readonly (string | number)[]

/** Notes a problem at a way of the file. */
export type Tell = (severity: FileProblem['severity'], code: string, path: Path, message: string) => void

/** A target or an excluded one. `path` leads to the value of its one key. */
export interface Term {
  entry: TargetEntry
  path: Path
  excluded: boolean
}

/** A deployment on its way to columns. */
export interface Draft {
  entry: DeploymentEntry
  path: Path
  tenant: KnownTenant | null
  scope: DeploymentScope
  /** The tenant and those below it; null = not bound to a tenant. */
  reach: ReadonlySet<string> | null
  terms: Term[]
}

/** The deployment with its tenant found, or undefined when that is unknown. */
export function draftOf(
  { entry, path }: Placed<DeploymentEntry>,
  tenants: Tenants,
  tell: Tell,
): Draft | undefined {
  const tenant =
    entry.tenant === undefined ? null : tenantOf(entry.tenant, [...path, 'tenant'], tenants, tell)
  if (tenant === undefined) return undefined
  const isIndividual = entry.target.person !== undefined || entry.target.computer !== undefined
  const isGroup = entry.target.group !== undefined || entry.target.team !== undefined
  return {
    entry,
    path,
    tenant,
    scope: isIndividual ? 'individual' : tenant !== null || isGroup ? 'single_tenant' : 'cross_tenant',
    reach: tenant && tenants.below(tenant.tenantId),
    terms: [
      termOf(entry.target, [...path, 'target'], false),
      ...entry.exclude.map((one, at) => termOf(one, [...path, 'exclude', at], true)),
    ],
  }
}

function termOf(entry: TargetEntry, path: Path, excluded: boolean): Term {
  return { entry, path: [...path, ...Object.keys(entry)], excluded }
}

function tenantOf(text: string, path: Path, tenants: Tenants, tell: Tell): KnownTenant | undefined {
  const [tenant, ...others] = tenants.named(text)
  if (tenant === undefined) {
    const near = didYouMean(text, tenants.names())
    tell(
      'error',
      'tenant_unknown',
      path,
      `There is no tenant ${JSON.stringify(text)}.${near || ' `entra-sync tenants list` lists all of them.'}`,
    )
    return undefined
  }
  if (others.length === 0) return tenant
  const isSlug = [tenant, ...others].some(({ slug }) => slug === text)
  const all = [tenant, ...others].map(({ slug, tenantId }) => `${slug} (${tenantId})`).join(', ')
  tell(
    'error',
    'tenant_ambiguous',
    path,
    `${JSON.stringify(text)} means ${others.length + 1} tenants: ${all}. Use the ${isSlug ? 'id' : 'slug or the id'}.`,
  )
  return undefined
}

/** The groups that a draft names, as they are to be looked up. */
export function groupsOf({ terms, tenant }: Draft): WantedGroup[] {
  return terms.flatMap(({ entry }) => {
    const text = entry.group ?? entry.team
    return text === undefined ? [] : [{ text, entraTenantId: tenant?.entraTenantId ?? null }]
  })
}

/** A group by id says by itself which tenant is meant. Undefined = it does not, which is told. */
export function bindToGroup(draft: Draft, groups: Groups, tenants: Tenants, tell: Tell): Draft | undefined {
  const [target] = draft.terms
  const text = target?.entry.group ?? target?.entry.team
  if (draft.tenant !== null || target === undefined || text === undefined || !isGuid(text)) return draft
  const [group] = groups.find({ text, entraTenantId: null })
  if (group === undefined) {
    tell('error', 'group_unknown', target.path, unknownId(text))
    return undefined
  }
  const [tenant, ...others] = tenants.linkedTo(group.entraTenantId)
  const named = `The group ${group.name ?? text} is in the Entra tenant ${group.entraTenantId}, to which`
  if (tenant === undefined) {
    tell('error', 'group_unlinked', target.path, `${named} no tenant is linked. Link one first.`)
    return undefined
  }
  if (others.length > 0) {
    const all = [tenant, ...others].map(({ name }) => name).join(', ')
    tell(
      'error',
      'tenant_needed',
      target.path,
      `${named} several are linked: ${all}. Add tenant with one of them.`,
    )
    return undefined
  }
  return { ...draft, tenant, reach: tenants.below(tenant.tenantId) }
}

/** Of an object id that no group has. */
export function unknownId(text: string): string {
  return `No group has the object id ${text}. Groups are known from the first sync of their tenant on.`
}

import type { Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { bindToGroup, draftOf, groupsOf, type Draft, type Tell } from './drafts.ts'
import { resolveItems } from './items.ts'
import { lookUpGroups } from './lookups/groups.ts'
import { loadTenants } from './lookups/tenants.ts'
import { knownItems } from './lookups/words.ts'
import { inOrder } from './places.ts'
import type { DeploymentEntry } from './schema.ts'
import { lookUpTerms, targetOf } from './terms.ts'
import type {
  ExcludedTarget,
  ParsedFile,
  ResolvedDeployment,
  ResolvedFile,
  ResolvedFilters,
} from './types.ts'

/**
 * Looks up all names of a parsed file, in about a dozen queries however long it is. Deployments with an unknown or
 * ambiguous name are left out, and the problems say why. It only reads; run it in the transaction that applies the
 * file where the two must agree.
 */
export async function resolveReferences(db: Kysely<Database>, parsed: ParsedFile): Promise<ResolvedFile> {
  const problems = [...parsed.problems]
  const tell: Tell = (severity, code, path, message) => {
    problems.push({ severity, code, message, place: parsed.placeOf(path) })
  }
  const tenants = await loadTenants(db)
  const withTenant = parsed.deployments.flatMap((one) => draftOf(one, tenants, tell) ?? [])
  const groups = await lookUpGroups(db, withTenant.flatMap(groupsOf))
  const drafts = withTenant.flatMap((draft) => bindToGroup(draft, groups, tenants, tell) ?? [])
  const known = await lookUpTerms(db, drafts, groups, tenants)
  const items = resolveItems(parsed, await knownItems(db), tell)

  const deployments = drafts.flatMap((draft): ResolvedDeployment[] => {
    const filters = filtersOf(draft.entry)
    const terms = draft.terms.map((term) => targetOf(term, draft, filters, known, tell))
    const [target, ...excludes] = terms.filter((term) => term !== undefined)
    const item = items.get(draft.entry.item.toLowerCase())
    if (target === undefined || item === undefined || excludes.length < terms.length - 1) return []
    return [
      {
        ...columnsOf(draft, target, excludes),
        filters,
        item: item.name,
        source: parsed.source,
        place: parsed.placeOf(draft.path),
      },
    ]
  })
  return { deployments, items: [...items.values()], problems: inOrder(problems) }
}

function columnsOf(
  { entry, scope, tenant }: Draft,
  { type, ...target }: ExcludedTarget,
  excludes: readonly ExcludedTarget[],
): Omit<ResolvedDeployment, 'filters' | 'item' | 'source' | 'place'> {
  return {
    name: entry.name,
    version: entry.version,
    desired_state: entry.desired_state,
    enforcement: entry.enforcement,
    scope,
    tenant_id: scope === 'single_tenant' ? (tenant?.tenantId ?? null) : null,
    target_type: type,
    target,
    // The same twice, as by name and by id, is once.
    excludes: [...new Map(excludes.map((one) => [JSON.stringify(one), one])).values()],
    enabled: entry.enabled,
    rank: entry.rank,
  }
}

function filtersOf({ filters }: DeploymentEntry): ResolvedFilters {
  if (filters === undefined) return {}
  const { enabled = true, guests = 'exclude', departments, domains } = filters
  return {
    ...(enabled !== true && { accounts: enabled === 'any' ? ('any' as const) : ('disabled' as const) }),
    ...(guests !== 'exclude' && { guests }),
    ...(departments && { departments: plain(departments) }),
    ...(domains && { domains: plain(domains.map((domain) => domain.replace(/^@/, ''))) }),
  }
}

function plain(texts: readonly string[]): string[] {
  return [...new Set(texts.map((text) => text.toLowerCase()))].toSorted()
}

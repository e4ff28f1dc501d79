import { isGuid } from './checks.ts'
import type { Draft, Tell, Term } from './drafts.ts'
import type { KnownPerson, KnownSubject } from './lookups/subjects.ts'
import type { Licenses } from './lookups/licenses.ts'
import type { Tenants } from './lookups/tenants.ts'
import { didYouMean } from './nearest.ts'
import type { TargetEntry } from './target-schema.ts'
import type { ResolvedFilters, TargetKeys } from './types.ts'

type LicenseEntry = NonNullable<TargetEntry['license']>

/** What a licence is looked up by. */
export function wantedLicense(given: LicenseEntry): { text: string; only: 'sku' | 'plan' | null } {
  if (typeof given === 'string') return { text: given, only: null }
  return 'sku' in given ? { text: given.sku, only: 'sku' } : { text: given.plan, only: 'plan' }
}

/** A SKU or service plan. Undefined = told why not. */
export function licenseTerm(
  given: LicenseEntry,
  { path }: Term,
  { reach }: Draft,
  licenses: Licenses,
  tenants: Tenants,
  tell: Tell,
): TargetKeys | undefined {
  const wanted = wantedLicense(given)
  const { text, only } = wanted
  const quoted = JSON.stringify(text)
  const found = licenses.find(wanted)
  const [one] = found
  if (one === undefined && !isGuid(text)) {
    const what = only === 'sku' ? 'SKU' : only === 'plan' ? 'service plan' : 'SKU or service plan'
    const near = didYouMean(text, licenses.names)
    tell(
      'error',
      'license_unknown',
      path,
      `No tenant has a ${what} ${quoted}.${near || ' Use its id if it is to come.'}`,
    )
    return undefined
  }
  if (one === undefined) {
    const isPlan = only === 'plan'
    const hint = only === null ? ' It is taken for a SKU; for a service plan write { plan: … }.' : ''
    const message = `No tenant has the ${isPlan ? 'service plan' : 'SKU'} ${text}.${hint}`
    tell('warning', 'license_unheld', path, message)
    return isPlan ? { service_plan_id: text.toLowerCase() } : { sku_id: text.toLowerCase() }
  }
  if (found.length > 1) {
    const kinds = new Set(found.map(({ kind }) => kind))
    const ids = found.map(({ kind, id }) => `${kind} ${id}`).join(', ')
    const hint =
      kinds.size > 1 ? `Write { sku: ${quoted} } or { plan: ${quoted} }` : 'Use the id of one of them'
    tell('error', 'license_ambiguous', path, `${quoted} means ${found.length} things: ${ids}. ${hint}.`)
    return undefined
  }
  const holders = one.holders.flatMap((id) => tenants.linkedTo(id))
  if (!holders.some(({ tenantId }) => reach === null || reach.has(tenantId))) {
    const what = one.kind === 'sku' ? 'SKU' : 'service plan'
    tell(
      'warning',
      'license_unheld',
      path,
      `No tenant that this deployment reaches has the ${what} ${one.name} now.`,
    )
  }
  return one.kind === 'sku' ? { sku_id: one.id } : { service_plan_id: one.id }
}

/** The one person or computer of a name. Undefined = told why not. */
export function subjectTerm<T extends KnownSubject>(
  what: 'person' | 'computer',
  text: string,
  { path, excluded }: Term,
  { reach, tenant }: Draft,
  find: (text: string) => T[],
  tenants: Tenants,
  tell: Tell,
): T | undefined {
  const all = find(text)
  const near = all.filter(({ tenantId }) => reach === null || (tenantId !== null && reach.has(tenantId)))
  const found = near.length > 0 ? near : all
  const [one] = found
  const quoted = JSON.stringify(text)
  const tenantName = (subject: KnownSubject): string =>
    subject.tenantId === null ? 'no tenant' : (tenants.byId.get(subject.tenantId)?.name ?? 'no tenant')
  if (one === undefined) {
    const hint = what === 'person' ? 'Use the user principal name or the person id.' : 'Use its name or id.'
    tell('error', `${what}_unknown`, path, `There is no ${what} ${quoted}. ${hint}`)
    return undefined
  }
  if (found.length > 1) {
    const ids = found.slice(0, 5).map((subject) => `${subject.id} (${tenantName(subject)})`)
    const list = `${ids.join(', ')}${found.length > 5 ? ', …' : ''}`
    tell(
      'error',
      `${what}_ambiguous`,
      path,
      `${quoted} means ${found.length} ${what}s: ${list}. Use the id of one${excluded ? '' : ', or add tenant'}.`,
    )
    return undefined
  }
  if (near.length === 0 && !excluded && !one.gone) {
    tell(
      'error',
      `${what}_foreign`,
      path,
      `${one.name} belongs to ${tenantName(one)}, not to ${tenant?.name ?? '?'} or a tenant below it. Change or remove tenant.`,
    )
    return undefined
  }
  if (one.gone) {
    tell('warning', `${what}_gone`, path, `${one.name} is deleted. It gets nothing until it is back.`)
  } else if (one.tenantId === null) {
    tell(
      'warning',
      `${what}_unlinked`,
      path,
      `${one.name} belongs to no tenant: no link takes it. It gets nothing.`,
    )
  }
  return one
}

/** Warns of a person that the deployment's own filters leave out. */
export function warnOfFilters(
  person: KnownPerson,
  filters: ResolvedFilters,
  path: Term['path'],
  tell: Tell,
): void {
  const domain = person.name.split('@')[1]?.toLowerCase() ?? ''
  const { accounts = 'enabled', guests = 'exclude', departments, domains } = filters
  const reasons = [
    accounts === 'enabled' && !person.isEnabled && 'is disabled; filters: { enabled: any } lets it in',
    accounts === 'disabled' && person.isEnabled && 'is enabled, and filters.enabled is false',
    guests === 'exclude' && person.isGuest && 'is a guest; filters: { guests: include } lets it in',
    guests === 'only' && !person.isGuest && 'is no guest, and filters.guests is only',
    departments !== undefined &&
      !departments.includes(person.department?.toLowerCase() ?? '') &&
      'is in none of filters.departments',
    domains !== undefined && !domains.includes(domain) && 'is in none of filters.domains',
  ].filter((reason) => reason !== false)
  for (const reason of reasons)
    tell('warning', 'person_filtered', path, `${person.name} ${reason}. It gets nothing.`)
}

import { companyName, plainName } from './names.ts'

/** A customer that no tenant is linked to by default. */
export interface UnlinkedCustomer {
  entraTenantId: string
  name: string
  /** Known domains in lower case. */
  domains: readonly string[]
}

/** An ImmyBot tenant; the MSP's own is never among them. */
export interface CandidateTenant {
  tenantId: string
  name: string
  /** Domains in lower case that it is known by. */
  domains: readonly string[]
  /** Entra tenant that it is linked to; null = none. Only one without a link can be proposed. */
  linkedTo: string | null
}

export interface Proposal {
  tenantId: string
  tenantName: string
  by: 'domain' | 'name'
  /** The domain, or the tenant's name. */
  matched: string
}

/** What was found for a customer that any tenant matches. */
export interface Match {
  /** null = nothing that is sure enough; `reason` says why. */
  proposal: Proposal | null
  reason: string | null
  /** Tenants without a link that match: one more of that name would double them. */
  unlinked: { tenantId: string; name: string }[]
}

/**
 * Which existing tenant each customer is, by domain first, then by name. A tenant is proposed to one customer at most,
 * and a match of several is none. Customers that nothing matches are not in the answer. Pure.
 */
export function proposeTenants(
  customers: readonly UnlinkedCustomer[],
  tenants: readonly CandidateTenant[],
): Map<string, Match> {
  const { matches, claimed } = byDomain(customers, tenants)
  const free = tenants.filter(({ linkedTo }) => linkedTo === null)
  const rest = customers.filter(({ entraTenantId }) => !matches.has(entraTenantId))
  byName(rest, free, claimed, matches)
  return matches
}

function byDomain(
  customers: readonly UnlinkedCustomer[],
  tenants: readonly CandidateTenant[],
): { matches: Map<string, Match>; claimed: Set<string> } {
  const owners = groupBy(
    tenants.flatMap((tenant) => tenant.domains.map((domain) => ({ domain, tenant }))),
    ({ domain }) => domain,
  )
  const found = customers.flatMap((customer) => {
    const pairs = customer.domains
      .flatMap((domain) => owners.get(domain) ?? [])
      .filter(({ tenant }) => tenant.linkedTo !== customer.entraTenantId)
    return pairs.length === 0 ? [] : [{ customer, pairs, tenants: unique(pairs.map(({ tenant }) => tenant)) }]
  })
  const claims = groupBy(
    found.flatMap(({ customer, tenants: matched }) => matched.map((tenant) => ({ customer, tenant }))),
    ({ tenant }) => tenant.tenantId,
  )
  const matches = new Map<string, Match>()
  for (const { customer, pairs, tenants: matched } of found) {
    const [pair] = pairs
    const [tenant] = matched
    if (pair === undefined || tenant === undefined) continue
    const rivals = (claims.get(tenant.tenantId) ?? []).map((claim) => claim.customer.name)
    const linked = matched.filter(({ linkedTo }) => linkedTo !== null)
    let reason: string | null = null
    if (linked.length > 0)
      reason = `${list(linked)} has one of its domains and is linked to another Entra tenant.`
    else if (matched.length > 1) reason = `Several tenants have its domains: ${list(matched)}.`
    else if (rivals.length > 1)
      reason = `${tenant.name} has domains of several customers: ${rivals.join(', ')}.`
    matches.set(customer.entraTenantId, {
      proposal: reason === null ? proposal(tenant, 'domain', pair.domain) : null,
      reason,
      unlinked: unlinkedOf(matched),
    })
  }
  return { matches, claimed: new Set(claims.keys()) }
}

/** Adds to `matches`. Tenants in `claimed` are another customer's by domain, whatever their name is. */
function byName(
  customers: readonly UnlinkedCustomer[],
  tenants: readonly CandidateTenant[],
  claimed: ReadonlySet<string>,
  matches: Map<string, Match>,
): void {
  const proposed = new Set<string>()
  for (const key of [plainName, companyName]) {
    const tenantsOf = groupBy(tenants, ({ name }) => key(name))
    for (const [name, named] of groupBy(customers, (customer) => key(customer.name))) {
      const same = name === '' ? [] : (tenantsOf.get(name) ?? [])
      const [tenant, ...others] = same.filter(({ tenantId }) => !claimed.has(tenantId))
      const [customer, ...rivals] = named
      if (tenant === undefined || customer === undefined || others.length + rivals.length > 0) continue
      if (proposed.has(tenant.tenantId) || matches.has(customer.entraTenantId)) continue
      proposed.add(tenant.tenantId)
      matches.set(customer.entraTenantId, {
        proposal: proposal(tenant, 'name', tenant.name),
        reason: null,
        unlinked: unlinkedOf(same),
      })
    }
  }
  const tenantsOf = groupBy(tenants, ({ name }) => companyName(name))
  const named = groupBy(customers, ({ name }) => companyName(name))
  for (const customer of customers) {
    const name = companyName(customer.name)
    const same = name === '' ? [] : (tenantsOf.get(name) ?? [])
    if (same.length === 0 || matches.has(customer.entraTenantId)) continue
    const rivals = (named.get(name) ?? []).length
    matches.set(customer.entraTenantId, {
      proposal: null,
      reason: same.every(({ tenantId }) => claimed.has(tenantId))
        ? `${list(same)} has its name, but the domain of another customer.`
        : `Its name matches ${same.length === 1 ? 'the tenant' : 'several tenants:'} ${list(same)}${rivals > 1 ? `, and ${rivals} customers have that name` : ''}.`,
      unlinked: unlinkedOf(same),
    })
  }
}

function proposal(tenant: CandidateTenant, by: Proposal['by'], matched: string): Proposal {
  return { tenantId: tenant.tenantId, tenantName: tenant.name, by, matched }
}

function unlinkedOf(tenants: readonly CandidateTenant[]): Match['unlinked'] {
  return tenants.filter(({ linkedTo }) => linkedTo === null).map(({ tenantId, name }) => ({ tenantId, name }))
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  return Map.groupBy(items, keyOf)
}

const unique = <T>(items: readonly T[]): T[] => [...new Set(items)]
const list = (tenants: readonly CandidateTenant[]) => tenants.map(({ name }) => name).join(', ')

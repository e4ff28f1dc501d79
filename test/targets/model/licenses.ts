import type { Facts, PersonFact } from './facts.ts'

export interface Granted {
  sku_id: string
  sku: string
  service_plan_id: string
  service_plan: string
}

/** The SKUs that a person's licences give, smallest id first. */
export function skusOf(facts: Facts, person: PersonFact, graceMs: number): { sku_id: string; sku: string }[] {
  const found: { sku_id: string; sku: string }[] = []
  for (const license of facts.licenses) {
    if (license.entra_tenant_id !== person.entra_tenant_id || license.object_id !== person.object_id) continue
    for (const sku of facts.skus) {
      if (sku.entra_tenant_id !== license.entra_tenant_id || sku.sku_id !== license.sku_id) continue
      const status = sku.capability_status ?? 'Enabled'
      const isFresh = sku.status_since.getTime() > facts.now.getTime() - graceMs
      if (status === 'Enabled' || status === 'Warning' || (status === 'Suspended' && isFresh))
        found.push({ sku_id: sku.sku_id, sku: sku.sku_part_number })
    }
  }
  return found.sort((a, b) => (a.sku_id < b.sku_id ? -1 : 1))
}

/** The service plans that they give and nobody has switched off, smallest SKU first. */
export function plansOf(facts: Facts, person: PersonFact, graceMs: number): Granted[] {
  const found: Granted[] = []
  for (const sku of skusOf(facts, person, graceMs)) {
    const license = facts.licenses.find(
      (one) =>
        one.entra_tenant_id === person.entra_tenant_id &&
        one.object_id === person.object_id &&
        one.sku_id === sku.sku_id,
    )
    for (const plan of facts.plans) {
      if (plan.entra_tenant_id !== person.entra_tenant_id || plan.sku_id !== sku.sku_id) continue
      if (license?.disabled_plans.includes(plan.service_plan_id)) continue
      if (plan.provisioning_status === 'Disabled' || plan.provisioning_status === 'Error') continue
      found.push({ ...sku, service_plan_id: plan.service_plan_id, service_plan: plan.service_plan_name })
    }
  }
  return found.sort((a, b) =>
    a.sku_id === b.sku_id ? (a.service_plan_id < b.service_plan_id ? -1 : 1) : a.sku_id < b.sku_id ? -1 : 1,
  )
}

/** The plan that entitles a person, and the entitlements that give way to this one; null = not entitled. */
export function entitlementOf(
  facts: Facts,
  person: PersonFact,
  entitlement: string,
  graceMs: number,
): { plan: Granted; over: string | null } | null {
  const granted = plansOf(facts, person, graceMs)
  const planFor = (wanted: string): Granted | undefined =>
    granted.find((plan) =>
      facts.entitlementPlans.some(
        (one) => one.entitlement === wanted && one.service_plan_id === plan.service_plan_id,
      ),
    )
  const plan = planFor(entitlement)
  if (plan === undefined) return null
  const own = facts.entitlements.find((one) => one.entitlement === entitlement)
  if (own?.yields_to !== null && own?.yields_to !== undefined && planFor(own.yields_to) !== undefined)
    return null
  const over = facts.entitlements
    .filter((one) => one.yields_to === entitlement && planFor(one.entitlement) !== undefined)
    .map((one) => one.entitlement)
    .sort()
  return { plan, over: over[0] ?? null }
}

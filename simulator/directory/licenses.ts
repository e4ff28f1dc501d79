import type { TruthLicense, TruthLicenseSource } from '../types.ts'
import type { LicenseAssignment } from './objects.ts'

/** What a user effectively holds: one entry a SKU, where a plan is off only if every assignment switches it off. */
export function effectiveLicenses(assignments: readonly LicenseAssignment[]): TruthLicense[] {
  const off = new Map<string, string[]>()
  for (const { skuId, disabledPlans } of assignments) {
    const before = off.get(skuId)
    off.set(
      skuId,
      before === undefined ? [...disabledPlans] : before.filter((plan) => disabledPlans.includes(plan)),
    )
  }
  return [...off].map(([skuId, disabledPlans]) => ({ skuId, disabledPlans }))
}

export function licenseSources(assignments: readonly LicenseAssignment[]): TruthLicenseSource[] {
  return assignments.map(({ skuId, assignedByGroup }) => ({
    skuId,
    assignedByGroup: assignedByGroup ?? null,
    state: 'Active',
  }))
}

/** The same licences, in whatever order. */
export function sameLicenses(left: readonly TruthLicense[], right: readonly TruthLicense[]): boolean {
  const key = (licenses: readonly TruthLicense[]): string =>
    licenses
      .map(({ skuId, disabledPlans }) => `${skuId}:${[...disabledPlans].sort().join()}`)
      .sort()
      .join(' ')
  return key(left) === key(right)
}

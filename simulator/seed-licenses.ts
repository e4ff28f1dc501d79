import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Directory } from './directory/directory.ts'
import { between, pickWeighted } from './random.ts'
import type { Random } from './random.ts'
import type { SeededUser } from './seed.ts'
import type { TruthSku } from './types.ts'

/** Real SKUs with their real plans, out of Microsoft's "Product names and service plan identifiers" (July 2026). */
export const catalog = z
  .array(
    z.object({
      skuPartNumber: z.string(),
      skuId: z.guid(),
      productName: z.string(),
      servicePlans: z.array(z.tuple([z.guid(), z.string()])),
    }),
  )
  .parse(JSON.parse(readFileSync(new URL('./skus.json', import.meta.url), 'utf8')))

/** Id of a SKU by its part number. */
export function skuId(partNumber: string): string {
  const sku = catalog.find((each) => each.skuPartNumber === partNumber)
  if (sku === undefined) throw new Error(`simulator/skus.json has no ${partNumber}`)
  return sku.skuId
}

const addOns = [
  'VISIOCLIENT',
  'PROJECTPROFESSIONAL',
  'FLOW_FREE',
  'POWER_BI_STANDARD',
  'Microsoft_365_Copilot',
]

/** What people of a company of this size are licensed with, by share. Business SKUs end at 300 seats. */
export function baseSkus(users: number): readonly (readonly [string, number])[] {
  return users <= 300
    ? [
        ['SPB', 60],
        ['O365_BUSINESS_PREMIUM', 15],
        ['O365_BUSINESS_ESSENTIALS', 15],
        ['EXCHANGESTANDARD', 5],
        ['O365_BUSINESS', 5],
      ]
    : [
        ['SPE_E3', 50],
        ['SPE_E5', 20],
        ['SPE_F1', 25],
        ['ENTERPRISEPACK', 5],
      ]
}

/** Subscriptions with some spare seats; now and then one in its grace period. */
export function seedSkus(directory: Directory, users: number, random: Random): void {
  for (const [partNumber, share] of baseSkus(users)) {
    const seats = Math.ceil((users * share) / 100 / 5) * 5 + 5
    directory.setSku(subscription(partNumber, seats, random() < 0.03 ? 'Warning' : 'Enabled'))
  }
  for (const partNumber of addOns) {
    const free = partNumber === 'FLOW_FREE' || partNumber === 'POWER_BI_STANDARD'
    if (free || random() < 0.5) {
      directory.setSku(
        subscription(partNumber, free ? 10_000 : Math.max(2, Math.ceil(users / 20)), 'Enabled'),
      )
    }
  }
}

function subscription(
  partNumber: string,
  seats: number,
  capabilityStatus: string,
): Omit<TruthSku, 'consumed'> {
  const sku = catalog.find((each) => each.skuPartNumber === partNumber)
  if (sku === undefined) throw new Error(`simulator/skus.json has no ${partNumber}`)
  const inGrace = capabilityStatus === 'Warning'
  return {
    skuId: sku.skuId,
    skuPartNumber: partNumber,
    capabilityStatus,
    enabled: inGrace ? 0 : seats,
    suspended: 0,
    warning: inGrace ? seats : 0,
    servicePlans: sku.servicePlans.map(([servicePlanId, servicePlanName]) => {
      return { servicePlanId, servicePlanName, provisioningStatus: 'Success' }
    }),
  }
}

/** A licence group and the SKU that its members get through it. */
export interface LicenseGroup {
  groupId: string
  skuId: string
  memberIds: ReadonlySet<string>
}

/** Gives people their licences: through a licence group where they are in one, else directly. */
export function seedLicenses(
  directory: Directory,
  people: SeededUser[],
  groups: LicenseGroup[],
  users: number,
  random: Random,
): void {
  const held = new Map(directory.truth().skus.map((sku) => [sku.skuId, sku]))
  for (const person of people) {
    if (person.kind !== 'member') continue
    const licenses: { skuId: string; disabledPlans: string[]; assignedByGroup?: string }[] = []
    for (const group of groups) {
      if (group.memberIds.has(person.id)) {
        licenses.push({ skuId: group.skuId, disabledPlans: [], assignedByGroup: group.groupId })
      }
    }
    if (licenses.length === 0 && (person.enabled || random() < 0.5)) {
      licenses.push({ skuId: skuId(pickWeighted(random, baseSkus(users))), disabledPlans: [] })
    }
    for (const [partNumber, share] of [
      ['VISIOCLIENT', 0.03],
      ['PROJECTPROFESSIONAL', 0.03],
      ['FLOW_FREE', 0.1],
    ] as const) {
      if (held.has(skuId(partNumber)) && random() < share)
        licenses.push({ skuId: skuId(partNumber), disabledPlans: [] })
    }
    const [first] = licenses
    const plans = held.get(first?.skuId ?? '')?.servicePlans ?? []
    // Somebody switched a plan off, as with apps that are not wanted or not yet rolled out.
    const off = plans[between(random, 0, Math.max(0, plans.length - 1))]
    if (first !== undefined && off !== undefined && random() < 0.08) first.disabledPlans = [off.servicePlanId]
    if (licenses.length > 0) directory.setLicenses(person.id, licenses)
  }
}

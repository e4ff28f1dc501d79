import { z } from 'zod'
import { cleanText, objectId, parseObjects } from './objects.ts'

export interface ServicePlan {
  servicePlanId: string
  servicePlanName: string
  provisioningStatus: string | null
}

/** A licence product that the tenant has bought. */
export interface SubscribedSku {
  skuId: string
  skuPartNumber: string
  /** Enabled, Warning, Suspended, Deleted, LockedOut, or something newer. */
  capabilityStatus: string | null
  /** User or Company. */
  appliesTo: string | null
  enabled: number
  suspended: number
  warning: number
  consumed: number
  servicePlans: ServicePlan[]
}

/** The list of SKUs: one small answer without delta, but links are followed all the same. */
export const skusStart =
  '/subscribedSkus?$select=skuId,skuPartNumber,appliesTo,capabilityStatus,consumedUnits,prepaidUnits,servicePlans'

const units = z.number().int().nullish()

const skusSchema = z.array(
  z.object({
    skuId: z.string(),
    skuPartNumber: z.string(),
    capabilityStatus: z.string().nullish(),
    appliesTo: z.string().nullish(),
    consumedUnits: units,
    prepaidUnits: z.object({ enabled: units, suspended: units, warning: units }).nullish(),
    servicePlans: z.array(
      z.object({
        servicePlanId: z.string(),
        servicePlanName: z.string().nullish(),
        provisioningStatus: z.string().nullish(),
      }),
    ),
  }),
)

/** SKUs of one page of /subscribedSkus. Throws kind malformed. */
export function parseSkus(value: unknown): SubscribedSku[] {
  const resource = '/subscribedSkus'
  return parseObjects(skusSchema, value, resource).map((sku) => ({
    skuId: objectId(sku.skuId, resource),
    skuPartNumber: cleanText(sku.skuPartNumber),
    capabilityStatus: textOrNull(sku.capabilityStatus),
    appliesTo: textOrNull(sku.appliesTo),
    enabled: sku.prepaidUnits?.enabled ?? 0,
    suspended: sku.prepaidUnits?.suspended ?? 0,
    warning: sku.prepaidUnits?.warning ?? 0,
    consumed: sku.consumedUnits ?? 0,
    servicePlans: sku.servicePlans.map((plan) => ({
      servicePlanId: objectId(plan.servicePlanId, resource),
      servicePlanName: cleanText(plan.servicePlanName ?? ''),
      provisioningStatus: textOrNull(plan.provisioningStatus),
    })),
  }))
}

function textOrNull(text: string | null | undefined): string | null {
  return text == null ? null : cleanText(text)
}

import { notePresent } from '../db/seen.ts'
import { mergeServicePlans, mergeSkus } from '../db/skus.ts'
import { productName } from '../graph/product-names.ts'
import { parseSkus, skusStart } from '../graph/skus.ts'
import type { Collection } from './collections.ts'

/** A small list without delta: read whole each time, its removals judged like those of a full round. */
export const skus: Collection = {
  name: 'skus',
  required: true,
  delta: false,
  start: skusStart,
  kinds: ['sku'],
  stored: 'subscribed_skus',
  table: null,
  parse(value) {
    const page = [...new Map(parseSkus(value).map((sku) => [sku.skuId, sku])).values()]
    const rows = page.map((sku) => ({
      sku_id: sku.skuId,
      sku_part_number: sku.skuPartNumber,
      product_name: productName(sku.skuId),
      capability_status: sku.capabilityStatus,
      applies_to: sku.appliesTo,
      enabled: sku.enabled,
      consumed: sku.consumed,
      suspended: sku.suspended,
      warning: sku.warning,
    }))
    const plans = page.flatMap((sku) =>
      [...new Map(sku.servicePlans.map((plan) => [plan.servicePlanId, plan])).values()].map((plan) => ({
        sku_id: sku.skuId,
        service_plan_id: plan.servicePlanId,
        service_plan_name: plan.servicePlanName,
        provisioning_status: plan.provisioningStatus,
      })),
    )
    return async (db, round) => {
      const { entraTenantId, roundId } = round
      const note = { entraTenantId, roundId, seen: round.sweeps }
      await notePresent(
        db,
        { ...note, kind: 'sku' },
        rows.map((row) => [row.sku_id]),
      )
      await notePresent(
        db,
        { ...note, kind: 'plan' },
        plans.map((row) => [row.sku_id, row.service_plan_id]),
      )
      const { added, changed } = await mergeSkus(db, entraTenantId, rows)
      const linked = await mergeServicePlans(db, entraTenantId, plans)
      return { added, changed, unchanged: rows.length - added - changed, linked }
    }
  },
}

import type { Directory } from '../directory/directory.ts'
import type { DirectoryUser } from '../directory/objects.ts'
import type { TruthServicePlan } from '../types.ts'

/** Service plans of a user's licences that are not switched off. */
export function enabledPlans(user: DirectoryUser, directory: Directory): TruthServicePlan[] {
  const skus = new Map(directory.listSkus().map((sku) => [sku.skuId, sku]))
  return user.licenses.flatMap(({ skuId, disabledPlans }) =>
    (skus.get(skuId)?.servicePlans ?? []).filter(
      ({ servicePlanId }) => !disabledPlans.includes(servicePlanId),
    ),
  )
}

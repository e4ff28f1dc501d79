import type { DirectoryUser } from '../directory/objects.ts'
import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { noObject, ok, unknownSegment } from './answers.ts'
import { countObjects, listObjects, readObject } from './directory-lists.ts'
import type { Collection } from './directory-lists.ts'
import { answerDelta } from './delta.ts'
import { answerMemberOf } from './members.ts'
import { contextUrl } from './page-token.ts'
import { userType } from './properties.ts'
import { guarded } from './guard.ts'
import { holds, rolesFor } from './roles.ts'

const basics = new Set(['id', 'displayName', 'givenName', 'surname', 'mail', 'userPrincipalName'])

export const users: Collection = {
  collection: 'users',
  type: userType,
  table: (directory) => directory.users,
  may: (name, roles) => basics.has(name) || holds(roles, rolesFor.usersDelta),
}

/** `/users...`; `rest` are the segments after it. */
export function answerUsers(request: SimRequest, context: GraphContext, rest: string[]): SimResponse {
  const [id, child, cast] = rest
  if (id === undefined) {
    return guarded(context, 'users', rolesFor.users, () => listObjects(request, context, users))
  }
  if (id === '$count' && child === undefined) {
    return guarded(context, 'users', rolesFor.users, () => countObjects(request, context, users))
  }
  if (id === 'delta' && child === undefined) {
    return guarded(context, 'users', rolesFor.usersDelta, () => answerDelta(request, context, users))
  }
  const user = findUser(context, id)
  if (child === undefined) {
    return guarded(context, 'users', rolesFor.users, () => readObject(request, context, users, user, id))
  }
  if (child === 'licenseDetails' && cast === undefined) {
    return guarded(context, 'users', rolesFor.licenseDetails, () =>
      user?.state === 'live' ? licenseDetails(context, user) : noObject(id),
    )
  }
  if (child === 'memberOf' || child === 'transitiveMemberOf') {
    return guarded(context, 'users', rolesFor.userMemberOf, () =>
      user?.state === 'live' ? answerMemberOf(request, context, user.id, rest) : noObject(id),
    )
  }
  return unknownSegment(child)
}

function findUser({ tenant }: GraphContext, idOrName: string): DirectoryUser | undefined {
  return tenant.directory.users.find(idOrName) ?? tenant.directory.findUserByName(idOrName)
}

function licenseDetails({ tenant, origin }: GraphContext, user: DirectoryUser): SimResponse {
  const skus = new Map(tenant.directory.listSkus().map((sku) => [sku.skuId, sku]))
  return ok({
    '@odata.context': contextUrl(origin, `users('${user.id}')/licenseDetails`, null),
    value: user.licenses.map(({ skuId, disabledPlans }) => ({
      id: Buffer.from(`${user.id}${skuId}`.replaceAll('-', ''), 'hex').toString('base64url'),
      skuId,
      skuPartNumber: skus.get(skuId)?.skuPartNumber ?? null,
      servicePlans: (skus.get(skuId)?.servicePlans ?? []).map((plan) => ({
        ...plan,
        provisioningStatus: disabledPlans.includes(plan.servicePlanId) ? 'Disabled' : plan.provisioningStatus,
        appliesTo: 'User',
      })),
    })),
  })
}

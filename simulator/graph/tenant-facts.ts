import type { Organization, SubscribedSku } from '@microsoft/microsoft-graph-types'
import { derivedId } from '../random.ts'
import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { noObject, ok, unknownSegment } from './answers.ts'
import { guarded } from './guard.ts'
import { contextUrl } from './page-token.ts'
import { organizationType, skuType } from './properties.ts'
import type { EntityType } from './properties.ts'
import { option, readSelect } from './query.ts'
import { rolesFor } from './roles.ts'

/** `/organization` and `/organization/{id}`: the tenant itself. */
export function answerOrganization(request: SimRequest, context: GraphContext, rest: string[]): SimResponse {
  const { tenant } = context
  const initial = tenant.domains.find((domain) => domain.endsWith('.onmicrosoft.com'))
  const synced = tenant.directory.users.order.some(
    (user) => user.state === 'live' && user.properties['onPremisesSyncEnabled'] === true,
  )
  const organization = {
    id: tenant.id,
    displayName: tenant.displayName,
    countryLetterCode: 'US',
    createdDateTime: `${new Date(tenant.directory.createdAt).toISOString().slice(0, 19)}Z`,
    onPremisesSyncEnabled: synced ? true : null,
    tenantType: 'AAD',
    verifiedDomains: tenant.domains.map((name) => ({
      capabilities: 'Email, OfficeCommunicationsOnline',
      isDefault: name === tenant.defaultDomain,
      isInitial: name === initial,
      name,
      type: 'Managed',
    })),
  } satisfies Organization
  return guarded(context, 'organization', rolesFor.organization, () =>
    answerAll(request, context, { path: 'organization', type: organizationType, all: [organization] }, rest),
  )
}

/** `/subscribedSkus` and `/subscribedSkus/{id}`. */
export function answerSkus(request: SimRequest, context: GraphContext, rest: string[]): SimResponse {
  const { tenant } = context
  return guarded(context, 'subscribedSkus', rolesFor.subscribedSkus, () => {
    const all = tenant.directory.listSkus().map(
      (sku) =>
        ({
          id: `${tenant.id}_${sku.skuId}`,
          accountId: tenant.id,
          accountName: tenant.defaultDomain.split('.')[0] ?? null,
          appliesTo: 'User',
          capabilityStatus: sku.capabilityStatus,
          consumedUnits: sku.consumed,
          prepaidUnits: {
            enabled: sku.enabled,
            suspended: sku.suspended,
            warning: sku.warning,
            lockedOut: 0,
          },
          servicePlans: sku.servicePlans.map((plan) => ({ ...plan, appliesTo: 'User' })),
          skuId: sku.skuId,
          skuPartNumber: sku.skuPartNumber,
          subscriptionIds: [derivedId(tenant.id, sku.skuId)],
        }) satisfies SubscribedSku,
    )
    return answerAll(request, context, { path: 'subscribedSkus', type: skuType, all }, rest)
  })
}

/** A small collection, whole: no paging, as Graph answers these. */
function answerAll(
  request: SimRequest,
  { origin }: GraphContext,
  { path, type, all }: { path: string; type: EntityType; all: ({ id: string } & Record<string, unknown>)[] },
  [id, child]: string[],
): SimResponse {
  const select = readSelect(option(request, '$select'), type)
  if ('refusal' in select) return select.refusal
  if (child !== undefined) return unknownSegment(child)
  const render = (facts: Record<string, unknown>): object =>
    Object.fromEntries(
      (select.names ?? [...type.properties]).map((name) => [
        name,
        facts[name] ?? (type.collections.has(name) ? [] : null),
      ]),
    )
  const context = contextUrl(origin, path, select.names)
  if (id === undefined) return ok({ '@odata.context': context, value: all.map(render) })
  const found = all.find((each) => each.id.toLowerCase() === id.toLowerCase())
  return found === undefined ? noObject(id) : ok({ '@odata.context': `${context}/$entity`, ...render(found) })
}

import { z } from 'zod'
import type { GraphClient } from './client.ts'
import { cleanText, objectId, parseObjects } from './objects.ts'

/** A customer of the partner, whether or not a relationship is active. */
export interface GdapCustomer {
  entraTenantId: string
  displayName: string | null
}

/** One delegated admin relationship; a customer can have several. */
export interface GdapRelationship {
  relationshipId: string
  displayName: string | null
  /** null until the customer has approved. */
  entraTenantId: string | null
  /** `active` is the only one that lets us in; unknown values are kept as they are. */
  status: string
  /** Role template ids. */
  roles: string[]
  createdAt: Date | null
  activatedAt: Date | null
  endsAt: Date | null
  autoExtends: boolean
}

const customersSchema = z.array(
  z.object({ id: z.string().nullish(), tenantId: z.string(), displayName: z.string().nullish() }),
)

const relationshipsSchema = z.array(
  z.object({
    id: z.string().min(1),
    displayName: z.string().nullish(),
    customer: z.object({ tenantId: z.string().nullish() }).nullish(),
    status: z.string(),
    accessDetails: z
      .object({ unifiedRoles: z.array(z.object({ roleDefinitionId: z.string() })).nullish() })
      .nullish(),
    createdDateTime: z.string().nullish(),
    activatedDateTime: z.string().nullish(),
    endDateTime: z.string().nullish(),
    autoExtendDuration: z.string().nullish(),
  }),
)

// 300 is the most that these lists take; there is no delta, and $select is left out since it is not documented to
// combine with the complex properties.
const top = '$top=300'

/** Pages of the partner's customers; `client` is of the partner's tenant. */
export async function* listCustomers(
  client: GraphClient,
  options: { signal?: AbortSignal | undefined } = {},
): AsyncGenerator<GdapCustomer[], void, undefined> {
  const resource = '/tenantRelationships/delegatedAdminCustomers'
  for await (const page of client.pages(`${resource}?${top}`, options)) {
    yield parseObjects(customersSchema, page.value, resource).map((customer) => ({
      entraTenantId: objectId(customer.tenantId, resource),
      displayName: customer.displayName == null ? null : cleanText(customer.displayName),
    }))
  }
}

/** Pages of the partner's relationships, of any status; `client` is of the partner's tenant. */
export async function* listRelationships(
  client: GraphClient,
  options: { signal?: AbortSignal | undefined } = {},
): AsyncGenerator<GdapRelationship[], void, undefined> {
  const resource = '/tenantRelationships/delegatedAdminRelationships'
  for await (const page of client.pages(`${resource}?${top}`, options)) {
    yield parseObjects(relationshipsSchema, page.value, resource).map((relationship) => ({
      relationshipId: cleanText(relationship.id),
      displayName: relationship.displayName == null ? null : cleanText(relationship.displayName),
      entraTenantId: relationship.customer?.tenantId
        ? objectId(relationship.customer.tenantId, resource)
        : null,
      status: cleanText(relationship.status),
      roles: (relationship.accessDetails?.unifiedRoles ?? []).map((role) => cleanText(role.roleDefinitionId)),
      createdAt: date(relationship.createdDateTime),
      activatedAt: date(relationship.activatedDateTime),
      endsAt: date(relationship.endDateTime),
      autoExtends: !isZeroDuration(relationship.autoExtendDuration),
    }))
  }
}

/** Graph's 7 fractional digits are cut to milliseconds; what is no date of four-digit years counts as unknown. */
function date(text: string | null | undefined): Date | null {
  const at = new Date(text ?? Number.NaN)
  return at.getTime() >= firstYear && at.getTime() < lastYear ? at : null
}

const firstYear = Date.UTC(1000, 0)
const lastYear = Date.UTC(10_000, 0)

/** `PT0S`, `P0D` or nothing: not extended. */
function isZeroDuration(duration: string | null | undefined): boolean {
  return !duration || !/[1-9]/.test(duration)
}

import { page, type GdapContext } from './gdap.ts'
import { derivedId } from './random.ts'
import { customersOf } from './relationships.ts'
import type { SimRequest, SimResponse } from './types.ts'

const largestPage = 999

/** Answers `/contracts`: a partner's customers, each with the default domain. */
export function handleContracts(request: SimRequest, context: GdapContext): SimResponse {
  const { callerTenantId, roles, tenants } = context
  if (!roles.some((role) => /^Directory\.Read(Write)?\.All$/.test(role))) {
    const message = 'Insufficient privileges to complete the operation.'
    return { status: 403, headers: {}, body: { error: { code: 'Authorization_RequestDenied', message } } }
  }
  const contracts = customersOf(callerTenantId, tenants).map(({ id, displayName, defaultDomain }) => ({
    id: derivedId(callerTenantId, `contract ${id}`),
    deletedDateTime: null,
    contractType: 'ResellerPartner',
    customerId: id,
    defaultDomainName: defaultDomain,
    displayName,
  }))
  return page(request, context, contracts, largestPage)
}

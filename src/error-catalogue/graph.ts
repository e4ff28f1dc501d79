import type { ErrorKind } from '../errors.ts'
import type { SourcedEntry, Retry, WhoActs } from './entry.ts'

/**
 * Codes that decide what an answer means whatever its HTTP status is; all others follow the status. In lower case:
 * Graph's casing varies (https://learn.microsoft.com/graph/errors).
 */
export const decisiveGraphCodes: Readonly<Record<string, ErrorKind>> = {
  syncstatenotfound: 'reset',
  syncstateinvalid: 'reset',
  resyncrequired: 'reset',
  directory_expiredpagetoken: 'restart',
  directory_tenantnotfound: 'access_lost',
  authorization_identitynotfound: 'access_lost',
  toomanyrequests: 'throttled',
  request_throttledtemporarily: 'throttled',
  activitylimitreached: 'throttled',
}

/** `Authorization_RequestDenied` → `authorization_request_denied`. */
export function snakeCase(code: string): string {
  return code
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .toLowerCase()
    .slice(0, 80)
}

/** One entry a name: the code is the name in snake case, as problems and alerts have it. */
function each(
  names: readonly string[],
  facts: { what: string; remedy: string; whoActs: WhoActs; retry: Retry; kind: ErrorKind },
): SourcedEntry[] {
  return names.map((name) => ({ ...facts, code: snakeCase(name), names: [name] }))
}

const ours = { whoActs: 'operator', retry: 'never', kind: 'malformed' } as const
const gone = { whoActs: 'operator', retry: 'never', kind: 'not_found' } as const
const microsoft = { whoActs: 'microsoft', retry: 'later' } as const
const byCustomer = { whoActs: 'customer_admin', retry: 'after_fix', kind: 'access_lost' } as const
const byOperator = { whoActs: 'operator', retry: 'after_fix', kind: 'access_lost' } as const

export const graph: readonly SourcedEntry[] = [
  ...each(['Authorization_RequestDenied'], {
    ...byCustomer,
    what: 'the app lacks a permission in this tenant, or the signed-in user lacks a role',
    remedy:
      'Grant the missing application permission to the app and consent to it in this tenant. During pre-consent: the partner user needs Privileged Role Administrator there, through GDAP.',
  }),
  ...each(['accessDenied', 'Forbidden'], {
    ...byCustomer,
    what: 'the app lacks a permission in this tenant for what was read',
    remedy: 'Grant the missing application permission to the app and consent to it in this tenant.',
  }),
  ...each(['Authorization_IdentityNotFound'], {
    ...byCustomer,
    what: 'the app is not (or not yet) in this tenant',
    remedy: 'The app is not (or not yet) in this tenant: consent to it, then wait a few minutes.',
  }),
  ...each(['insufficient_claims'], {
    ...byCustomer,
    what: 'a Conditional Access policy of the tenant demands more of the app',
    remedy:
      "Change the tenant's policy for workload identities, or allow the address that this daemon comes from.",
  }),
  ...each(['Directory_TenantNotFound'], {
    ...byOperator,
    what: 'the tenant is gone',
    remedy: 'The tenant is gone. Detach it, or check its id.',
  }),
  ...each(['InvalidAuthenticationToken'], {
    ...byOperator,
    what: 'Graph takes our token not: expired, revoked, or of another cloud',
    remedy: 'Check that the app, its credential and MICROSOFT_CLOUD belong to the same cloud as this tenant.',
  }),
  ...each(['Authentication_MissingOrMalformed', 'unauthenticated'], {
    ...byOperator,
    what: 'the token did not arrive at Graph as it was sent',
    remedy: 'Look for a proxy between here and Graph that drops or changes the Authorization header.',
  }),
  ...each(['Authentication_RequestFromNonPremiumTenantOrB2CTenant'], {
    whoActs: 'customer_admin',
    retry: 'never',
    kind: 'access_lost',
    what: 'the tenant has no Entra ID P1, which this read needs',
    remedy: 'Nothing to do: what needs Entra ID P1 is left out for this tenant.',
  }),
  ...each(['syncStateNotFound', 'syncStateInvalid', 'resyncRequired'], {
    ...microsoft,
    retry: 'soon',
    kind: 'reset',
    what: 'Microsoft has forgotten where the last read of changes ended',
    remedy: 'Nothing to do: everything is read anew.',
  }),
  ...each(['Directory_ExpiredPageToken'], {
    ...microsoft,
    retry: 'soon',
    kind: 'restart',
    what: 'the read took so long that its place was lost',
    remedy: 'Nothing to do: the read begins again.',
  }),
  ...each(['TooManyRequests', 'Request_ThrottledTemporarily', 'activityLimitReached'], {
    ...microsoft,
    kind: 'throttled',
    what: 'Graph throttles us',
    remedy: 'Nothing to do: the read goes on when Microsoft allows it.',
  }),
  ...each(
    [
      'InternalServerError',
      'generalException',
      'Service_InternalServerError',
      'serviceNotAvailable',
      'UnknownError',
      'Directory_ConcurrencyViolation',
    ],
    {
      ...microsoft,
      kind: 'transient',
      what: 'Graph has a passing fault',
      remedy: 'Nothing to do: the read is tried again later.',
    },
  ),
  ...each(
    ['Request_ResourceNotFound', 'Directory_ObjectNotFound', 'ResourceNotFound', 'itemNotFound', 'NotFound'],
    {
      ...gone,
      what: 'the object is gone, or not yet known everywhere',
      remedy: 'Nothing to do: the next round tells. Right after a consent it takes some minutes.',
    },
  ),
  ...each(['Request_BadRequest', 'Request_UnsupportedQuery', 'BadRequest', 'invalidRequest'], {
    ...ours,
    what: 'Graph does not understand the request',
    remedy:
      'A stored link is read anew by itself. If it stays, report it with the request id; a proxy that changes addresses does this too.',
  }),
  ...each(['NotImplemented'], {
    ...ours,
    what: 'Graph does not offer this here',
    remedy: 'Check that GRAPH_URL is Graph v1.0 of this cloud; else report it with the request id.',
  }),
  ...each(['PaymentRequired'], {
    ...ours,
    what: 'Graph wants a metered API paid for',
    remedy: 'Report it with the request id: nothing that is read here is metered.',
  }),
  ...each(['Request_MultipleObjectsWithSameKeyValue', 'conflict'], {
    ...ours,
    what: 'what was to be written is there already',
    remedy: 'Nothing to do: it counts as done.',
  }),
  ...each(['Directory_QuotaExceeded'], {
    ...byCustomer,
    kind: 'malformed',
    what: "the tenant's quota of directory objects is used up",
    remedy: "The tenant's admin must delete objects or raise the quota; then consent again.",
  }),
]

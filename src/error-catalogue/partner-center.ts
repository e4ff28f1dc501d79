import type { SourcedEntry } from './entry.ts'

const toPartner = { whoActs: 'partner_admin', retry: 'after_fix', kind: 'access_lost' } as const

/**
 * Errors of Partner Center's applicationconsents. It has status and text, hardly codes of its own, so that these are
 * ours; src/graph/partner-center.ts tells which answer is which.
 * @see https://learn.microsoft.com/partner-center/developer/control-panel-vendor-apis
 */
export const partnerCenter: readonly SourcedEntry[] = [
  {
    code: 'partner_consent_exists',
    what: 'the app is consented to for this customer already (400 or 409, "Permission entry already exists")',
    remedy: 'Nothing to do: it counts as done, and the scopes are read back.',
    whoActs: 'operator',
    retry: 'never',
    kind: 'input',
  },
  {
    code: 'partner_consent_invalid',
    what: 'Partner Center refused the consent as wrong (400): unknown scope, or another app than the one that signed in',
    remedy:
      'Check that the partner user signed in to app {clientId}, and that its registration lists the delegated permissions.',
    whoActs: 'operator',
    retry: 'after_fix',
    kind: 'malformed',
  },
  {
    ...toPartner,
    code: 'partner_sign_in_refused',
    what: 'Partner Center took the sign-in not (401): no second factor, or a token for something else',
    remedy:
      'Have the partner user sign in again with multi-factor authentication; Partner Center takes no other sign-in.',
  },
  {
    ...toPartner,
    code: 'partner_access_denied',
    what: 'the partner user may not consent for this customer (403)',
    remedy:
      "Put the user into the partner's group AdminAgents, and into a security group that an active GDAP relationship with this customer gives Application Administrator and Privileged Role Administrator.",
  },
  {
    ...toPartner,
    code: 'partner_customer_unknown',
    what: "this tenant is no customer of the signed-in user's partner (404)",
    remedy:
      'Check the GDAP relationship with {tenant}, and that the user belongs to the partner that holds it.',
  },
  {
    code: 'partner_api_missing',
    what: 'the customer lacks the service principal of an API ("lacks a service principal for …")',
    remedy: 'Nothing to do: that API is left out for this customer, which has no licence for it.',
    whoActs: 'customer_admin',
    retry: 'never',
    kind: 'not_permitted',
  },
  {
    code: 'partner_consent_absent',
    what: 'there is no such consent to take back (404)',
    remedy: 'Nothing to do: it counts as done.',
    whoActs: 'operator',
    retry: 'never',
    kind: 'not_found',
  },
  {
    code: 'partner_redirected',
    what: 'Partner Center answered with a redirect, which was not followed',
    remedy: 'Look for a proxy or captive portal between here and Partner Center.',
    whoActs: 'operator',
    retry: 'after_fix',
    kind: 'foreign_origin',
  },
  {
    code: 'partner_throttled',
    what: 'Partner Center throttles us (429)',
    remedy: 'Nothing to do: it goes on when Microsoft allows it.',
    whoActs: 'microsoft',
    retry: 'later',
    kind: 'throttled',
  },
  {
    code: 'partner_transient',
    what: 'Partner Center has a passing fault (5xx)',
    remedy: 'Nothing to do: it is tried again later.',
    whoActs: 'microsoft',
    retry: 'later',
    kind: 'transient',
  },
]

import type { SourcedEntry } from './entry.ts'

// https://learn.microsoft.com/entra/identity-platform/reference-error-codes. The numbers are diagnostics that
// Microsoft may change; the OAuth `error` is the contract and decides where a number is unknown.

const byOperator = { whoActs: 'operator', retry: 'after_fix', kind: 'access_lost' } as const
const byCustomer = { whoActs: 'customer_admin', retry: 'after_fix', kind: 'access_lost' } as const

const consent: SourcedEntry[] = [
  {
    ...byCustomer,
    code: 'consent_required',
    numbers: [65001],
    names: ['unauthorized_client'],
    what: 'the app is not consented to in this tenant',
    remedy:
      'Send the link of entra-sync consent url {tenant} to an admin of the tenant, or run entra-sync preconsent {tenant}.',
  },
  {
    ...byCustomer,
    code: 'consent_required',
    numbers: [700016, 700011],
    what: 'the app is not in this tenant: it was never consented to, or the id of app or tenant is wrong',
    remedy:
      'Send the link of entra-sync consent url {tenant} to an admin of the tenant, or run entra-sync preconsent {tenant}. If it is consented to already, compare client id {clientId} and tenant id {tenant}.',
  },
  {
    ...byCustomer,
    code: 'consent_required',
    numbers: [7000229],
    what: 'the app has no enterprise application (service principal) in this tenant: it was removed, or never made',
    remedy:
      'Send the link of entra-sync consent url {tenant} to an admin of the tenant, or run entra-sync preconsent {tenant}: consent makes it again.',
  },
  {
    ...byCustomer,
    code: 'consent_required',
    numbers: [650051],
    retry: 'soon',
    what: 'the app is not provisioned in this tenant yet',
    remedy:
      'Nothing to do for half a minute after a consent: it is tried again. If it stays, consent to the app again.',
  },
  {
    ...byCustomer,
    code: 'consent_required',
    numbers: [90094, 90095],
    what: 'an admin must consent to the app',
    remedy:
      'Have a Global Administrator or Privileged Role Administrator of the tenant open the consent link; other people cannot grant these permissions.',
  },
  {
    code: 'consent_required',
    numbers: [90099],
    what: 'a partner user used an app that the customer has not authorised',
    remedy:
      'Pre-consent the app for this customer through Partner Center first, then go on: entra-sync preconsent {tenant}.',
    whoActs: 'operator',
    retry: 'after_fix',
    kind: 'access_lost',
  },
  {
    code: 'consent_required',
    numbers: [90093],
    what: 'Microsoft Graph refused the signed-in user during consent',
    remedy:
      'Check the roles of the signed-in user in this tenant: Application Administrator and Privileged Role Administrator, through GDAP for a partner user.',
    whoActs: 'partner_admin',
    retry: 'after_fix',
    kind: 'access_lost',
  },
  {
    ...byCustomer,
    code: 'consent_declined',
    numbers: [65004],
    what: 'the admin declined, or cancelled the consent',
    remedy:
      'Ask the admin what kept them back, and send the consent link again; the page lists every permission.',
  },
  {
    ...byCustomer,
    code: 'app_disabled',
    numbers: [7000112, 70001],
    what: 'the app is disabled in this tenant',
    remedy:
      'An admin of the tenant must enable the enterprise application again: Entra admin center > Enterprise applications > app {clientId} > Properties > Enabled for users to sign in: Yes.',
  },
]

const tenants: SourcedEntry[] = [
  {
    ...byOperator,
    code: 'tenant_not_found',
    numbers: [90002],
    names: ['invalid_tenant'],
    what: 'there is no such tenant in this cloud',
    remedy:
      'Check the tenant id, and that MICROSOFT_CLOUD is the cloud of this tenant; or the tenant was deleted.',
  },
  {
    ...byOperator,
    code: 'tenant_not_found',
    numbers: [900023],
    what: 'the tenant is named neither by an id nor by a domain',
    remedy: 'Give the tenant id (a GUID) or one of its verified domains.',
  },
  {
    ...byOperator,
    code: 'tenant_not_found',
    numbers: [5000224],
    what: 'the tenant is no longer available: it was probably deleted',
    remedy: 'Ask the customer. If the tenant is gone for good, offboard it: entra-sync offboard {tenant}.',
  },
  {
    ...byOperator,
    code: 'tenant_in_other_cloud',
    numbers: [90038, 900382, 900432],
    what: 'the tenant belongs to another Microsoft cloud',
    remedy: 'Set MICROSOFT_CLOUD to the cloud of this tenant and register the app there.',
  },
  {
    ...byOperator,
    code: 'tenant_missing',
    numbers: [50059, 90019, 50128],
    what: 'the request names no tenant',
    remedy: 'Set LOGIN_URL to the login service itself, without a tenant in its path; else report it.',
  },
]

const policies: SourcedEntry[] = [
  {
    ...byCustomer,
    code: 'conditional_access_blocked',
    numbers: [53003],
    names: ['interaction_required', 'access_denied', 'invalid_grant'],
    what: 'a Conditional Access or security policy of the tenant blocks the app',
    remedy:
      "Change the tenant's policy for workload identities, or allow the address that this daemon comes from. The customer's sign-in log (service principal sign-ins) names the policy.",
  },
  {
    ...byCustomer,
    code: 'conditional_access_blocked',
    numbers: [530032, 530034, 530035, 53011],
    what: 'a security policy of the tenant blocks this sign-in as risky or not allowed',
    remedy:
      "The tenant's admin must dismiss the risk or allow the access: Entra admin center > Protection > Identity Protection, Conditional Access, security defaults.",
  },
  {
    ...byCustomer,
    code: 'conditional_access_blocked',
    numbers: [500212, 500213],
    what: 'the cross-tenant access settings of one of the two tenants forbid this sign-in',
    remedy:
      'Allow it under Entra admin center > External Identities > Cross-tenant access settings: 500212 outbound in the home tenant, 500213 inbound in the customer tenant.',
  },
  {
    ...byCustomer,
    code: 'conditional_access_blocked',
    numbers: [50105],
    what: 'the app demands that users are assigned to it, and this one is not',
    remedy:
      'Assign the user, or set Assignment required to No: Entra admin center > Enterprise applications > app {clientId} > Properties.',
  },
]

const passing: SourcedEntry[] = [
  {
    code: 'login_transient',
    numbers: [50000, 50033, 50086, 50087, 50088, 50196, 90006, 90012, 90024, 90033, 90055, 90090, 90091],
    names: ['temporarily_unavailable', 'server_error'],
    what: "Microsoft's login service has a passing fault",
    remedy: 'Nothing to do: it is tried again later.',
    whoActs: 'microsoft',
    retry: 'later',
    kind: 'transient',
  },
  {
    code: 'login_throttled',
    what: "Microsoft's login service throttles us",
    remedy: 'Nothing to do: it is tried again later.',
    whoActs: 'microsoft',
    retry: 'later',
    kind: 'throttled',
  },
]

/** Errors of tokens asked as the app itself: consent, tenant and its policies, the service's own faults. */
export const entraLogin: readonly SourcedEntry[] = [...consent, ...tenants, ...policies, ...passing]

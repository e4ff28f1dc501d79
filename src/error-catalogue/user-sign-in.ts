import type { SourcedEntry } from './entry.ts'

const appRegistration = 'Entra admin center > App registrations > All applications > app {clientId}'
const addRedirectUri = `${appRegistration} > Authentication > Add a platform (or Add redirect URI) > Web; paste {redirectUri} and save`
const mayBeStored =
  'The consent may be stored all the same: entra-sync consent verify {tenant} tells; if not, open the consent link again.'

const byOperator = { whoActs: 'operator', retry: 'after_fix', kind: 'access_lost' } as const
const byPartner = { whoActs: 'partner_admin', retry: 'after_fix', kind: 'access_lost' } as const

/** Errors that a person meets in the browser, and those of a partner user's tokens. */
export const userSignIn: readonly SourcedEntry[] = [
  {
    ...byOperator,
    code: 'redirect_uri_missing',
    numbers: [500113],
    what: 'the app registration has no redirect URI at all',
    remedy: `${addRedirectUri}. ${mayBeStored}`,
  },
  {
    ...byOperator,
    code: 'redirect_uri_mismatch',
    numbers: [50011],
    what: 'the redirect URI is not one that the app registration has, letter case and slashes included',
    remedy: `${addRedirectUri}. ${mayBeStored} If the URI names the wrong host, correct PUBLIC_URL.`,
  },
  {
    ...byPartner,
    code: 'mfa_required',
    numbers: [50076, 50074],
    what: 'the user must sign in with a second factor',
    remedy: 'Sign in again in the browser and complete multi-factor authentication.',
  },
  {
    ...byPartner,
    code: 'mfa_registration_required',
    numbers: [50079, 50072],
    what: 'the user has not set up a second factor yet',
    remedy: 'Register it at https://aka.ms/mfasetup as this user, then sign in again.',
  },
  {
    ...byPartner,
    code: 'external_mfa_required',
    numbers: [50158, 50177],
    what: 'a second factor is demanded that this sign-in cannot give (external MFA, pass-through user, or not in the group that GDAP assigns)',
    remedy:
      'Sign in as a cloud-only user of the partner with Entra multi-factor authentication, who is in the security group of the GDAP access assignment.',
  },
  {
    ...byPartner,
    code: 'user_not_in_tenant',
    numbers: [50020],
    what: 'the user belongs to another directory and has no access to this tenant',
    remedy:
      'For a partner user: check that the GDAP relationship is active and its access assignment names a security group with this user; if the customer has this user as a guest, delete the guest. Else sign in with an account of this tenant.',
  },
  {
    ...byPartner,
    code: 'user_not_in_tenant',
    numbers: [90072],
    what: 'the user of another directory does not exist in this tenant, so no second factor can be asked there',
    remedy:
      'Give the partner user access through GDAP: an active relationship and an access assignment to a security group with this user.',
  },
  {
    ...byPartner,
    code: 'user_not_in_tenant',
    numbers: [50034, 51004],
    what: 'there is no such user in this tenant',
    remedy: 'Sign in with an account of the right tenant: a private window keeps other sign-ins out.',
  },
  {
    ...byOperator,
    code: 'sign_in_expired',
    numbers: [700082, 70008, 70043],
    what: 'the sign-in has expired: it was not used for 90 days, or a policy limits how long it lasts',
    remedy: 'Have the partner user sign in again.',
  },
  {
    ...byOperator,
    code: 'sign_in_revoked',
    numbers: [50173, 50133],
    what: 'the sign-in was taken back, by a new password or by an admin',
    remedy: 'Have the partner user sign in again.',
  },
  {
    ...byOperator,
    code: 'sign_in_not_taken',
    // 54005: the code was used before; 501481: its verifier (PKCE) is another one.
    numbers: [70000, 54005, 501481, 500112, 70018],
    names: ['bad_verification_code'],
    what: 'the sign-in is not valid, or was used already',
    remedy: 'Have the partner user sign in again, from the start and in one browser.',
  },
  {
    code: 'device_code_pending',
    names: ['authorization_pending'],
    what: 'the user has not entered the code yet',
    remedy: 'Enter the code at the address that is shown.',
    whoActs: 'operator',
    retry: 'soon',
    kind: 'transient',
  },
  {
    code: 'device_code_slow_down',
    names: ['slow_down'],
    what: 'the login service wants to be asked more slowly whether the code was entered',
    remedy: 'Nothing to do: it is asked less often from now on.',
    whoActs: 'microsoft',
    retry: 'soon',
    kind: 'transient',
  },
  {
    ...byOperator,
    code: 'device_code_expired',
    numbers: [70020],
    names: ['expired_token', 'code_expired'],
    what: 'the code was not entered in time',
    remedy: 'Run the command again and enter the new code: entra-sync partner sign-in.',
  },
  {
    ...byOperator,
    code: 'consent_declined',
    names: ['authorization_declined'],
    what: 'the user declined the sign-in',
    remedy: 'Sign in again and accept what Microsoft asks for.',
  },
  {
    ...byOperator,
    code: 'interaction_required',
    what: 'the login service wants the user to do something more',
    remedy:
      'Open the link again and finish what Microsoft asks for: choose the account, the second factor, terms of use.',
  },
  {
    ...byOperator,
    code: 'sign_in_request_refused',
    what: 'the login service refused the request that the link makes',
    remedy: `Compare the app registration: multi-tenant, {redirectUri} under the platform Web (${appRegistration} > Authentication), Microsoft Graph permissions listed; then open the link again.`,
  },
  {
    ...byOperator,
    code: 'app_not_usable',
    what: 'the app is unknown to the login service, disabled, or not allowed to ask for this',
    remedy: `Check that client id {clientId} is right and enabled, and the app registered for accounts in any organizational directory: ${appRegistration} > Authentication.`,
  },
]

/**
 * What the `error` of a redirect back to us means (RFC 6749 4.1.2.1 and what Entra adds), by code of the catalogue.
 * `access_denied` is not what it is at the token endpoint: here a person said no.
 * @see https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
 */
export const codeOfRedirectError: Readonly<Record<string, string>> = {
  access_denied: 'consent_declined',
  permission_denied: 'consent_declined',
  consent_required: 'consent_declined',
  interaction_required: 'interaction_required',
  login_required: 'interaction_required',
  account_selection_required: 'interaction_required',
  invalid_request: 'sign_in_request_refused',
  invalid_scope: 'sign_in_request_refused',
  invalid_resource: 'sign_in_request_refused',
  unsupported_response_type: 'sign_in_request_refused',
  unauthorized_client: 'app_not_usable',
  invalid_client: 'client_credential_refused',
  server_error: 'login_transient',
  temporarily_unavailable: 'login_transient',
}

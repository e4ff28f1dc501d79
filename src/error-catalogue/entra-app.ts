import type { SourcedEntry } from './entry.ts'

const byOperator = { whoActs: 'operator', retry: 'after_fix', kind: 'access_lost' } as const

const appRegistration = 'Entra admin center > App registrations > All applications > app {clientId}'

const credentials: SourcedEntry[] = [
  {
    ...byOperator,
    code: 'client_secret_invalid',
    numbers: [7000215],
    what: 'the client secret is wrong',
    remedy: `Store the secret's value again; its id, which the portal shows beside it, is often pasted instead. Where the value is lost: ${appRegistration} > Certificates & secrets > New client secret.`,
  },
  {
    ...byOperator,
    code: 'client_secret_expired',
    numbers: [7000222],
    what: 'the client secret has expired',
    remedy: `Create a new secret and store its value: ${appRegistration} > Certificates & secrets > New client secret. No new consent is needed.`,
  },
  {
    ...byOperator,
    code: 'credential_missing',
    numbers: [7000218],
    what: 'the app takes neither our secret nor our certificate',
    remedy: `Make it a confidential client: ${appRegistration} > Authentication > Allow public client flows: No, and {redirectUri} under the platform Web.`,
  },
  {
    ...byOperator,
    code: 'certificate_invalid',
    numbers: [700027, 700030, 50012, 50048, 700021],
    what: "the app's certificate is not accepted",
    remedy: `Upload this certificate to the app registration, or configure the one that is registered there: ${appRegistration} > Certificates & secrets > Certificates. A new one takes a minute to be known everywhere.`,
  },
  {
    ...byOperator,
    code: 'clock_skewed',
    numbers: [700024],
    what: "the certificate's assertion is outside its time range",
    remedy: 'Set the clock of this machine (NTP).',
  },
  {
    ...byOperator,
    code: 'client_credential_refused',
    names: ['invalid_client'],
    what: "the app's credential is refused",
    remedy: "Check the app's secret or certificate.",
  },
]

const registration: SourcedEntry[] = [
  {
    ...byOperator,
    code: 'app_misconfigured',
    names: ['invalid_request', 'invalid_resource', 'invalid_scope', 'unsupported_grant_type'],
    what: "the app's registration does not allow this",
    remedy:
      'Compare the app registration with the documentation: multi-tenant, confidential, Microsoft Graph permissions listed.',
  },
  {
    ...byOperator,
    code: 'app_misconfigured',
    numbers: [700025],
    what: 'the app is registered as a public client, which takes no secret or certificate',
    remedy: `Register {redirectUri} under the platform Web, not under Mobile and desktop: ${appRegistration} > Authentication.`,
  },
  {
    ...byOperator,
    code: 'app_misconfigured',
    numbers: [50194],
    what: 'the app is registered for one tenant only',
    remedy: `${appRegistration} > Authentication > Supported account types: accounts in any organizational directory (signInAudience AzureADMultipleOrgs).`,
  },
  {
    ...byOperator,
    code: 'app_misconfigured',
    numbers: [500011, 650052],
    what: 'the tenant does not have the API that a token was asked for',
    remedy:
      'For Microsoft Graph: check that MICROSOFT_CLOUD is the cloud of the tenant. For another API: the tenant lacks its licence; take the permission off the app registration if nobody needs it.',
  },
  {
    ...byOperator,
    code: 'app_misconfigured',
    numbers: [650054, 650056, 650057],
    what: 'permissions are missing from the app registration, or stand there for an API that is gone',
    remedy: `List exactly the permissions that entra-sync permission-level shows: ${appRegistration} > API permissions; then consent again in each tenant.`,
  },
  {
    ...byOperator,
    code: 'app_misconfigured',
    numbers: [9001023, 90124, 90130],
    what: 'this sign-in is not allowed at /common; it needs the tenant in the address',
    remedy: 'Set LOGIN_URL to the login service itself, without a path; else report it.',
  },
  {
    ...byOperator,
    code: 'app_misconfigured',
    numbers: [9002313, 900144, 90014],
    what: 'the request to the login service is malformed',
    remedy: 'Look for a proxy that changes requests; else report it with the correlation id.',
  },
  {
    ...byOperator,
    code: 'app_misconfigured',
    numbers: [70011, 28002, 700022, 700023],
    what: 'the scope that was asked for is not valid for this app',
    remedy:
      'Check that GRAPH_URL belongs to MICROSOFT_CLOUD, and that the delegated permissions are on the app registration.',
  },
]

/** Errors of the app's registration and its credentials. */
export const entraApp: readonly SourcedEntry[] = [...credentials, ...registration]

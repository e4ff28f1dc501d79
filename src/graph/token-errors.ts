import { z } from 'zod'
import { EntraSyncError, type ErrorKind } from '../errors.ts'
import { tokenResource } from './errors.ts'

interface Meaning {
  kind: ErrorKind
  code: string
  what: string
  remedy: string
}

const secretInvalid: Meaning = {
  kind: 'access_lost',
  code: 'client_secret_invalid',
  what: 'the client secret is wrong',
  remedy:
    "Store the secret's value again; its id, which the portal shows beside it, is often pasted instead.",
}
const certificateInvalid: Meaning = {
  kind: 'access_lost',
  code: 'certificate_invalid',
  what: "the app's certificate is not accepted",
  remedy: 'Upload this certificate to the app registration, or configure the one that is registered there.',
}
const consentRequired: Meaning = {
  kind: 'access_lost',
  code: 'consent_required',
  what: 'the app is not consented to in this tenant',
  remedy: 'Send the consent link to an admin of the tenant, or pre-consent it through the partner.',
}
const appDisabled: Meaning = {
  kind: 'access_lost',
  code: 'app_disabled',
  what: 'the app is disabled in this tenant',
  remedy:
    'An admin of the tenant must enable the enterprise application again (Properties, Enabled for sign-in).',
}
const tenantNotFound: Meaning = {
  kind: 'access_lost',
  code: 'tenant_not_found',
  what: 'there is no such tenant in this cloud',
  remedy:
    'Check the tenant id, and that MICROSOFT_CLOUD is the cloud of this tenant; or the tenant was deleted.',
}
const otherCloud: Meaning = {
  kind: 'access_lost',
  code: 'tenant_in_other_cloud',
  what: 'the tenant belongs to another Microsoft cloud',
  remedy: 'Set MICROSOFT_CLOUD to the cloud of this tenant and register the app there.',
}
const conditionalAccess: Meaning = {
  kind: 'access_lost',
  code: 'conditional_access_blocked',
  what: 'a Conditional Access or security policy of the tenant blocks the app',
  remedy:
    "Change the tenant's policy for workload identities, or allow the address that this daemon comes from.",
}
const appMisconfigured: Meaning = {
  kind: 'access_lost',
  code: 'app_misconfigured',
  what: "the app's registration does not allow this",
  remedy:
    'Compare the app registration with the documentation: multi-tenant, confidential, Microsoft Graph permissions listed.',
}
const transient: Meaning = {
  kind: 'transient',
  code: 'login_transient',
  what: "Microsoft's login service has a passing fault",
  remedy: 'Nothing to do: it is tried again later.',
}

/**
 * What AADSTS numbers mean for us. The numbers are diagnostics that Microsoft may change; the OAuth `error` is the
 * contract and decides where a number is unknown.
 * @see https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
const meanings = new Map<number, Meaning>([
  [7000215, secretInvalid],
  [
    7000222,
    {
      kind: 'access_lost',
      code: 'client_secret_expired',
      what: 'the client secret has expired',
      remedy: 'Create a new secret in the app registration and store its value.',
    },
  ],
  [
    7000218,
    {
      ...appMisconfigured,
      code: 'credential_missing',
      what: 'the app takes neither our secret nor our certificate',
    },
  ],
  ...[700027, 700030, 50012, 50048, 700021].map((number): [number, Meaning] => [number, certificateInvalid]),
  [
    700024,
    {
      kind: 'access_lost',
      code: 'clock_skewed',
      what: "the certificate's assertion is outside its time range",
      remedy: 'Set the clock of this machine (NTP).',
    },
  ],
  ...[700016, 7000229, 700011, 65001, 650051, 90094, 90095, 90099, 90093].map((number): [number, Meaning] => [
    number,
    consentRequired,
  ]),
  ...[7000112, 70001].map((number): [number, Meaning] => [number, appDisabled]),
  ...[90002, 900023, 5000224].map((number): [number, Meaning] => [number, tenantNotFound]),
  ...[90038, 900382, 900432].map((number): [number, Meaning] => [number, otherCloud]),
  ...[53003, 530032, 530034, 530035, 53011, 500212, 500213, 50105].map((number): [number, Meaning] => [
    number,
    conditionalAccess,
  ]),
  ...[700025, 50194, 500011, 650052, 650054, 650056, 650057].map((number): [number, Meaning] => [
    number,
    appMisconfigured,
  ]),
  ...[50000, 50033, 50086, 50087, 50088, 50196, 90006, 90012, 90024, 90033, 90055, 90090, 90091].map(
    (number): [number, Meaning] => [number, transient],
  ),
])

const meaningOfOAuth: Record<string, Meaning> = {
  invalid_client: {
    ...secretInvalid,
    code: 'client_credential_refused',
    what: "the app's credential is refused",
    remedy: "Check the app's secret or certificate.",
  },
  unauthorized_client: consentRequired,
  consent_required: consentRequired,
  interaction_required: conditionalAccess,
  access_denied: conditionalAccess,
  invalid_grant: conditionalAccess,
  invalid_resource: appMisconfigured,
  invalid_scope: appMisconfigured,
  invalid_request: appMisconfigured,
  unsupported_grant_type: appMisconfigured,
  invalid_tenant: tenantNotFound,
  temporarily_unavailable: transient,
  server_error: transient,
}

const bodySchema = z.object({
  error: z.string().catch(''),
  error_codes: z.array(z.number()).catch([]),
  correlation_id: z.string().optional().catch(undefined),
})

const credentialCodes = [
  'client_secret_invalid',
  'client_secret_expired',
  'certificate_invalid',
  'credential_missing',
  'client_credential_refused',
  'client_credential_unusable',
]

/** Whether another credential of the same app may do better. 7000229 is an `invalid_client` too, and not of them. */
export function isCredentialError(error: unknown): error is EntraSyncError {
  return error instanceof EntraSyncError && credentialCodes.includes(error.code)
}

/** AADSTS numbers in an answer of the token endpoint. */
export function aadstsCodes(body: unknown): number[] {
  return bodySchema.safeParse(body).data?.error_codes ?? []
}

/**
 * The error of an answer of the token endpoint that brought no token. The text of `error_description` is never
 * parsed and not repeated: the correlation id finds it in Microsoft's logs.
 * @param retryAt from Retry-After, where the endpoint throttles.
 */
export function tokenError(
  answer: { status: number; body: unknown; tenant: string; correlationId: string },
  retryAt?: Date,
): EntraSyncError {
  const parsed = bodySchema.safeParse(answer.body)
  const { error, error_codes, correlation_id } = parsed.data ?? {
    error: '',
    error_codes: [],
    correlation_id: undefined,
  }
  const number = error_codes.find((code) => meanings.has(code)) ?? error_codes[0]
  const meaning = meaningOf(answer.status, error, number)
  const facts = [number === undefined ? '' : `AADSTS${number}`, error].filter(Boolean).join(' ')
  return new EntraSyncError(
    meaning.kind,
    `No token for tenant ${answer.tenant}: ${meaning.what}${facts ? ` (${facts})` : ` (HTTP ${answer.status})`}.`,
    {
      code: meaning.code,
      remedy: meaning.remedy,
      tenant: answer.tenant,
      resource: tokenResource,
      status: answer.status,
      requestId: correlation_id ?? answer.correlationId,
      ...(retryAt === undefined ? {} : { retryAt }),
    },
  )
}

function meaningOf(status: number, oauth: string, number: number | undefined): Meaning {
  if (status === 429) {
    return {
      ...transient,
      kind: 'throttled',
      code: 'login_throttled',
      what: "Microsoft's login service throttles us",
    }
  }
  const known = number === undefined ? undefined : meanings.get(number)
  if (known) return known
  if (status >= 500) return transient
  return (
    meaningOfOAuth[oauth.toLowerCase()] ?? {
      kind: 'transient',
      code: `login_${status}`,
      what: "Microsoft's login service answered something unknown",
      remedy: 'It is tried again later; if it persists, report it with the correlation id.',
    }
  )
}

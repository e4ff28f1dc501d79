import { randomUUID } from 'node:crypto'

export interface LoginErrorBody {
  error: string
  error_description: string
  error_codes: [number]
  timestamp: string
  trace_id: string
  correlation_id: string
  error_uri: string
  suberror?: string
  claims?: string
}

/** The token endpoint's documented error JSON. */
export interface LoginErrorResponse {
  status: number
  headers: Record<string, string>
  body: LoginErrorBody
}

interface Words {
  app?: string
  tenant?: string
  tenantName?: string
  scope?: string
}

// 7000229 is invalid_client in the field, although its neighbours about principals are unauthorized_client.
const oauthErrors: Record<number, string> = {
  50027: 'invalid_request',
  28002: 'invalid_scope',
  50020: 'invalid_grant',
  50048: 'invalid_client',
  50076: 'invalid_grant',
  50173: 'invalid_grant',
  50177: 'invalid_grant',
  54005: 'invalid_grant',
  65001: 'invalid_grant',
  65004: 'authorization_declined',
  70000: 'invalid_grant',
  70008: 'invalid_grant',
  70016: 'authorization_pending',
  70018: 'bad_verification_code',
  70020: 'expired_token',
  90099: 'invalid_grant',
  500112: 'invalid_grant',
  700082: 'invalid_grant',
  501481: 'invalid_grant',
  50049: 'invalid_instance',
  53003: 'invalid_grant',
  70003: 'unsupported_grant_type',
  70011: 'invalid_scope',
  90033: 'temporarily_unavailable',
  500011: 'invalid_resource',
  700016: 'unauthorized_client',
  700021: 'invalid_client',
  700023: 'invalid_client',
  700024: 'invalid_client',
  700027: 'invalid_client',
  1002012: 'invalid_scope',
  7000112: 'unauthorized_client',
  7000215: 'invalid_client',
  7000218: 'invalid_client',
  7000222: 'invalid_client',
  7000229: 'invalid_client',
  ...all('invalid_client', 50012, 700025, 700030),
  ...all('unauthorized_client', 70001, 700011),
  // Refusals of a user or of a policy: only somebody at a browser gets further.
  ...all('invalid_grant', 50034, 50072, 50074, 50079, 50105, 50133, 50158, 51004, 53011, 70043, 90072),
  ...all('invalid_grant', 500212, 500213, 530032, 530034, 530035),
  ...all('temporarily_unavailable', 50000, 50033, 50086, 50087, 50088, 90006, 90012, 90024, 90055),
  ...all('temporarily_unavailable', 90090, 90091),
  ...all('invalid_scope', 700022),
}

function all(error: string, ...codes: number[]): Record<number, string> {
  return Object.fromEntries(codes.map((code) => [code, error]))
}

const messages: Record<number, (words: Words) => string> = {
  53003: () =>
    'Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.',
  28002: ({ scope }) => `Provided value for the input parameter scope '${scope}' is not valid.`,
  50020: ({ tenantName }) =>
    `User account from identity provider does not exist in tenant '${tenantName}' and cannot access the application in that tenant.`,
  50076: () =>
    'Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication.',
  50173: () =>
    'The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.',
  50177: ({ tenantName }) =>
    `User account does not have access to tenant '${tenantName}'; the user is not in a group with access there.`,
  65001: ({ app }) =>
    `The user or administrator has not consented to use the application with ID '${app}'. Send an interactive authorization request for this user and resource.`,
  65004: () => 'User declined to consent to access the app.',
  70000: () => 'Provided grant is invalid or malformed.',
  70016: () => 'OAuth 2.0 device flow error. Authorization is pending. Continue polling.',
  70020: () => 'The provided value for the input parameter device code is expired.',
  90099: ({ app, tenant }) =>
    `The application '${app}' has not been authorized in the tenant '${tenant}'. Applications must be authorized to access the customer tenant before partner delegated administrators can use them.`,
  700082: () => 'The refresh token has expired due to inactivity. It was inactive for 90.00:00:00.',
  70011: ({ scope }) =>
    `The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope ${scope} is not valid.`,
  90002: ({ tenant }) =>
    `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
  90033: () => 'A transient error has occurred. Please try again.',
  500011: ({ scope, tenantName }) =>
    `The resource principal named ${scope} was not found in the tenant named ${tenantName}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.`,
  700016: ({ app, tenantName }) =>
    `Application with identifier '${app}' was not found in the directory '${tenantName}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`,
  700027: () => 'Client assertion contains an invalid signature. [Reason - The key was not found.]',
  1002012: ({ scope }) =>
    `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`,
  7000112: ({ app }) => `Application '${app}'(ImmyBot) is disabled.`,
  7000215: ({ app }) =>
    `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${app}'.`,
  7000218: () =>
    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
  7000222: ({ app }) =>
    `The provided client secret keys for app '${app}' are expired. Visit the Azure portal to create new keys for your app, or consider using certificate credentials for added security.`,
  7000229: ({ app, tenant }) =>
    `The client application ${app} is missing service principal in the tenant ${tenant}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119`,
  9001023: ({ tenant }) =>
    `The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint. (asked: ${tenant})`,
}

/** Entra's refusal by AADSTS code, in its own words where they are known. */
export function loginRefusal(code: number, words: Words): LoginErrorResponse {
  return loginError(code, messages[code]?.(words) ?? 'The request was refused.')
}

/** Entra's refusal with words of the caller's. Failed client authentication is 401, a passing fault 503, all else 400. */
export function loginError(code: number, message: string): LoginErrorResponse {
  const error = oauthErrors[code] ?? 'invalid_request'
  const [trace, correlation] = [randomUUID(), randomUUID()]
  const timestamp = `${new Date().toISOString().slice(0, 19).replace('T', ' ')}Z`
  return {
    status: error === 'invalid_client' ? 401 : error === 'temporarily_unavailable' ? 503 : 400,
    headers: {},
    body: {
      error,
      error_description: `AADSTS${code}: ${message} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`,
      error_codes: [code],
      timestamp,
      trace_id: trace,
      correlation_id: correlation,
      error_uri: `https://login.microsoftonline.com/error?code=${code}`,
      ...(code === 53003 && {
        suberror: 'message_only',
        claims:
          '{"access_token":{"capolids":{"essential":true,"values":["7e8f5a10-4f2c-4a9e-9c0b-2a1d3c4e5f60"]}}}',
      }),
    },
  }
}

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
  50048: 'invalid_client',
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
}

const messages: Record<number, (words: Words) => string> = {
  53003: () =>
    'Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.',
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

/** Entra's refusal with words of the caller's. Failed client authentication is 401, 90033 is 503, all else 400. */
export function loginError(code: number, message: string): LoginErrorResponse {
  const error = oauthErrors[code] ?? 'invalid_request'
  const [trace, correlation] = [randomUUID(), randomUUID()]
  const timestamp = `${new Date().toISOString().slice(0, 19).replace('T', ' ')}Z`
  return {
    status: error === 'invalid_client' ? 401 : code === 90033 ? 503 : 400,
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

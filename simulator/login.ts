import { authorize } from './authorize.ts'
import { enterDeviceCode, startDeviceCode } from './device-code.ts'
import { loginError, loginRefusal } from './login-errors.ts'
import { checkCredential, findTenant } from './login-context.ts'
import type { LoginContext } from './login-context.ts'
import { findRegistration, mayServe } from './registrations.ts'
import { graphAudiences } from './resources.ts'
import { stateOf } from './tenant-apps.ts'
import { userGrants } from './user-grants.ts'
import type { AppState, SimRequest, SimResponse } from './types.ts'

const lastingRefusals: Record<AppState, number | null> = {
  ready: null,
  'no-service-principal': 7000229,
  disabled: 7000112,
  'blocked-by-policy': 53003,
  'tenant-gone': 90002,
}

/** Answers what login.microsoftonline.com would; null for a path it doesn't have. */
export function handleLogin(request: SimRequest, context: LoginContext): SimResponse | null {
  if (request.path === '/common/discovery/instance') return instanceDiscovery(request, context)
  const match = /^\/([^/]+)\/(.+)$/.exec(request.path)
  const tenant = match?.[1] ?? ''
  switch (match?.[2] ?? '') {
    case 'v2.0/.well-known/openid-configuration':
    case '.well-known/openid-configuration':
      return oidcDiscovery(tenant, context)
    case 'discovery/v2.0/keys':
      return { status: 200, headers: {}, body: context.issuer.jwks }
    case 'oauth2/v2.0/authorize':
      return authorize(tenant, request, context)
    case 'oauth2/v2.0/devicecode':
      return startDeviceCode(tenant, request, context)
    case 'oauth2/v2.0/deviceauth':
      return enterDeviceCode(request, context)
    case 'oauth2/v2.0/token':
      if (request.method !== 'POST') return loginError(900561, 'The endpoint only accepts POST requests.')
      return token(tenant, request, context)
    default:
      return null
  }
}

function instanceDiscovery(request: SimRequest, context: LoginContext): SimResponse {
  const endpoint = request.query.get('authorization_endpoint') ?? ''
  const { host } = new URL(context.origin)
  if (!URL.canParse(endpoint) || new URL(endpoint).host !== host)
    return loginError(50049, 'Unknown or invalid instance.')
  const tenant = new URL(endpoint).pathname.split('/')[1] ?? 'common'
  return {
    status: 200,
    headers: {},
    body: {
      tenant_discovery_endpoint: `${context.origin}/${tenant}/v2.0/.well-known/openid-configuration`,
      'api-version': '1.1',
      metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
    },
  }
}

function oidcDiscovery(name: string, context: LoginContext): SimResponse {
  const shared = /^(common|organizations|consumers)$/i.test(name)
  const tenant = shared ? null : findTenant(name, context)
  if (tenant !== null && 'status' in tenant) {
    return tenant.body.error_codes[0] === 90002
      ? { ...tenant, body: { ...tenant.body, error: 'invalid_tenant' } }
      : tenant
  }
  const id = tenant?.id ?? name.toLowerCase()
  const base = `${context.origin}/${id}`
  const { host } = new URL(context.origin)
  return {
    status: 200,
    headers: { 'cache-control': 'max-age=86400, private' },
    body: {
      token_endpoint: `${base}/oauth2/v2.0/token`,
      token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
      jwks_uri: `${base}/discovery/v2.0/keys`,
      response_modes_supported: ['query', 'fragment', 'form_post'],
      subject_types_supported: ['pairwise'],
      id_token_signing_alg_values_supported: ['RS256'],
      response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
      scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
      issuer: `${context.origin}/${shared ? '{tenantid}' : id}/v2.0`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
      end_session_endpoint: `${base}/oauth2/v2.0/logout`,
      tenant_region_scope: shared ? null : 'NA',
      cloud_instance_name: host,
      cloud_graph_host_name: host,
      msgraph_host: host,
      rbac_url: 'https://pas.windows.net',
    },
  }
}

function token(name: string, request: SimRequest, context: LoginContext): SimResponse {
  const form = new URLSearchParams(request.body)
  const basic = /^Basic (.+)$/i.exec(request.headers['authorization'] ?? '')?.[1]
  if (basic !== undefined) {
    const [id = '', secret = ''] = Buffer.from(basic, 'base64').toString().split(':')
    form.set('client_id', decodeURIComponent(id))
    form.set('client_secret', decodeURIComponent(secret))
  }
  const byUser = userGrants[form.get('grant_type') ?? '']
  if (byUser !== undefined) return byUser(name, form, context)
  if (/^(common|organizations|consumers)$/i.test(name)) return loginRefusal(9001023, { tenant: name })
  const tenant = findTenant(name, context)
  if ('status' in tenant) return tenant
  for (const name of ['grant_type', 'client_id', 'scope']) {
    if (!form.get(name)) {
      return loginError(900144, `The request body must contain the following parameter: '${name}'.`)
    }
  }
  if (form.get('grant_type') !== 'client_credentials') {
    return loginError(70003, `The app requested an unsupported grant type '${form.get('grant_type') ?? ''}'.`)
  }
  const clientId = (form.get('client_id') ?? '').toLowerCase()
  const words = { app: clientId, tenant: tenant.id, tenantName: tenant.displayName }
  const scopes = (form.get('scope') ?? '').trim().split(/\s+/)
  if (scopes.length > 1) return loginRefusal(70011, { ...words, scope: scopes.join(' ') })
  const resource = /^(.+)\/\.default$/.exec(scopes[0] ?? '')?.[1]
  if (resource === undefined) return loginRefusal(1002012, { ...words, scope: scopes[0] ?? '' })
  if (!graphAudiences(context.origin).includes(resource))
    return loginRefusal(500011, { ...words, scope: resource })

  const registration = findRegistration(context.registrations, clientId)
  if (registration === null || !mayServe(registration, tenant.id)) return loginRefusal(700016, words)
  const refused = context.refusalFor(tenant) ?? lastingRefusals[stateOf(tenant, clientId)]
  if (refused !== null) return loginRefusal(refused, words)
  const wrong = checkCredential(form, tenant, { origin: context.origin, registration })
  if (wrong !== null) return wrong

  const lifetimeSeconds = context.tokenLifetimeSeconds
  return {
    status: 200,
    headers: {},
    body: {
      token_type: 'Bearer',
      expires_in: lifetimeSeconds,
      ext_expires_in: lifetimeSeconds,
      access_token: context.issuer.issue({ tenant, appId: clientId, audience: resource, lifetimeSeconds }),
    },
  }
}

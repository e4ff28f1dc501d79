import { randomUUID } from 'node:crypto'
import type { Cloud } from './cloud.ts'
import { handleConsent } from './consent.ts'
import { edited, failure, faultResponse } from './fault-response.ts'
import { handleContracts } from './contracts.ts'
import { handleGdap } from './gdap.ts'
import { handleGraph } from './graph/router.ts'
import { handleLogin } from './login.ts'
import { handlePartnerCenter } from './partner-center.ts'
import { kindOf } from './requests.ts'
import { graphAudiences } from './resources.ts'
import type { Reply } from './server.ts'
import { rolesThroughGdap } from './sign-ins.ts'
import { stateOf } from './tenant-apps.ts'
import { graphAppId } from './tokens.ts'
import type { AccessClaims } from './tokens.ts'
import type { Admission, GraphCaller, GraphContext, SimRequest, SimResponse, TenantHandle } from './types.ts'

/** Answers one request to the cloud's origin: sorts login from Graph, and lets faults and throttling have their say. */
export async function answerRequest(request: SimRequest, cloud: Cloud): Promise<Reply> {
  const reply = request.path.startsWith('/v1.0/')
    ? await graphReply(request, cloud)
    : loginReply(request, cloud)
  const { tenantId, units, ...sent } = reply
  cloud.requests.record({
    at: Date.now(),
    method: request.method,
    kind: kindOf(tenantless(request.path)),
    url: pathAndQuery(request, request.path),
    tenantId,
    status: sent.response.status,
    units,
  })
  return sent
}

type Accounted = Reply & { tenantId: string | null; units: number }

function loginReply(request: SimRequest, cloud: Cloud): Accounted {
  const tenant = cloud.findTenant(/^\/([^/]+)\//.exec(request.path)?.[1] ?? '')
  const { latencyMs, effect, edits } = cloud.faults.strike(
    tenant?.id ?? null,
    pathAndQuery(request, tenantless(request.path)),
  )
  const base = { latencyMs, tenantId: tenant?.id ?? null, units: 0 }
  if (effect?.kind === 'status') return { ...base, effect: null, response: faultResponse(effect) }
  const registrations = [cloud.registration, ...cloud.ownRegistrations]
  const response =
    handlePartnerCenter(request, cloud) ??
    handleConsent(request, { ...cloud, registrations }) ??
    handleLogin(request, {
      signIns: cloud.signIns,
      partners: cloud.partners,
      origin: cloud.origin,
      registrations,
      issuer: cloud.issuer,
      tokenLifetimeSeconds: cloud.faults.tokenLifetimeSeconds,
      findTenant: cloud.findTenant,
      refusalFor: () => (effect?.kind === 'aadsts' ? effect.code : null),
    })
  const correlation = request.headers['client-request-id']
  const headers = {
    'cache-control': 'no-store, no-cache',
    'x-ms-request-id': randomUUID(),
    ...(correlation !== undefined && { 'client-request-id': correlation }),
  }
  const found = response ?? { status: 404, headers: {}, body: { error: 'not_found' } }
  return {
    ...base,
    effect: effect?.kind === 'aadsts' ? null : effect,
    response: edited({ ...correlated(found, correlation), headers: { ...headers, ...found.headers } }, edits),
  }
}

/** Entra answers a caller's `client-request-id` as the correlation id. */
function correlated(response: SimResponse, correlation: string | undefined): SimResponse {
  const { body } = response
  if (correlation === undefined || body === null || typeof body !== 'object') return response
  if (!('correlation_id' in body) || typeof body.correlation_id !== 'string') return response
  const text = JSON.stringify(body).replaceAll(body.correlation_id, correlation)
  return { ...response, body: JSON.parse(text) as unknown }
}

async function graphReply(request: SimRequest, cloud: Cloud): Promise<Accounted> {
  const ids = {
    'request-id': randomUUID(),
    ...(request.headers['client-request-id'] !== undefined && {
      'client-request-id': request.headers['client-request-id'],
    }),
  }
  const finish = (response: SimResponse): SimResponse => ({
    ...response,
    headers: { ...graphHeaders, ...ids, ...response.headers },
    body: withInnerError(response, ids),
  })
  const claims = readToken(request, cloud)
  if (typeof claims === 'string') {
    const response = finish(unauthenticated(claims, cloud.origin))
    return { response, effect: null, latencyMs: cloud.latencyMs, tenantId: null, units: 0 }
  }
  const tenant = cloud.tenant(claims.tid)
  const graphRequest = { ...request, path: request.path.slice('/v1.0'.length).replace(/(?<=.)\/+$/, '') }
  const struck = cloud.faults.strike(tenant.id, pathAndQuery(request, graphRequest.path))
  const base = { latencyMs: cloud.latencyMs + struck.latencyMs, tenantId: tenant.id }
  if (struck.effect?.kind === 'status') {
    return { ...base, units: 0, effect: null, response: finish(faultResponse(struck.effect)) }
  }
  const gone = missingIdentity(tenant, claims)
  if (gone !== null) return { ...base, units: 0, effect: struck.effect, response: finish(gone) }

  let units = 0
  const charge = (part: SimRequest): Admission => {
    const charged = cloud.throttle.charge(
      { appId: claims.appid, tenantId: tenant.id, users: tenant.userCount },
      part,
    )
    units += charged.units
    return charged
  }
  const context = graphContext(tenant, claims, cloud, (part) => {
    const inner = cloud.faults.strike(tenant.id, pathAndQuery(part, part.path), true)
    if (inner.effect?.kind !== 'status') return charge(part)
    return { refusal: finish(faultResponse(inner.effect)), headers: {} }
  })
  // The parts of a batch are charged one by one, the batch itself is not.
  const admission = graphRequest.path === '/$batch' ? null : charge(graphRequest)
  const answer = admission?.refusal ?? (await handleGraph(graphRequest, context))
  const response = finish({ ...answer, headers: { ...admission?.headers, ...answer.headers } })
  return { ...base, units, effect: struck.effect, response: edited(response, struck.edits) }
}

function graphContext(
  tenant: TenantHandle,
  claims: AccessClaims,
  cloud: Cloud,
  admit: (request: SimRequest) => Admission,
): GraphContext {
  const delegated = claims.scp !== undefined
  const roles = claims.scp?.split(' ') ?? claims.roles ?? []
  const partnerContext = {
    origin: cloud.origin,
    callerTenantId: tenant.id,
    roles,
    tenants: cloud.tenants,
  }
  return {
    tenant,
    origin: cloud.origin,
    roles,
    appId: claims.appid,
    user: delegated ? callerOf(claims, tenant, cloud) : null,
    registrations: [cloud.registration, ...cloud.ownRegistrations],
    rolesDelayMs: cloud.signIns.settings.rolesDelayMs,
    faults: cloud.faults.view(tenant.id),
    admit,
    tenantRelationships: (request) => handleGdap(request, partnerContext),
    contracts: (request) => handleContracts(request, partnerContext),
    now: Date.now,
  }
}

/** Roles of a partner user are read anew: an assignment that ended ends what a token can do. */
function callerOf(claims: AccessClaims, tenant: TenantHandle, cloud: Cloud): GraphCaller {
  const home = cloud.tenant(claims.idp.split('/').at(-2) ?? '')
  const roles = tenant.id === home.id ? [] : rolesThroughGdap(home, claims.oid, tenant)
  return { id: claims.oid, homeTenantId: home.id, directoryRoles: Array.isArray(roles) ? roles : [] }
}

function readToken(request: SimRequest, cloud: Cloud): AccessClaims | string {
  const header = request.headers['authorization']
  const token = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1]
  if (token === undefined) return 'Access token is empty.'
  return cloud.issuer.check(token, graphAudiences(cloud.origin))
}

/** A token outlives its tenant and its principal, also one that was made anew since; Graph then says so itself. */
function missingIdentity(tenant: TenantHandle, { appid, oid, scp }: AccessClaims): SimResponse | null {
  const state = stateOf(tenant, appid)
  if (state === 'tenant-gone') {
    return failure(404, 'Directory_TenantNotFound', `The tenant '${tenant.id}' was not found.`)
  }
  const replaced = scp === undefined && oid !== tenant.appOf(appid).servicePrincipalId
  if (state === 'no-service-principal' || replaced) {
    return failure(
      401,
      'Authorization_IdentityNotFound',
      'The identity of the calling application could not be established.',
    )
  }
  return null
}

function unauthenticated(message: string, origin: string): SimResponse {
  const challenge = `Bearer realm="", authorization_uri="${origin}/common/oauth2/authorize", client_id="${graphAppId}"`
  return {
    ...failure(401, 'InvalidAuthenticationToken', message),
    headers: { 'www-authenticate': challenge },
  }
}

const graphHeaders = {
  'cache-control': 'no-cache',
  'odata-version': '4.0',
  'strict-transport-security': 'max-age=31536000',
  'x-ms-ags-diagnostic': JSON.stringify({
    ServerInfo: {
      DataCenter: 'Simulated',
      Slice: 'E',
      Ring: '1',
      ScaleUnit: '001',
      RoleInstance: 'SIM0000001',
    },
  }),
}

/** Every error body tells the ids that are in its headers too. */
function withInnerError(response: SimResponse, ids: Record<string, string>): unknown {
  const { body, status } = response
  if (status < 400 || body === null || typeof body !== 'object' || !('error' in body)) return body
  const { error } = body
  if (error === null || typeof error !== 'object') return body
  const inner = 'innerError' in error && typeof error.innerError === 'object' ? error.innerError : {}
  return {
    ...body,
    error: { ...error, innerError: { ...inner, date: new Date().toISOString().slice(0, 19), ...ids } },
  }
}

function pathAndQuery(request: SimRequest, path: string): string {
  const query = decodeURIComponent(request.query.toString().replaceAll('+', ' '))
  return query === '' ? path : `${path}?${query}`
}

function tenantless(path: string): string {
  return path.startsWith('/v1.0/') ? path.slice('/v1.0'.length) : path.replace(/^\/[^/]+(?=\/)/, '')
}

import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Cloud } from './cloud.ts'
import { appRoleIds } from './graph/app-roles.ts'
import { customersOf } from './relationships.ts'
import { partnerCenterAudiences } from './resources.ts'
import { groupsAbove, rolesThroughGdap } from './sign-ins.ts'
import { graphAppId } from './tokens.ts'
import { grantScopes, removePrincipal } from './tenant-apps.ts'
import { partnerScopes } from './tenants.ts'
import type { SimRequest, SimResponse, TenantHandle } from './types.ts'

const consentSchema = z.object({
  applicationId: z.guid(),
  displayName: z.string().optional(),
  applicationGrants: z
    .array(z.object({ enterpriseApplicationId: z.guid(), scope: z.string().min(1) }))
    .min(1),
})

const consentRoles = [
  '62e90394-69f5-4237-9190-012177145e10',
  '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3',
  '158c047a-c907-4556-b7ef-446551a6b5f7',
]

/** When each app asked lately. */
const recent = new WeakMap<Cloud, Map<string, number[]>>()
/** Answers to changes that were made. */
const done = new WeakMap<Cloud, Map<string, SimResponse>>()

/** Answers `/v1/customers...` as Partner Center would, `/partner-center` before it or not; null for other paths. */
export function handlePartnerCenter(request: SimRequest, cloud: Cloud): SimResponse | null {
  const match =
    /^(?:\/partner-center)?\/v1\/customers(?:\/([^/]+)(?:\/(applicationconsents)(?:\/([^/]+))?)?)?$/i.exec(
      request.path,
    )
  if (match === null) return null
  const [, customerId, consents, appId] = match
  const token = /^Bearer +(\S+)$/i.exec(request.headers['authorization'] ?? '')?.[1] ?? ''
  const claims = cloud.issuer.check(token, partnerCenterAudiences(cloud.origin))
  if (typeof claims === 'string') return failure(401, 401, claims)
  if (claims.scp === undefined)
    return failure(401, 401, 'App-only tokens are not accepted; app and user are needed.')
  if (claims.amr?.includes('mfa') !== true) return failure(401, 900421, 'MFA required.')
  const partner = cloud.partners.find(({ id }) => id === claims.tid)
  const agents = partner?.partnerGroups?.adminAgents ?? ''
  if (partner === undefined || !groupsAbove(partner, claims.oid).has(agents)) {
    return failure(403, 403, 'Access denied: the user is not a member of AdminAgents.')
  }
  const customers = customersOf(partner.id, cloud.tenants)
  if (customerId === undefined) return list(request, customers)
  const customer = customers.find(({ id }) => id === customerId.toLowerCase())
  if (customer === undefined) return failure(404, 2000, 'The customer was not found.')
  if (consents === undefined) return { status: 200, headers: {}, body: customerBody(customer) }
  if (throttled(claims.appid, cloud)) {
    return { ...failure(429, 429, 'Too many requests.'), headers: { 'retry-after': '1' } }
  }
  const roles = rolesThroughGdap(partner, claims.oid, customer)
  if (!Array.isArray(roles) || !roles.some((role) => consentRoles.includes(role))) {
    return failure(403, 403, 'The user has no role in the customer that may consent.')
  }
  if (request.method === 'POST' && appId === undefined) {
    return once(request, cloud, () => consent(request, customer, claims.appid, cloud))
  }
  if (request.method === 'DELETE' && appId !== undefined) {
    return once(request, cloud, () => withdraw(appId, customer, claims.appid, cloud))
  }
  return failure(405, 405, `The method ${request.method} is not allowed.`)
}

/** Does a change once for each `MS-RequestId`: a repeated request is told what the first one was. */
function once(request: SimRequest, cloud: Cloud, change: () => SimResponse): SimResponse {
  const id = request.headers['ms-requestid']
  if (id === undefined) return change()
  const key = `${request.method} ${request.path} ${id}`
  const answers = done.get(cloud) ?? new Map<string, SimResponse>()
  const answer = answers.get(key) ?? change()
  if (answer.status < 300) done.set(cloud, answers.set(key, answer))
  return answer
}

function consent(
  request: SimRequest,
  customer: TenantHandle,
  callerAppId: string,
  { signIns }: Cloud,
): SimResponse {
  const read = consentSchema.safeParse(parse(request.body))
  if (!read.success) return failure(400, 2000, 'The request body is not valid.')
  const { applicationId, applicationGrants } = read.data
  if (applicationId.toLowerCase() !== callerAppId) {
    return failure(400, 2000, 'The applicationId is not that of the calling application.')
  }
  const app = customer.appOf(callerAppId)
  // One by one, so that nothing is granted where a later one is wrong.
  for (const { enterpriseApplicationId: api, scope } of applicationGrants) {
    if (api.toLowerCase() !== graphAppId) {
      return failure(400, 2000, `The customer lacks a service principal for ${api}.`)
    }
    const unknown = split(scope).find((each) => !appRoleIds.has(each) && !partnerScopes.includes(each))
    if (unknown !== undefined) return failure(400, 2000, `The scope ${unknown} is unknown.`)
    if (app.delegated.some(({ resourceAppId }) => resourceAppId === graphAppId)) {
      return failure(signIns.settings.consentExistsStatus, 2000, 'Permission entry already exists.')
    }
  }
  for (const { scope } of applicationGrants) grantScopes(app, graphAppId, split(scope))
  return { status: 201, headers: {}, body: read.data }
}

function withdraw(appId: string, customer: TenantHandle, callerAppId: string, cloud: Cloud): SimResponse {
  const app = customer.appOf(callerAppId)
  if (appId.toLowerCase() !== callerAppId || app.delegated.length === 0) {
    return failure(404, 2000, 'There is no such consent.')
  }
  app.delegated = []
  if (cloud.signIns.settings.deleteTakesPrincipal) removePrincipal(app)
  return { status: 200, headers: {}, body: undefined }
}

function throttled(appId: string, cloud: Cloud): boolean {
  const now = Date.now()
  const byApp = recent.get(cloud) ?? new Map<string, number[]>()
  const asked = (byApp.get(appId) ?? []).filter((at) => now - at < 1000)
  const over = asked.length >= cloud.signIns.settings.consentsPerSecond
  if (!over) asked.push(now)
  recent.set(cloud, byApp.set(appId, asked))
  return over
}

function list(request: SimRequest, customers: TenantHandle[]): SimResponse {
  const size = Number(request.query.get('size') ?? 500)
  if (!Number.isInteger(size) || size < 1 || size > 500) return failure(400, 2000, 'The size is not valid.')
  const next = request.query.get('seekOperation') === 'Next'
  const from = next
    ? Number(Buffer.from(request.headers['ms-continuationtoken'] ?? '', 'base64').toString())
    : 0
  if (!Number.isInteger(from) || (next && from === 0)) {
    return failure(400, 2000, 'The continuation token is not valid.')
  }
  const to = from + size
  const value = Buffer.from(String(to)).toString('base64')
  const link = { method: 'GET', headers: [] as object[] }
  return {
    status: 200,
    headers: {},
    body: {
      totalCount: customers.length,
      items: customers.slice(from, to).map(customerBody),
      links: {
        self: { uri: `/v1/customers?size=${size}`, ...link },
        ...(to < customers.length && {
          next: {
            ...link,
            uri: `/customers?size=${size}&seekOperation=Next`,
            headers: [{ key: 'MS-ContinuationToken', value }],
          },
        }),
      },
      attributes: { objectType: 'Collection' },
    },
  }
}

function customerBody(tenant: TenantHandle): object {
  return {
    id: tenant.id,
    companyProfile: {
      tenantId: tenant.id,
      domain: tenant.domains[1] ?? tenant.defaultDomain,
      companyName: tenant.displayName,
      attributes: { objectType: 'CustomerCompanyProfile' },
    },
    relationshipToPartner: 'reseller',
    links: { self: { uri: `/customers/${tenant.id}`, method: 'GET', headers: [] } },
    attributes: { objectType: 'Customer' },
  }
}

function split(scope: string): string[] {
  return scope
    .split(',')
    .map((each) => each.trim())
    .filter(Boolean)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function failure(status: number, code: number, description: string): SimResponse {
  return {
    status,
    headers: { 'ms-requestid': randomUUID() },
    body: { code, description, data: [], source: 'PartnerFD' },
  }
}

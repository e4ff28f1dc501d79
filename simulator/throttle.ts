import type { SimRequest, SimResponse } from './types.ts'

/** Read quota of identity requests in resource units per window, by the size class of a tenant (documented). */
export const identityQuota = { S: 3500, M: 5000, L: 8000 }

/** Limits of one cloud; all may be changed at any time. */
export interface ThrottleSettings {
  /** false: nothing is ever throttled. */
  enabled: boolean
  /** Identity resource units per window for every app + tenant; null = 3,500, 5,000 or 8,000 by the tenant's size. */
  units: number | null
  windowMs: number
}

export interface Throttle {
  settings: ThrottleSettings
  /** Takes a request's cost out of its bucket; `refusal` is the 429 where there is not enough left. */
  charge(
    caller: Caller,
    request: SimRequest,
  ): { refusal: SimResponse | null; headers: Record<string, string>; units: number }
  /** Fills every bucket. */
  reset(): void
}

export interface Caller {
  appId: string
  tenantId: string
  /** Users in the tenant: fewer than 50 is class S, up to 500 M, more L. */
  users: number
}

interface Bucket {
  left: number
  at: number
}

interface Limit {
  name: string
  quota: number
  windowMs: number
  cost: number
}

/** Token buckets per app + tenant and service, with the documented quotas, costs and headers. */
export function createThrottle(): Throttle {
  const settings: ThrottleSettings = { enabled: true, units: null, windowMs: 10_000 }
  const buckets = new Map<string, Bucket>()

  return {
    settings,
    reset: () => buckets.clear(),
    charge(caller, request) {
      const limit = limitOf(caller, request, settings)
      const units = limit.name === 'identity' ? limit.cost : 0
      const headers: Record<string, string> =
        limit.name === 'identity' ? { 'x-ms-resource-unit': String(limit.cost) } : {}
      if (!settings.enabled) return { refusal: null, headers, units }

      const key = `${caller.appId}/${caller.tenantId}/${limit.name}/${limit.quota}/${limit.windowMs}`
      const now = Date.now()
      const bucket = buckets.get(key) ?? { left: limit.quota, at: now }
      const perMs = limit.quota / limit.windowMs
      bucket.left = Math.min(limit.quota, bucket.left + (now - bucket.at) * perMs)
      bucket.at = now
      buckets.set(key, bucket)

      if (bucket.left < limit.cost) {
        const seconds = Math.max(1, Math.ceil((limit.cost - bucket.left) / perMs / 1000))
        // "Requests made during the wait count against the quota": one unit, and never more than a fifth in debt.
        bucket.left = Math.max(bucket.left - 1, -limit.quota / 5)
        return { refusal: refusal(caller, seconds), headers: {}, units: 0 }
      }
      bucket.left -= limit.cost
      const used = 1 - bucket.left / limit.quota
      if (used > 0.8) headers['x-ms-throttle-limit-percentage'] = used.toFixed(1)
      return { refusal: null, headers, units }
    },
  }
}

function refusal(caller: Caller, seconds: number): SimResponse {
  const date = new Date().toISOString().slice(0, 19)
  return {
    status: 429,
    headers: {
      'retry-after': String(seconds),
      'x-ms-throttle-scope': `Tenant_Application/Read/${caller.appId}/${caller.tenantId}`,
      'x-ms-throttle-information': 'ResourceUnitLimitExceeded',
    },
    body: {
      error: {
        code: 'TooManyRequests',
        message: 'Please retry again later.',
        innerError: { code: '429', date, message: 'Please retry after', status: '429' },
      },
    },
  }
}

function limitOf(caller: Caller, request: SimRequest, settings: ThrottleSettings): Limit {
  if (request.path.startsWith('/tenantRelationships/')) {
    return { name: 'tenantRelationship', quota: 1000, windowMs: 20_000, cost: 1 }
  }
  if (/^\/teams\/[^/]+\/(members|channels)/.test(request.path)) {
    return { name: 'teams-members', quota: 60, windowMs: 1000, cost: 1 }
  }
  if (/^\/teams(\/|$)/.test(request.path)) return { name: 'teams', quota: 30, windowMs: 1000, cost: 1 }
  const size = caller.users < 50 ? 'S' : caller.users <= 500 ? 'M' : 'L'
  return {
    name: 'identity',
    quota: settings.units ?? identityQuota[size],
    windowMs: settings.windowMs,
    cost: resourceUnits(request),
  }
}

// Base costs out of the throttling page; a path that isn't listed costs 1.
const baseCosts: [RegExp, number][] = [
  [/^\/users$/, 2],
  [/^\/groups\/[^/]+\/members/, 3],
  [/^\/groups\/[^/]+\/transitiveMembers/, 5],
  [/^\/users\/[^/]+\/(licenseDetails|memberOf|transitiveMemberOf|ownedObjects)/, 2],
  [/^\/(subscribedSkus|contracts)/, 3],
  [/^\/(oauth2PermissionGrants|applications)/, 2],
  [/^\/servicePrincipals[^/]*\/([^/]+\/)?appRoleAssignments/, 2],
  [/^\/directoryObjects\/getByIds$/, 5],
  [/\/(isMemberOf|checkMemberGroups|checkMemberObjects)$/, 4],
  [/\/(getMemberGroups|getMemberObjects)$/, 2],
  [/^\/domains\/[^/]+\/domainNameReferences$/, 4],
]

/** Resource units of an identity request: by its shape, never by how much it answers. */
export function resourceUnits(request: SimRequest): number {
  let cost = baseCosts.find(([path]) => path.test(request.path))?.[1] ?? 1
  const selects = request.query.has('$select') || /"(\$select|select)"/.test(request.body)
  if (selects) cost -= request.path === '/directoryObjects/getByIds' ? 3 : 1
  if (request.query.has('$expand')) cost += 1
  const top = Number(request.query.get('$top') ?? Number.NaN)
  if (top < 20) cost -= 1
  return Math.max(1, cost)
}

import { randomBytes } from 'node:crypto'
import type { DirectoryUser } from './directory/objects.ts'
import type { TenantHandle } from './types.ts'

/** A partner user who signed in; the app acts as them from then on. */
export interface SignedIn {
  userId: string
  tenantId: string
  clientId: string
}

export interface AuthorizationCode extends SignedIn {
  redirectUri: string
  challenge: string | null
  nonce: string | null
  scope: string
  expiresAt: number
  used: boolean
}

export interface RefreshToken extends SignedIn {
  lastUsedAt: number
}

export interface DeviceCode {
  userCode: string
  clientId: string
  scope: string
  expiresAt: number
  polledAt: number | null
  state: 'pending' | 'declined' | 'used' | SignedIn
}

/** What Entra knows of interactive sign-ins, and how they misbehave. */
export interface SignIns {
  codes: Map<string, AuthorizationCode>
  refreshTokens: Map<string, RefreshToken>
  /** By device code. */
  deviceCodes: Map<string, DeviceCode>
  /** AADSTS code that refreshes of a user meet until they sign in again, by user id. */
  refused: Map<string, number>
  settings: {
    /** Whoever opens the consent page may consent for the organisation. */
    mayConsent: boolean
    /** Consent grants only these of the app roles that it asks for; null = all. */
    grantOnly: string[] | null
    /** Id of the tenant whose admin signs in to give consent, whichever tenant was asked for; null = that one's. */
    answersAsTenant: string | null
    /** A bad redirect URI is told after consent was stored instead of before anybody is asked. */
    checksRedirectLate: boolean
    /** Roles that are granted show in tokens this much later, each app's for itself. */
    rolesDelayMs: number
    /** Seconds between two polls of a device code; faster ones are told to slow down. */
    deviceIntervalSeconds: number
    deviceLifetimeSeconds: number
    /** Interactive sign-ins carry a second factor; Partner Center takes no others. */
    mfa: boolean
    /** Partner Center's DELETE takes the service principal and its roles away too. */
    deleteTakesPrincipal: boolean
    /** How Partner Center says that a consent is there already. */
    consentExistsStatus: 400 | 409
    /** Requests a second for one app to applicationconsents. */
    consentsPerSecond: number
  }
}

export function createSignIns(): SignIns {
  return {
    codes: new Map(),
    refreshTokens: new Map(),
    deviceCodes: new Map(),
    refused: new Map(),
    settings: {
      mayConsent: true,
      grantOnly: null,
      answersAsTenant: null,
      checksRedirectLate: false,
      rolesDelayMs: 0,
      deviceIntervalSeconds: 5,
      deviceLifetimeSeconds: 900,
      mfa: true,
      deleteTakesPrincipal: false,
      consentExistsStatus: 409,
      consentsPerSecond: 50,
    },
  }
}

export function opaque(prefix: string): string {
  return `${prefix}.${randomBytes(32).toString('base64url')}`
}

/** The live, enabled user of a tenant by id or user principal name. */
export function findPerson(tenant: TenantHandle, name: string): DirectoryUser | null {
  const { directory } = tenant
  const user = directory.users.find(name.toLowerCase()) ?? directory.findUserByName(name)
  return user?.state === 'live' && user.properties['accountEnabled'] === true ? user : null
}

/** The partner's person of that name or id, whichever partner's it is, with their tenant. */
export function findTechnician(
  partners: readonly TenantHandle[],
  name: string,
): { home: TenantHandle; user: DirectoryUser } | null {
  for (const home of partners) {
    const user = findPerson(home, name)
    if (user !== null) return { home, user }
  }
  return null
}

/** Ids of all live groups that an object is in, through other groups too. */
export function groupsAbove(tenant: TenantHandle, id: string): Set<string> {
  const found = new Set<string>()
  const open = [id]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const group of tenant.directory.groupsOf(next)) {
      if (found.has(group.id)) continue
      found.add(group.id)
      open.push(group.id)
    }
  }
  return found
}

/** Roles that a partner user has in a customer's directory, or the AADSTS code of having no access at all. */
export function rolesThroughGdap(
  partner: TenantHandle,
  userId: string,
  customer: TenantHandle,
  now = Date.now(),
): string[] | 50020 | 50177 {
  const active = customer.gdap.filter(
    ({ partnerTenantId, status, endsAt }) =>
      partnerTenantId === partner.id && status === 'active' && (endsAt === null || endsAt.getTime() > now),
  )
  if (active.length === 0) return 50020
  const groups = groupsAbove(partner, userId)
  const roles = active
    .flatMap(({ assignments }) => assignments)
    .filter(({ status, groupId }) => status === 'active' && groups.has(groupId))
    .flatMap((assignment) => assignment.roles)
  return roles.length === 0 ? 50177 : [...new Set(roles)]
}

import { randomBytes, randomUUID } from 'node:crypto'
import type { X509Certificate } from 'node:crypto'
import type { Cloud } from './cloud.ts'
import { createPrincipal } from './tenant-apps.ts'
import { customerRoles } from './tenants.ts'

/** An app registration: the multi-tenant one, or an own one of a tenant's. */
export interface AppRegistration {
  clientId: string
  displayName: string
  /** The tenant that it is registered in; only there `/applications` shows it. */
  homeTenantId: string
  /** `signInAudience` AzureADMyOrg: no other tenant can have it. */
  singleTenant: boolean
  /** Valid secrets; several overlap while one is being rotated. */
  secrets: string[]
  /** Secrets that were valid once. */
  expiredSecrets: string[]
  /** Ends of single secrets: one that has ended is refused, and the registration goes on telling of it. */
  secretEnds: Map<string, Date>
  /** When secrets without an end of their own end, as the registration tells it; they are taken even after that. */
  secretEndsAt: Date
  certificates: X509Certificate[]
  /** Exactly these; null = any that Entra would register. */
  redirectUris: string[] | null
  /** App roles that consent grants. */
  requiredRoles: string[]
  /** Delegated scopes that consent grants: Graph's by name, others with their resource before it. */
  requiredScopes: string[]
  /** Device code works without a secret. */
  allowPublicClient: boolean
}

export interface OwnAppOptions extends Partial<
  Pick<
    AppRegistration,
    'displayName' | 'singleTenant' | 'redirectUris' | 'requiredRoles' | 'requiredScopes' | 'allowPublicClient'
  >
> {
  /** Default: the (first) partner. */
  ownerTenantId?: string
  /** Tenants in which it starts with what the Default app has there, as if consented long ago. Default: none. */
  grantedIn?: 'everywhere' | readonly string[]
}

/**
 * Registers an own app of a tenant's, without any secret or certificate. In its owner's tenant it has a service
 * principal at once, without roles; in all others it has none before somebody consents, unless `grantedIn` says so.
 */
export function registerOwnApp(cloud: Cloud, options: OwnAppOptions = {}): AppRegistration {
  const { ownerTenantId = cloud.partnerTenantId, grantedIn = [], ...facts } = options
  const owner = cloud.tenant(ownerTenantId)
  const registration: AppRegistration = {
    clientId: randomUUID(),
    displayName: 'Own app',
    homeTenantId: owner.id,
    singleTenant: false,
    secrets: [],
    expiredSecrets: [],
    secretEnds: new Map(),
    secretEndsAt: new Date(Date.now() + 180 * 86_400_000),
    certificates: [],
    redirectUris: null,
    requiredRoles: [...customerRoles],
    requiredScopes: [],
    allowPublicClient: true,
    ...facts,
  }
  cloud.ownRegistrations.push(registration)
  createPrincipal(owner.appOf(registration.clientId))
  const granted = grantedIn === 'everywhere' ? cloud.tenants : grantedIn.map((id) => cloud.tenant(id))
  for (const tenant of granted) {
    const { state, roles, delegated } = structuredClone(tenant.app)
    for (const grant of delegated) grant.id = randomUUID()
    Object.assign(tenant.appOf(registration.clientId), { state, roles, delegated })
  }
  return registration
}

/** A new secret of the registration; without an end of its own it ends when `secretEndsAt` says. */
export function addSecret(registration: AppRegistration, endsAt?: Date): string {
  const secret = `own8Q~${randomBytes(24).toString('base64url')}`
  registration.secrets.push(secret)
  if (endsAt !== undefined) registration.secretEnds.set(secret, endsAt)
  return secret
}

export function hasEnded({ secretEnds }: AppRegistration, secret: string): boolean {
  return (secretEnds.get(secret)?.getTime() ?? Infinity) <= Date.now()
}

/** By client id, case-blind. */
export function findRegistration(
  registrations: readonly AppRegistration[],
  clientId: string | null,
): AppRegistration | null {
  return registrations.find((each) => each.clientId === clientId?.toLowerCase()) ?? null
}

/** Whether a tenant may have the app at all. */
export function mayServe({ singleTenant, homeTenantId }: AppRegistration, tenantId: string): boolean {
  return !singleTenant || homeTenantId === tenantId
}

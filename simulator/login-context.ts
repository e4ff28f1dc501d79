import type { X509Certificate } from 'node:crypto'
import { timingSafeEqual } from 'node:crypto'
import { checkAssertion } from './assertion.ts'
import { loginError, loginRefusal } from './login-errors.ts'
import type { SignIns } from './sign-ins.ts'
import type { TokenIssuer } from './tokens.ts'
import type { SimResponse, TenantHandle } from './types.ts'

/** The multi-tenant app's registration in the partner tenant. */
export interface AppRegistration {
  clientId: string
  /** Valid secrets; several overlap while one is being rotated. */
  secrets: string[]
  /** Secrets that were valid once. */
  expiredSecrets: string[]
  /** When the newest secret ends, as the registration tells it. */
  secretEndsAt: Date
  certificates: X509Certificate[]
  /** Exactly these; null = any that Entra would register. */
  redirectUris: string[] | null
  /** App roles that consent grants. */
  requiredRoles: string[]
  /** Delegated Graph scopes that consent grants. */
  requiredScopes: string[]
  /** Device code works without a secret. */
  allowPublicClient: boolean
}

export interface LoginContext {
  origin: string
  registration: AppRegistration
  /** Own app registrations of tenants, beside the multi-tenant one. */
  ownRegistrations: readonly AppRegistration[]
  signIns: SignIns
  partner: TenantHandle
  issuer: TokenIssuer
  tokenLifetimeSeconds: number
  /** By tenant id or any verified domain, case-blind. */
  findTenant: (idOrDomain: string) => TenantHandle | null
  /** AADSTS code that a fault puts in the way of this tenant's token now. */
  refusalFor(tenant: TenantHandle): number | null
}

/** By id or domain; the refusal of a name that is no tenant's. */
export function findTenant(
  name: string,
  context: LoginContext,
): TenantHandle | ReturnType<typeof loginError> {
  const isGuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(name)
  if (!isGuid && !/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(name)) {
    return loginError(
      900023,
      `Specified tenant identifier '${name}' is neither a valid DNS name, nor a valid external domain.`,
    )
  }
  const tenant = context.findTenant(name)
  if (tenant === null || tenant.app.state === 'tenant-gone') return loginRefusal(90002, { tenant: name })
  return tenant
}

/** null where the app proved itself by secret or assertion. */
export function checkCredential(
  form: URLSearchParams,
  tenant: TenantHandle,
  { registration, origin }: Pick<LoginContext, 'registration' | 'origin'>,
): SimResponse | null {
  const words = { app: registration.clientId, tenant: tenant.id, tenantName: tenant.displayName }
  const assertion = form.get('client_assertion')
  if (assertion !== null) {
    if (form.get('client_assertion_type') !== 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer') {
      return loginError(
        900144,
        "The request body must contain the following parameter: 'client_assertion_type'.",
      )
    }
    return checkAssertion(assertion, {
      clientId: registration.clientId,
      certificates: registration.certificates,
      audiences: [tenant.id, ...tenant.domains].flatMap((name) => [
        `${origin}/${name}/oauth2/v2.0/token`,
        `${origin}/${name}/v2.0`,
      ]),
    })
  }
  const secret = form.get('client_secret')
  if (secret === null || secret === '') return loginRefusal(7000218, words)
  if (registration.expiredSecrets.some((each) => same(each, secret))) return loginRefusal(7000222, words)
  if (!registration.secrets.some((each) => same(each, secret))) return loginRefusal(7000215, words)
  return null
}

function same(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}

import { timingSafeEqual } from 'node:crypto'
import { checkAssertion } from './assertion.ts'
import { loginError, loginRefusal } from './login-errors.ts'
import { hasEnded } from './registrations.ts'
import type { AppRegistration } from './registrations.ts'
import type { SignIns } from './sign-ins.ts'
import type { TokenIssuer } from './tokens.ts'
import type { SimResponse, TenantHandle } from './types.ts'

export interface LoginContext {
  origin: string
  /** The multi-tenant app's first, then tenants' own. */
  registrations: readonly AppRegistration[]
  signIns: SignIns
  /** Whose people sign in. */
  partners: readonly [TenantHandle, ...TenantHandle[]]
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
  { registration, origin }: { registration: AppRegistration; origin: string },
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
  const known = registration.secrets.find((each) => same(each, secret))
  if (known === undefined) return loginRefusal(7000215, words)
  return hasEnded(registration, known) ? loginRefusal(7000222, words) : null
}

function same(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}

import { randomBytes } from 'node:crypto'
import { derivedId } from './random.ts'
import type { AppState, TenantApp, TenantHandle } from './types.ts'

/** An app that a tenant has never heard of. */
export function unknownApp(tenantId: string, clientId: string): TenantApp {
  return {
    state: 'no-service-principal',
    servicePrincipalId: derivedId(tenantId, 'service principal', clientId),
    roles: [],
    late: null,
    delegated: [],
  }
}

/** The state that decides about tokens: a tenant that is gone is so for every app. */
export function stateOf(tenant: TenantHandle, clientId: string): AppState {
  return tenant.app.state === 'tenant-gone' ? 'tenant-gone' : tenant.appOf(clientId).state
}

/** Roles that tokens show now. */
export function shownRoles({ late, roles }: TenantApp): string[] {
  return late !== null && late.until > Date.now() ? late.roles : roles
}

/** Makes the service principal where there is none; what was granted to one that is gone is gone with it. */
export function createPrincipal(app: TenantApp): void {
  // One that is there stays as it is: a consent neither enables it nor lifts a policy.
  if (app.state !== 'no-service-principal') return
  Object.assign(app, { state: 'ready', roles: [], late: null, delegated: [] })
}

/** Takes the service principal away with all grants; one that is made later is another object with another id. */
export function removePrincipal(app: TenantApp): void {
  const servicePrincipalId = derivedId(app.servicePrincipalId, 'successor')
  const nothing = { roles: [], late: null, delegated: [] }
  Object.assign(app, { state: 'no-service-principal', servicePrincipalId, ...nothing })
}

/** Grants app roles, making the service principal where there is none; tokens show them after the delay. */
export function grantRoles(app: TenantApp, roles: readonly string[], delayMs: number): void {
  createPrincipal(app)
  const shown = shownRoles(app)
  app.late = delayMs === 0 ? null : { roles: [...shown], until: Date.now() + delayMs }
  app.roles = [...new Set([...app.roles, ...roles])]
}

/** Adds delegated scopes for everybody, making the service principal where there is none. */
export function grantScopes(app: TenantApp, resourceAppId: string, scopes: readonly string[]): void {
  createPrincipal(app)
  const found = app.delegated.find((grant) => grant.resourceAppId === resourceAppId)
  if (found === undefined) {
    app.delegated.push({ id: randomBytes(24).toString('base64url'), resourceAppId, scopes: [...scopes] })
  } else found.scopes = [...new Set([...found.scopes, ...scopes])]
}

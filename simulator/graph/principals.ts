import { derivedId } from '../random.ts'
import type { AppRegistration } from '../registrations.ts'
import { graphAppId } from '../tokens.ts'
import type { GraphContext, TenantApp } from '../types.ts'
import { appRoleIds } from './app-roles.ts'

export interface Assignment {
  id: string
  deletedDateTime: null
  appRoleId: string
  createdDateTime: string
  principalDisplayName: string
  principalId: string
  principalType: 'ServicePrincipal'
  resourceDisplayName: string
  resourceId: string
}

/** Object id of a Microsoft API's service principal, another one in every tenant. */
export function graphPrincipalId(tenantId: string, appId = graphAppId): string {
  return derivedId(tenantId, appId)
}

/** An app that has a service principal in the tenant. */
export interface AppPrincipal {
  id: string
  registration: AppRegistration
  app: TenantApp
}

/** All of them, the multi-tenant app's first. */
export function appPrincipals({ tenant, registrations }: GraphContext): AppPrincipal[] {
  return registrations
    .map((registration) => ({ registration, app: tenant.appOf(registration.clientId) }))
    .filter(({ app }) => app.state !== 'no-service-principal')
    .map((each) => ({ ...each, id: each.app.servicePrincipalId.toLowerCase() }))
}

/** A role of an app in the tenant as Graph tells it. */
export function assignmentOf({ tenant }: GraphContext, principal: AppPrincipal, role: string): Assignment {
  return {
    id: Buffer.from(derivedId(principal.id, role).replaceAll('-', ''), 'hex').toString('base64url'),
    deletedDateTime: null,
    appRoleId: appRoleIds.get(role) ?? derivedId('app role', role),
    createdDateTime: `${new Date(tenant.directory.createdAt).toISOString().slice(0, 19)}Z`,
    principalDisplayName: principal.registration.displayName,
    principalId: principal.id,
    principalType: 'ServicePrincipal',
    resourceDisplayName: 'Microsoft Graph',
    resourceId: graphPrincipalId(tenant.id),
  }
}

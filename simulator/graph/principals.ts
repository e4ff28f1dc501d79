import { graphAppId } from '../tokens.ts'
import type { GraphContext } from '../types.ts'
import { appRoleIds } from './app-roles.ts'
import { derivedId } from './tenant-facts.ts'

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

/** Object id of our app's service principal in the tenant. */
export function principalIdOf({ tenant }: GraphContext): string {
  return tenant.app.servicePrincipalId.toLowerCase()
}

/** A role of our app in the tenant as Graph tells it. */
export function assignmentOf(context: GraphContext, role: string): Assignment {
  const { tenant } = context
  return {
    id: Buffer.from(derivedId(tenant.id, role).replaceAll('-', ''), 'hex').toString('base64url'),
    deletedDateTime: null,
    appRoleId: appRoleIds.get(role) ?? derivedId('app role', role),
    createdDateTime: `${new Date(tenant.directory.createdAt).toISOString().slice(0, 19)}Z`,
    principalDisplayName: 'entra-sync',
    principalId: principalIdOf(context),
    principalType: 'ServicePrincipal',
    resourceDisplayName: 'Microsoft Graph',
    resourceId: graphPrincipalId(tenant.id),
  }
}

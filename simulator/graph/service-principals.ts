import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { noObject, ok, unknownSegment, unsupportedQuery } from './answers.ts'
import { appRoleIds } from './app-roles.ts'
import { guarded } from './guard.ts'
import { contextUrl } from './page-token.ts'
import { option } from './query.ts'
import { rolesFor } from './roles.ts'
import { derivedId } from './tenant-facts.ts'

const graphAppId = '00000003-0000-0000-c000-000000000000'

interface Principal {
  id: string
  appId: string
  displayName: string
  appRoles: object[]
}

/**
 * `/servicePrincipals`: by filter on appId, by id, as `servicePrincipals(appId='...')`, and appRoleAssignments of one.
 * A tenant has two here: Microsoft Graph's and our app's.
 */
export function answerServicePrincipals(
  request: SimRequest,
  context: GraphContext,
  rest: string[],
): SimResponse {
  return guarded(context, null, rolesFor.servicePrincipals, () => {
    const [id, child, more] = rest
    const principals = principalsOf(context)
    if (id === undefined) return listPrincipals(request, context, principals)
    const appId = /^appId=(.+)$/i.exec(id)?.[1]?.toLowerCase()
    const found = principals.find((each) =>
      appId === undefined ? each.id === id.toLowerCase() : each.appId === appId,
    )
    if (found === undefined) return noObject(id)
    if (child === undefined) {
      return ok({
        '@odata.context': `${contextUrl(context.origin, 'servicePrincipals', null)}/$entity`,
        ...render(found),
      })
    }
    if (child !== 'appRoleAssignments' || more !== undefined) return unknownSegment(more ?? child)
    return ok({
      '@odata.context': contextUrl(
        context.origin,
        `servicePrincipals('${found.id}')/appRoleAssignments`,
        null,
      ),
      value: found.appId === graphAppId ? [] : assignments(context, found),
    })
  })
}

function principalsOf({ tenant, appId }: GraphContext): Principal[] {
  return [
    {
      id: graphPrincipalId(tenant.id),
      appId: graphAppId,
      displayName: 'Microsoft Graph',
      appRoles: [...appRoleIds].map(([value, id]) => ({
        allowedMemberTypes: ['Application'],
        displayName: value,
        id,
        isEnabled: true,
        origin: 'Application',
        value,
      })),
    },
    {
      id: tenant.app.servicePrincipalId.toLowerCase(),
      appId: appId.toLowerCase(),
      displayName: 'entra-sync',
      appRoles: [],
    },
  ]
}

function graphPrincipalId(tenantId: string): string {
  return derivedId(tenantId, graphAppId)
}

function render(principal: Principal): Record<string, unknown> {
  return { accountEnabled: true, servicePrincipalType: 'Application', ...principal }
}

function listPrincipals(request: SimRequest, context: GraphContext, principals: Principal[]): SimResponse {
  const filter = option(request, '$filter')
  const appId = filter === null ? null : /^\s*appId\s+eq\s+'([^']+)'\s*$/i.exec(filter)?.[1]?.toLowerCase()
  if (appId === undefined) return unsupportedQuery('Service principals are filtered by appId only.')
  return ok({
    '@odata.context': contextUrl(context.origin, 'servicePrincipals', null),
    value: principals.filter((each) => appId === null || each.appId === appId).map(render),
  })
}

function assignments({ tenant }: GraphContext, principal: Principal): object[] {
  return tenant.app.roles.map((role) => ({
    id: Buffer.from(derivedId(tenant.id, role).replaceAll('-', ''), 'hex').toString('base64url'),
    deletedDateTime: null,
    appRoleId: appRoleIds.get(role) ?? derivedId('app role', role),
    createdDateTime: `${new Date(tenant.directory.createdAt).toISOString().slice(0, 19)}Z`,
    principalDisplayName: principal.displayName,
    principalId: principal.id,
    principalType: 'ServicePrincipal',
    resourceDisplayName: 'Microsoft Graph',
    resourceId: graphPrincipalId(tenant.id),
  }))
}

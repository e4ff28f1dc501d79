import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { noObject, ok, unknownSegment, unsupportedQuery } from './answers.ts'
import { appRoleIds } from './app-roles.ts'
import { guarded } from './guard.ts'
import { contextUrl } from './page-token.ts'
import { option } from './query.ts'
import { rolesFor } from './roles.ts'
import { assignmentOf, graphPrincipalId } from './principals.ts'
import { graphAppId } from '../tokens.ts'
import { addAssignment, listGrants, removeAssignment } from './grants.ts'

interface Principal {
  id: string
  appId: string
  displayName: string
  appRoles: object[]
}

/**
 * `/servicePrincipals`: by filter on appId, by id, as `servicePrincipals(appId='...')`, and appRoleAssignments of one,
 * which may be added and taken away.
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
    const ours = found.appId !== graphAppId
    if (child === 'oauth2PermissionGrants' && more === undefined) {
      return ours
        ? listGrants(context, `servicePrincipals('${found.id}')/oauth2PermissionGrants`)
        : ok({ '@odata.context': contextUrl(context.origin, 'oauth2PermissionGrants', null), value: [] })
    }
    if (child !== 'appRoleAssignments' && child !== 'appRoleAssignedTo') return unknownSegment(child)
    if (request.method === 'POST' && more === undefined) return addAssignment(request, context)
    if (request.method === 'DELETE' && more !== undefined) return removeAssignment(context, more)
    if (request.method !== 'GET' || more !== undefined) return unknownSegment(more ?? child)
    return ok({
      '@odata.context': contextUrl(context.origin, `servicePrincipals('${found.id}')/${child}`, null),
      value:
        ours === (child === 'appRoleAssignedTo')
          ? []
          : context.tenant.app.roles.map((role) => assignmentOf(context, role)),
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

import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { failure, noObject, ok, unknownSegment, unsupportedQuery } from './answers.ts'
import { appRoleIds } from './app-roles.ts'
import { guarded } from './guard.ts'
import { contextUrl } from './page-token.ts'
import { option } from './query.ts'
import { rolesFor } from './roles.ts'
import { appPrincipals, assignmentOf, graphPrincipalId } from './principals.ts'
import type { AppPrincipal } from './principals.ts'
import { graphAppId } from '../tokens.ts'
import { addAssignment, listGrants, removeAssignment, removeServicePrincipal } from './grants.ts'

/** The tenant that Microsoft's own applications belong to. */
const microsoftTenantId = 'f8cdef31-a31e-4b4a-93e4-5f571e91255a'

interface Principal {
  id: string
  appId: string
  displayName: string
  appRoles: object[]
  accountEnabled: boolean
  appOwnerOrganizationId: string | null
  /** null: Microsoft's own. */
  ofApp: AppPrincipal | null
}

/**
 * `/servicePrincipals`: by filter on appId, by id, as `servicePrincipals(appId='...')`, and appRoleAssignments of one,
 * which may be added and taken away; `DELETE` takes all of one away.
 * A tenant has Microsoft Graph's here and those of the apps that were consented there.
 */
export function answerServicePrincipals(
  request: SimRequest,
  context: GraphContext,
  rest: string[],
): SimResponse {
  const [id, child, more] = rest
  if (child === undefined && request.method !== 'GET') {
    return request.method === 'DELETE' && id !== undefined
      ? removeServicePrincipal(context, id)
      : failure(405, 'Request_BadRequest', `The method ${request.method} is not allowed on this resource.`)
  }
  return guarded(context, null, rolesFor.servicePrincipals, () => {
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
    const own = found.ofApp
    if (child === 'oauth2PermissionGrants' && more === undefined) {
      const path = `servicePrincipals('${found.id}')/oauth2PermissionGrants`
      return listGrants(context, path, own === null ? [] : [own])
    }
    if (child !== 'appRoleAssignments' && child !== 'appRoleAssignedTo') return unknownSegment(child)
    if (request.method === 'POST' && more === undefined) return addAssignment(request, context)
    if (request.method === 'DELETE' && more !== undefined) return removeAssignment(context, more)
    if (request.method !== 'GET' || more !== undefined) return unknownSegment(more ?? child)
    // Who holds a role of Graph's, or which roles an app holds: the other way round there is nothing.
    const holders = child === 'appRoleAssignments' ? [own] : own === null ? appPrincipals(context) : []
    return ok({
      '@odata.context': contextUrl(context.origin, `servicePrincipals('${found.id}')/${child}`, null),
      value: holders.flatMap((each) =>
        each === null ? [] : each.app.roles.map((role) => assignmentOf(context, each, role)),
      ),
    })
  })
}

function principalsOf(context: GraphContext): Principal[] {
  const { tenant } = context
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
      accountEnabled: true,
      appOwnerOrganizationId: microsoftTenantId,
      ofApp: null,
    },
    ...appPrincipals(context).map((ofApp) => ({
      id: ofApp.id,
      appId: ofApp.registration.clientId,
      displayName: ofApp.registration.displayName,
      appRoles: [],
      accountEnabled: ofApp.app.state !== 'disabled',
      appOwnerOrganizationId: ofApp.registration.homeTenantId,
      ofApp,
    })),
  ]
}

function render(principal: Principal): Record<string, unknown> {
  const { id, appId, displayName, appRoles, accountEnabled, appOwnerOrganizationId } = principal
  const facts = { id, appId, displayName, appRoles, accountEnabled, appOwnerOrganizationId }
  return { ...facts, servicePrincipalType: 'Application' }
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

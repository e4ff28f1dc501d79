import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { graphAppId } from '../tokens.ts'
import { grantRoles } from '../tenants.ts'
import type { DelegatedGrant, GraphContext, SimRequest, SimResponse } from '../types.ts'
import { badRequest, denied, noObject, ok } from './answers.ts'
import { appRoleIds } from './app-roles.ts'
import { contextUrl } from './page-token.ts'
import { assignmentOf, graphPrincipalId, principalIdOf } from './principals.ts'
import { holds, rolesFor } from './roles.ts'

const assignmentBody = z.object({ principalId: z.guid(), resourceId: z.guid(), appRoleId: z.guid() })
const grantBody = z.object({
  clientId: z.guid(),
  consentType: z.enum(['AllPrincipals', 'Principal']),
  resourceId: z.guid(),
  scope: z.string(),
})

const globalAdministrator = '62e90394-69f5-4237-9190-012177145e10'
const privilegedRole = 'e8611ab8-c189-46e8-94e1-60213ab1f814'

/** Scopes and the user's own roles must both allow it; in the home tenant every technician here is an admin. */
function mayGrant({ roles, user, tenant }: GraphContext, scope: string): boolean {
  if (!roles.includes(scope)) return false
  if (user === null || user.homeTenantId === tenant.id) return true
  return user.directoryRoles.some((role) => role === privilegedRole || role === globalAdministrator)
}

/** `POST` of an app role assignment of our app for Graph, to either of its two documented addresses. */
export function addAssignment(request: SimRequest, context: GraphContext): SimResponse {
  if (
    !mayGrant(context, 'AppRoleAssignment.ReadWrite.All') ||
    !holds(context.roles, rolesFor.servicePrincipals)
  ) {
    return denied()
  }
  const read = assignmentBody.safeParse(parse(request.body))
  if (!read.success) return badRequest('The request body is not a valid app role assignment.')
  const { principalId, resourceId, appRoleId } = read.data
  if (principalId.toLowerCase() !== principalIdOf(context)) return noObject(principalId)
  if (resourceId.toLowerCase() !== graphPrincipalId(context.tenant.id)) return noObject(resourceId)
  const role = [...appRoleIds].find(([, id]) => id === appRoleId.toLowerCase())?.[0]
  if (role === undefined) return badRequest('Permission being assigned was not found on application.')
  const { app } = context.tenant
  if (app.roles.includes(role)) return badRequest('Permission being assigned already exists on the object')
  grantRoles(app, [role], context.rolesDelayMs)
  return { ...ok(assignmentOf(context, role)), status: 201 }
}

export function removeAssignment(context: GraphContext, id: string): SimResponse {
  if (!mayGrant(context, 'AppRoleAssignment.ReadWrite.All')) return denied()
  const { app } = context.tenant
  const role = app.roles.find((each) => assignmentOf(context, each).id === id)
  if (role === undefined) return noObject(id)
  app.roles = app.roles.filter((each) => each !== role)
  return noContent
}

/** `/oauth2PermissionGrants`: what users' tokens may carry, consented for everybody. */
export function answerGrants(request: SimRequest, context: GraphContext, rest: string[]): SimResponse {
  const { app } = context.tenant
  const [id] = rest
  if (request.method === 'GET') {
    if (!holds(context.roles, [...rolesFor.servicePrincipals, 'DelegatedPermissionGrant.ReadWrite.All'])) {
      return denied()
    }
    if (id === undefined) return listGrants(context, 'oauth2PermissionGrants')
    const found = app.delegated.find((grant) => grant.id === id)
    return found === undefined ? noObject(id) : ok(grantOf(context, found))
  }
  if (!mayGrant(context, 'DelegatedPermissionGrant.ReadWrite.All')) return denied()
  if (request.method === 'POST' && id === undefined) return addGrant(request, context)
  const found = app.delegated.find((grant) => grant.id === id)
  if (found === undefined) return noObject(id ?? '')
  if (request.method === 'DELETE') {
    app.delegated = app.delegated.filter((grant) => grant !== found)
    return noContent
  }
  const read = z.object({ scope: z.string() }).safeParse(parse(request.body))
  if (!read.success) return badRequest('The request body is not valid.')
  found.scopes = split(read.data.scope)
  return noContent
}

export function listGrants(context: GraphContext, path: string): SimResponse {
  return ok({
    '@odata.context': contextUrl(context.origin, path, null),
    value: context.tenant.app.delegated.map((grant) => grantOf(context, grant)),
  })
}

function addGrant(request: SimRequest, context: GraphContext): SimResponse {
  const read = grantBody.safeParse(parse(request.body))
  if (!read.success) return badRequest('The request body is not a valid permission grant.')
  const { clientId, resourceId, scope } = read.data
  if (clientId.toLowerCase() !== principalIdOf(context)) return noObject(clientId)
  if (resourceId.toLowerCase() !== graphPrincipalId(context.tenant.id)) return noObject(resourceId)
  const { delegated } = context.tenant.app
  if (delegated.some(({ resourceAppId }) => resourceAppId === graphAppId)) {
    return { ...badRequest('Permission entry already exists.'), status: 409 }
  }
  const grant = { id: randomBytes(24).toString('base64url'), resourceAppId: graphAppId, scopes: split(scope) }
  delegated.push(grant)
  return { ...ok(grantOf(context, grant)), status: 201 }
}

function grantOf(context: GraphContext, grant: DelegatedGrant): object {
  return {
    id: grant.id,
    clientId: principalIdOf(context),
    consentType: 'AllPrincipals',
    principalId: null,
    resourceId: graphPrincipalId(context.tenant.id, grant.resourceAppId),
    scope: grant.scopes.join(' '),
  }
}

function split(scope: string): string[] {
  return scope.trim().split(/\s+/).filter(Boolean)
}

const noContent: SimResponse = { status: 204, headers: {}, body: undefined }

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

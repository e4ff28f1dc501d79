import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { graphAppId } from '../tokens.ts'
import { grantRoles, removePrincipal } from '../tenant-apps.ts'
import type { DelegatedGrant, GraphContext, SimRequest, SimResponse } from '../types.ts'
import { badRequest, denied, noObject, ok, unsupportedQuery } from './answers.ts'
import { appRoleIds } from './app-roles.ts'
import { contextUrl } from './page-token.ts'
import { appPrincipals, assignmentOf, graphPrincipalId } from './principals.ts'
import type { AppPrincipal } from './principals.ts'
import { option } from './query.ts'
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
const applicationAdministrators = [
  globalAdministrator,
  '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3',
  '158c047a-c907-4556-b7ef-446551a6b5f7',
]

function mayGrant(context: GraphContext, scope: string): boolean {
  return mayAs(context, scope, [privilegedRole, globalAdministrator])
}

/** Scopes and the user's own roles must both allow it; in the home tenant every technician here is an admin. */
function mayAs({ roles, user, tenant }: GraphContext, scope: string, directoryRoles: string[]): boolean {
  if (!roles.includes(scope)) return false
  if (user === null || user.homeTenantId === tenant.id) return true
  return user.directoryRoles.some((role) => directoryRoles.includes(role))
}

/** `DELETE` of a service principal: its app roles and delegated grants go with it. */
export function removeServicePrincipal(context: GraphContext, id: string): SimResponse {
  if (!mayAs(context, 'Application.ReadWrite.All', applicationAdministrators)) return denied()
  // Microsoft's own are nobody's to delete.
  if (id.toLowerCase() === graphPrincipalId(context.tenant.id)) return denied()
  const found = principalOf(context, id)
  if (found === undefined) return noObject(id)
  removePrincipal(found.app)
  return noContent
}

/** By object id, or as `appId=...`. */
function principalOf(context: GraphContext, id: string): AppPrincipal | undefined {
  const appId = /^appId=(.+)$/i.exec(id)?.[1]?.toLowerCase()
  return appPrincipals(context).find((each) =>
    appId === undefined ? each.id === id.toLowerCase() : each.registration.clientId === appId,
  )
}

/** `POST` of an app role assignment of an app for Graph, to either of its two documented addresses. */
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
  const principal = principalOf(context, principalId)
  if (principal === undefined) return noObject(principalId)
  if (resourceId.toLowerCase() !== graphPrincipalId(context.tenant.id)) return noObject(resourceId)
  const role = [...appRoleIds].find(([, id]) => id === appRoleId.toLowerCase())?.[0]
  if (role === undefined) return badRequest('Permission being assigned was not found on application.')
  const { app } = principal
  if (app.roles.includes(role)) return badRequest('Permission being assigned already exists on the object')
  grantRoles(app, [role], context.rolesDelayMs)
  return { ...ok(assignmentOf(context, principal, role)), status: 201 }
}

export function removeAssignment(context: GraphContext, id: string): SimResponse {
  if (!mayGrant(context, 'AppRoleAssignment.ReadWrite.All')) return denied()
  for (const principal of appPrincipals(context)) {
    const { app } = principal
    const role = app.roles.find((each) => assignmentOf(context, principal, each).id === id)
    if (role === undefined) continue
    app.roles = app.roles.filter((each) => each !== role)
    return noContent
  }
  return noObject(id)
}

/** `/oauth2PermissionGrants`: what users' tokens may carry, consented for everybody. */
export function answerGrants(request: SimRequest, context: GraphContext, rest: string[]): SimResponse {
  const [id] = rest
  const find = (): { principal: AppPrincipal; grant: DelegatedGrant } | undefined =>
    appPrincipals(context)
      .flatMap((principal) => principal.app.delegated.map((grant) => ({ principal, grant })))
      .find(({ grant }) => grant.id === id)
  if (request.method === 'GET') {
    if (!holds(context.roles, [...rolesFor.servicePrincipals, 'DelegatedPermissionGrant.ReadWrite.All'])) {
      return denied()
    }
    if (id === undefined) return filterGrants(request, context)
    const found = find()
    return found === undefined ? noObject(id) : ok(grantOf(context, found.principal, found.grant))
  }
  if (!mayGrant(context, 'DelegatedPermissionGrant.ReadWrite.All')) return denied()
  if (request.method === 'POST' && id === undefined) return addGrant(request, context)
  const found = find()
  if (found === undefined) return noObject(id ?? '')
  const { app } = found.principal
  if (request.method === 'DELETE') {
    app.delegated = app.delegated.filter((grant) => grant !== found.grant)
    return noContent
  }
  const read = z.object({ scope: z.string() }).safeParse(parse(request.body))
  if (!read.success) return badRequest('The request body is not valid.')
  found.grant.scopes = split(read.data.scope)
  return noContent
}

/** Those of all apps, or of one by `clientId eq 'service principal id'`. */
function filterGrants(request: SimRequest, context: GraphContext): SimResponse {
  const filter = option(request, '$filter')
  const id = filter === null ? null : /^\s*clientId\s+eq\s+'([^']+)'\s*$/i.exec(filter)?.[1]?.toLowerCase()
  if (id === undefined) return unsupportedQuery('Permission grants are filtered by clientId only.')
  const principals = appPrincipals(context).filter((each) => id === null || each.id === id)
  return listGrants(context, 'oauth2PermissionGrants', principals)
}

export function listGrants(context: GraphContext, path: string, principals: AppPrincipal[]): SimResponse {
  return ok({
    '@odata.context': contextUrl(context.origin, path, null),
    value: principals.flatMap((principal) =>
      principal.app.delegated.map((grant) => grantOf(context, principal, grant)),
    ),
  })
}

function addGrant(request: SimRequest, context: GraphContext): SimResponse {
  const read = grantBody.safeParse(parse(request.body))
  if (!read.success) return badRequest('The request body is not a valid permission grant.')
  const { clientId, resourceId, scope } = read.data
  const principal = principalOf(context, clientId)
  if (principal === undefined) return noObject(clientId)
  if (resourceId.toLowerCase() !== graphPrincipalId(context.tenant.id)) return noObject(resourceId)
  const { delegated } = principal.app
  if (delegated.some(({ resourceAppId }) => resourceAppId === graphAppId)) {
    return { ...badRequest('Permission entry already exists.'), status: 409 }
  }
  const grant = { id: randomBytes(24).toString('base64url'), resourceAppId: graphAppId, scopes: split(scope) }
  delegated.push(grant)
  return { ...ok(grantOf(context, principal, grant)), status: 201 }
}

function grantOf(context: GraphContext, principal: AppPrincipal, grant: DelegatedGrant): object {
  return {
    id: grant.id,
    clientId: principal.id,
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

import { z } from 'zod'
import { isEntraSyncError } from '../errors.ts'
import type { GraphClient, GraphWriter } from './client.ts'
import { parseObjects } from './objects.ts'

const principalSchema = z.array(z.object({ id: z.guid() }))
const assignmentsSchema = z.array(
  z.object({ id: z.string().min(1), appRoleId: z.guid(), resourceId: z.guid() }),
)
const grantsSchema = z.array(
  z.object({
    id: z.string().min(1),
    consentType: z.string().nullish(),
    resourceId: z.guid(),
    scope: z.string().nullish(),
  }),
)

/** An application permission that is granted to an app. */
export interface AppRoleAssignment {
  id: string
  appRoleId: string
  resourceId: string
}

/** Delegated scopes that are granted to an app for one API. */
export interface DelegatedGrant {
  id: string
  resourceId: string
  scopes: string[]
}

interface Options {
  signal?: AbortSignal | undefined
}

/** Object id of an app's service principal in the tenant; null = it has none there. */
export async function findPrincipal(
  client: GraphClient,
  appId: string,
  options: Options = {},
): Promise<string | null> {
  const resource = `/servicePrincipals(appId='${encodeURIComponent(appId)}')`
  try {
    const body = await client.get(`${resource}?$select=id`, options)
    return parseObjects(principalSchema, [body], resource)[0]?.id.toLowerCase() ?? null
  } catch (error) {
    if (isEntraSyncError(error, 'not_found')) return null
    throw error
  }
}

export async function listAssignments(
  client: GraphClient,
  principalId: string,
  options: Options = {},
): Promise<AppRoleAssignment[]> {
  const resource = `/servicePrincipals/${principalId}/appRoleAssignments`
  const found: AppRoleAssignment[] = []
  for await (const page of client.pages(resource, options)) {
    for (const { id, appRoleId, resourceId } of parseObjects(assignmentsSchema, page.value, resource))
      found.push({ id, appRoleId: appRoleId.toLowerCase(), resourceId: resourceId.toLowerCase() })
  }
  return found
}

/** Throws 400 where it is there already: read again instead of parsing Graph's words. */
export async function assignRole(
  client: GraphWriter,
  assignment: { principalId: string; resourceId: string; appRoleId: string },
  options: Options = {},
): Promise<void> {
  await client.post(`/servicePrincipals/${assignment.principalId}/appRoleAssignments`, assignment, options)
}

/** One that is gone already counts as removed. */
export async function removeAssignment(
  client: GraphWriter,
  principalId: string,
  id: string,
  options: Options = {},
): Promise<void> {
  await unlessGone(
    client.delete(`/servicePrincipals/${principalId}/appRoleAssignments/${encodeURIComponent(id)}`, options),
  )
}

/** Those for all users of the tenant: the only ones that Partner Center and admin consent make. */
export async function listDelegatedGrants(
  client: GraphClient,
  principalId: string,
  options: Options = {},
): Promise<DelegatedGrant[]> {
  const resource = `/servicePrincipals/${principalId}/oauth2PermissionGrants`
  const found: DelegatedGrant[] = []
  for await (const page of client.pages(resource, options)) {
    for (const grant of parseObjects(grantsSchema, page.value, resource)) {
      if (grant.consentType === 'Principal') continue
      const scopes = (grant.scope ?? '').split(/\s+/).filter(Boolean)
      found.push({ id: grant.id, resourceId: grant.resourceId.toLowerCase(), scopes })
    }
  }
  return found
}

/** Leaves a delegated grant with these scopes only, or removes it where none are left. */
export async function keepScopes(
  client: GraphWriter,
  id: string,
  scopes: readonly string[],
  options: Options = {},
): Promise<void> {
  const path = `/oauth2PermissionGrants/${encodeURIComponent(id)}`
  await unlessGone(
    scopes.length === 0
      ? client.delete(path, options)
      : client.patch(path, { scope: scopes.join(' ') }, options),
  )
}

async function unlessGone(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isEntraSyncError(error, 'not_found')) throw error
  }
}

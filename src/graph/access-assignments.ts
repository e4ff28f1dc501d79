import { z } from 'zod'
import type { GraphClient } from './client.ts'
import { cleanText, objectId, parseObjects } from './objects.ts'

/** Which roles of a GDAP relationship a security group of the partner has. */
export interface AccessAssignment {
  /** `active` is the only one that counts. */
  status: string
  /** Object id of the group in the partner's tenant. */
  groupId: string
  /** Role template ids, lower case. */
  roles: string[]
}

const schema = z.array(
  z.object({
    status: z.string(),
    accessContainer: z.object({ accessContainerId: z.string() }),
    accessDetails: z
      .object({ unifiedRoles: z.array(z.object({ roleDefinitionId: z.string() })).nullish() })
      .nullish(),
  }),
)

/** All assignments of a relationship; `client` is of the partner's tenant. */
export async function listAccessAssignments(
  client: GraphClient,
  relationshipId: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<AccessAssignment[]> {
  const resource = '/tenantRelationships/delegatedAdminRelationships'
  const path = `${resource}/${encodeURIComponent(relationshipId)}/accessAssignments?$top=300`
  const found: AccessAssignment[] = []
  for await (const page of client.pages(path, options)) {
    for (const one of parseObjects(schema, page.value, `${resource}/accessAssignments`)) {
      found.push({
        status: cleanText(one.status),
        groupId: objectId(one.accessContainer.accessContainerId, resource),
        roles: (one.accessDetails?.unifiedRoles ?? []).map((role) =>
          cleanText(role.roleDefinitionId).toLowerCase(),
        ),
      })
    }
  }
  return found
}

const groupSchema = z.array(
  z.object({
    '@odata.type': z.string().optional(),
    id: z.string(),
    displayName: z.string().nullish(),
  }),
)

/** Groups that a user is in, through other groups too, by object id; the name where the app may read it. */
export async function listGroupsOf(
  client: GraphClient,
  userId: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Map<string, string | null>> {
  const resource = `/users/${encodeURIComponent(userId)}/transitiveMemberOf`
  const groups = new Map<string, string | null>()
  for await (const page of client.pages(`${resource}?$select=id,displayName&$top=999`, options)) {
    for (const one of parseObjects(groupSchema, page.value, resource)) {
      if ((one['@odata.type'] ?? '#microsoft.graph.group') !== '#microsoft.graph.group') continue
      groups.set(objectId(one.id, resource), one.displayName == null ? null : cleanText(one.displayName))
    }
  }
  return groups
}

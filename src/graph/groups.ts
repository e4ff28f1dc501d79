import { z } from 'zod'
import {
  objectId,
  parseObjects,
  presentFields,
  refuseReduced,
  removalReason,
  removedSchema,
  type ParseOptions,
} from './objects.ts'

/** A group's properties that its columns are made of, in Graph's names. */
export interface GroupFields {
  displayName: string | null
  mail: string | null
  mailNickname: string | null
  mailEnabled: boolean | null
  securityEnabled: boolean | null
  groupTypes: string[] | null
  resourceProvisioningOptions: string[] | null
  visibility: string | null
  onPremisesSyncEnabled: boolean | null
}

export type MemberType = 'user' | 'group' | 'device' | 'service_principal' | 'contact' | 'other'

/** One entry of a group's `members@delta`, to be applied in order: an edge that is there, or one that is gone. */
export interface MemberChange {
  id: string
  type: MemberType
  removed: boolean
}

export type GroupChange =
  | { id: string; removed: 'changed' | 'deleted' }
  | {
      id: string
      /** Only what was present; null = cleared. A group with many members recurs on later pages, with members only. */
      fields: Partial<GroupFields>
      members: MemberChange[]
    }

export type GroupKind = 'security' | 'microsoft365' | 'mail_enabled_security' | 'distribution'

const groupFields = [
  'displayName',
  'mail',
  'mailNickname',
  'mailEnabled',
  'securityEnabled',
  'groupTypes',
  'resourceProvisioningOptions',
  'visibility',
  'onPremisesSyncEnabled',
] as const satisfies (keyof GroupFields)[]

/** Where a full round of groups begins; `members` brings `members@delta` ($expand is not supported here). */
export const groupsStart = `/groups/delta?$select=id,${groupFields.join(',')},members`

const text = z.string().nullable().exactOptional()
const flag = z.boolean().nullable().exactOptional()
const texts = z.array(z.string()).nullable().exactOptional()

const groupsSchema = z.array(
  z.object({
    id: z.string(),
    '@removed': removedSchema.optional(),
    displayName: text,
    mail: text,
    mailNickname: text,
    mailEnabled: flag,
    securityEnabled: flag,
    groupTypes: texts,
    resourceProvisioningOptions: texts,
    visibility: text,
    onPremisesSyncEnabled: flag,
    'members@delta': z
      .array(
        z.object({
          id: z.string(),
          '@odata.type': z.string().optional(),
          '@removed': removedSchema.optional(),
        }),
      )
      .optional(),
  }),
)

const memberTypes: Record<string, MemberType> = {
  '#microsoft.graph.user': 'user',
  '#microsoft.graph.group': 'group',
  '#microsoft.graph.device': 'device',
  '#microsoft.graph.serviceprincipal': 'service_principal',
  '#microsoft.graph.orgcontact': 'contact',
}

/** The changes of one page of groups/delta, in its order. Throws kind malformed. */
export function parseGroups(value: unknown, options: ParseOptions = {}): GroupChange[] {
  const resource = '/groups/delta'
  return parseObjects(groupsSchema, value, resource).map((group) => {
    const id = objectId(group.id, resource)
    const removed = group['@removed']
    if (removed) return { id, removed: removalReason(removed) }
    const fields = presentFields(group, groupFields)
    const members = group['members@delta']
    refuseReduced(withoutEmpty(fields, options), members !== undefined, options, resource)
    return {
      id,
      fields,
      members: (members ?? []).map((member) => ({
        id: objectId(member.id, resource),
        type: memberTypes[member['@odata.type']?.toLowerCase() ?? ''] ?? 'other',
        removed: member['@removed'] !== undefined,
      })),
    }
  })
}

/** Collections are empty, not null, on an object whose type may not be read. */
function withoutEmpty(fields: Partial<GroupFields>, { full = false }: ParseOptions): object {
  if (!full) return fields
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => !Array.isArray(value) || value.length > 0),
  )
}

/**
 * The four kinds of groups; dynamic membership and being a Team are said beside it.
 * @see https://learn.microsoft.com/graph/api/resources/groups-overview
 */
export function kindOfGroup(
  group: Partial<Pick<GroupFields, 'groupTypes' | 'mailEnabled' | 'securityEnabled'>>,
): GroupKind {
  if (group.groupTypes?.includes('Unified')) return 'microsoft365'
  if (!group.mailEnabled) return 'security'
  return group.securityEnabled ? 'mail_enabled_security' : 'distribution'
}

import type { DirectoryGroup, Edge } from '../directory/objects.ts'
import type { GraphContext, MemberType } from '../types.ts'
import { mayReadHidden } from './roles.ts'

/**
 * Where the telling of a group's members stands: position in the round's diff (-1 = no diff), and seq of the last
 * member told in full (-1 = not told in full). The seq makes it safe against members that come and go meanwhile.
 */
export interface MemberCursor {
  diff: number
  edge: number
}

export const memberTypeNames: Record<MemberType, string> = {
  user: '#microsoft.graph.user',
  group: '#microsoft.graph.group',
  device: '#microsoft.graph.device',
  service_principal: '#microsoft.graph.servicePrincipal',
  contact: '#microsoft.graph.orgContact',
}

type Entry = Record<string, unknown>

/** At most `most` entries of `members@delta`, and where to go on; null = the group is told. */
export function takeMembers(
  group: DirectoryGroup,
  changes: { memberIds: string[] } | null,
  cursor: MemberCursor,
  most: number,
  context: GraphContext,
): { entries: Entry[]; cursor: MemberCursor | null } {
  if (group.properties['visibility'] === 'HiddenMembership' && !mayReadHidden(context.roles)) {
    return { entries: [], cursor: null }
  }
  const entries: Entry[] = []
  let { diff, edge } = cursor
  const memberIds = changes?.memberIds ?? []
  for (; diff >= 0 && diff < memberIds.length && entries.length < most; diff += 1) {
    entries.push(diffEntry(group, memberIds[diff] ?? '', context))
  }
  if (diff >= 0 && diff < memberIds.length) return { entries, cursor: { diff, edge } }
  if (edge < 0) return { entries, cursor: null }
  const rest = edgesAfter(group, edge, most - entries.length)
  for (const member of rest)
    entries.push({ '@odata.type': memberTypeNames[member.type], id: member.memberId })
  edge = rest.at(-1)?.seq ?? edge
  const more = edgesAfter(group, edge, 1).length > 0
  return { entries, cursor: more ? { diff: -1, edge } : null }
}

/** Whether the member belongs to the group now: a diff tells the outcome, not the steps. */
function diffEntry(group: DirectoryGroup, memberId: string, { tenant }: GraphContext): Entry {
  const edge = group.members.get(memberId)
  const type = edge?.type ?? tenant.directory.typeOf(memberId)
  return {
    ...(type !== null && { '@odata.type': memberTypeNames[type] }),
    id: memberId,
    ...(edge === undefined && { '@removed': { reason: 'deleted' } }),
  }
}

function edgesAfter(group: DirectoryGroup, seq: number, most: number): Edge[] {
  if (most <= 0) return []
  const found: Edge[] = []
  for (const edge of group.members.values()) {
    if (edge.seq <= seq) continue
    found.push(edge)
    if (found.length === most) break
  }
  return found
}

import { askFullRound } from '../db/cursors.ts'
import { GROUPS, judgeKinds } from '../db/groups.ts'
import { mergeMembers, type MemberRow } from '../db/members.ts'
import { mergeRows, type MergeRow } from '../db/merge.ts'
import { notePresent, pendRemovals } from '../db/seen.ts'
import { groupsStart, kindOfGroup, parseGroups, type GroupChange, type GroupFields } from '../graph/groups.ts'
import type { Collection } from './collections.ts'
import { columnsOf } from './columns.ts'

export const groups: Collection = {
  name: 'groups',
  required: true,
  delta: true,
  start: groupsStart,
  kinds: ['group', 'membership'],
  stored: 'groups',
  table: GROUPS,
  parse(value, { full, hiddenReadable }) {
    const page = foldGroups(parseGroups(value, { full }), hiddenReadable)
    return async (db, round) => {
      const { entraTenantId, roundId } = round
      const group = { entraTenantId, roundId, kind: 'group' as const }
      const membership = { entraTenantId, roundId, kind: 'membership' as const }
      await notePresent(
        db,
        { ...group, seen: false },
        page.rows.map((row) => [row.object_id]),
      )
      await notePresent(
        db,
        { ...membership, seen: round.sweeps },
        page.members.map((row) => [row.group_id, row.member_id]),
      )
      const written = await mergeRows(db, GROUPS, entraTenantId, page.rows, round.sweeps ? roundId : null)
      // While a group was deleted nobody told who left it, and what its return tells are only those who are there.
      if (round.mode === 'delta' && written.restored.length > 0)
        await askFullRound(db, entraTenantId, 'groups')
      await judgeKinds(db, entraTenantId, page.rekinded)
      const members = await mergeMembers(db, entraTenantId, page.members)
      await pendRemovals(db, membership, page.left)
      await pendRemovals(db, group, page.removed)
      await pendRemovals(db, group, page.purged, true)
      return {
        added: written.added,
        changed: written.changed,
        unchanged: written.unchanged,
        linked: members.added + members.changed,
      }
    }
  },
}

export interface GroupsPage {
  rows: MergeRow[]
  /** Groups of which only a part of what makes their kind was told; `unified` null = not told. */
  rekinded: { object_id: string; unified: boolean | null }[]
  members: MemberRow[]
  /** Memberships that ended: group id, member id. */
  left: string[][]
  removed: string[][]
  purged: string[][]
}

/** One state per group and per membership out of a page in which each may occur several times: the last word counts. */
export function foldGroups(changes: readonly GroupChange[], hiddenReadable: boolean): GroupsPage {
  const fields = new Map<string, Partial<GroupFields>>()
  const edges = new Map<string, MemberRow & { removed: boolean }>()
  const removed = new Map<string, boolean>()
  for (const change of changes) {
    if ('removed' in change) {
      removed.set(change.id, change.removed === 'deleted')
      fields.delete(change.id)
      for (const [key, edge] of edges) if (edge.group_id === change.id) edges.delete(key)
      continue
    }
    removed.delete(change.id)
    fields.set(change.id, { ...fields.get(change.id), ...change.fields })
    for (const member of change.members) {
      edges.set(`${change.id}/${member.id}`, {
        group_id: change.id,
        member_id: member.id,
        member_type: member.type,
        removed: member.removed,
      })
    }
  }
  const gone = (purged: boolean) => [...removed].filter(([, reason]) => reason === purged).map(([id]) => [id])
  const all = [...edges.values()]
  return {
    rows: [...fields].map(([id, known]) => groupRow(id, known, hiddenReadable)),
    rekinded: [...fields]
      .filter(([, known]) => !isWhole(known) && ofKind.some((name) => known[name] !== undefined))
      .map(([id, { groupTypes }]) => ({
        object_id: id,
        unified: groupTypes === undefined ? null : (groupTypes?.includes('Unified') ?? false),
      })),
    members: all
      .filter((edge) => !edge.removed)
      .map(({ group_id, member_id, member_type }) => ({ group_id, member_id, member_type })),
    left: all.filter((edge) => edge.removed).map((edge) => [edge.group_id, edge.member_id]),
    removed: gone(false),
    purged: gone(true),
  }
}

const ofKind = ['groupTypes', 'mailEnabled', 'securityEnabled'] as const

/** All that makes a group's kind was told; in a delta only what has changed may be. */
function isWhole(fields: Partial<GroupFields>): boolean {
  return ofKind.every((name) => fields[name] !== undefined)
}

function groupRow(id: string, fields: Partial<GroupFields>, hiddenReadable: boolean): MergeRow {
  const { groupTypes, resourceProvisioningOptions, visibility, ...columns } = fields
  const row: MergeRow = { ...columnsOf(columns), object_id: id }
  if (isWhole(fields)) row['kind'] = kindOfGroup(fields)
  if (groupTypes !== undefined) {
    row['is_dynamic'] = groupTypes?.includes('DynamicMembership') ?? false
  }
  if (resourceProvisioningOptions !== undefined)
    row['is_team'] = resourceProvisioningOptions?.includes('Team') ?? false
  if (visibility !== undefined) {
    row['visibility'] = visibility
    // Without the permission Graph shows such a group without members, which must not read as an empty group.
    row['members_visible'] = hiddenReadable || visibility !== 'HiddenMembership'
  }
  return row
}

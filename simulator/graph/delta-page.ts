import type { Change } from '../directory/object-table.ts'
import type { DirectoryGroup, DirectoryObject } from '../directory/objects.ts'
import type { GraphContext, SimRequest } from '../types.ts'
import type { DeltaSource } from './delta.ts'
import { takeMembers } from './delta-members.ts'
import type { MemberCursor } from './delta-members.ts'
import type { Round, Tracked } from './page-token.ts'
import { header } from './query.ts'
import { propertyOf, renderReduced } from './render.ts'

/** Field reports say about 200 objects a page, and large groups fill pages with fewer. */
const objectsPerPage = 200
const membersPerPage = 1000
/** Groups whose members are told over several pages at once; keeps links short. */
const mostOpen = 8

type Told = Record<string, unknown>

/** What happened to one object in a round. */
interface Changes {
  lifecycle: boolean
  restored: boolean
  names: Set<string>
  /** Members that joined or left, each once. */
  memberIds: string[]
}

/** One page of a round, and where the round goes on; null = it ends here. */
export function buildPage(
  request: SimRequest,
  context: GraphContext,
  source: DeltaSource,
  round: Round,
  tracked: Tracked,
): { value: Told[]; next: Round | null } {
  const { faults, tenant } = context
  const { knobs } = faults
  const { directory } = tenant
  const table = source.table(directory)
  if (round.empty < 2 && faults.random() < knobs.emptyPages) {
    faults.applied('emptyPages')
    return { value: [], next: { ...round, empty: round.empty + 1 } }
  }
  const minimal = /\breturn=minimal\b/i.test(header(request, 'prefer'))
  const places = round.from === null ? table.countAt(round.to) : round.to - round.from
  const size = knobs.pageSize ?? objectsPerPage
  const value: Told[] = []
  const open: Round['open'] = []
  const again: number[] = []
  const told = { members: 0 }

  const tellMembers = (object: DirectoryObject, changes: Changes | null, cursor: MemberCursor): Told => {
    if (!tracked.members) return {}
    const most = Math.min(knobs.splitMembers ?? membersPerPage, Math.max(1, membersPerPage - told.members))
    const slice = takeMembers(object as DirectoryGroup, changes, cursor, most, context)
    if (slice.cursor !== null) {
      open.push({ index: object.index, ...slice.cursor })
      if (knobs.splitMembers !== null) faults.applied('splitMembers')
    }
    told.members += slice.entries.length
    return slice.entries.length === 0 ? {} : { 'members@delta': slice.entries }
  }
  const tell = (object: DirectoryObject): void => {
    if (tracked.ids !== null && !tracked.ids.includes(object.id)) return
    const changes = round.from === null ? null : changesOf(table.log, object, round.from, round.to)
    const properties = tellProperties(object, changes, { source, tracked, minimal, context })
    if (properties === null) return
    const whole = object.state === 'live' && !('@odata.type' in properties)
    value.push(whole ? { ...properties, ...tellMembers(object, changes, firstSlice(changes)) } : properties)
  }

  // Groups left open on earlier pages come after a few others: their occurrences need not be neighbours.
  for (const { index, ...cursor } of round.open) {
    const group = table.order[index]
    if (group?.state !== 'live') continue
    const changes = round.from === null ? null : changesOf(table.log, group, round.from, round.to)
    const slice = tellMembers(group, changes, cursor)
    if ('members@delta' in slice) value.push({ id: group.id, ...slice })
  }
  for (const index of round.again) {
    const object = table.order[index]
    if (object !== undefined) tell(object)
  }
  let { at } = round
  while (at < places && value.length < size && told.members < membersPerPage && open.length < mostOpen) {
    const place = (round.offset + at * round.step) % places
    at += 1
    const object = objectAt(table, round.from, place)
    if (object === null) continue
    const before = value.length
    tell(object)
    if (value.length === before || faults.random() >= knobs.duplicates) continue
    faults.applied('duplicates')
    if (faults.random() < 0.5) again.push(object.index)
    else tell(object)
  }
  if (knobs.shuffle) shuffle(value, faults.random)
  const done = at >= places && open.length === 0 && again.length === 0
  return { value, next: done ? null : { ...round, at, open, again, empty: 0 } }
}

/** The object to be told at a place of the round; null where its first entry in the round is another one. */
function objectAt(
  table: { order: DirectoryObject[]; log: Change[] },
  from: number | null,
  place: number,
): DirectoryObject | null {
  if (from === null) return table.order[place] ?? null
  const change = table.log[from + place]
  if (change === undefined || change.previous > from) return null
  return table.order[change.index] ?? null
}

function changesOf(log: Change[], object: DirectoryObject, from: number, to: number): Changes {
  const changes: Changes = { lifecycle: false, restored: false, names: new Set(), memberIds: [] }
  const memberIds = new Set<string>()
  for (let seq = object.lastSeq; seq > from;) {
    const change = log[seq - 1]
    if (change === undefined) break
    seq = change.previous
    if (change.seq > to) continue
    if (change.kind === 'member') memberIds.add(change.memberId ?? '')
    else if (change.kind === 'updated') for (const name of change.names) changes.names.add(name)
    else changes.lifecycle = true
    if (change.kind === 'restored') changes.restored = true
  }
  changes.memberIds = [...memberIds]
  return changes
}

/** A restored group is told anew with all its members; one made in this round has them all among the changes. */
function firstSlice(changes: Changes | null): MemberCursor {
  return changes === null ? { diff: -1, edge: 0 } : { diff: 0, edge: changes.restored ? 0 : -1 }
}

/** The object without its members; null when nothing that is tracked has changed. */
function tellProperties(
  object: DirectoryObject,
  changes: Changes | null,
  {
    source,
    tracked,
    minimal,
    context,
  }: {
    source: DeltaSource
    tracked: Tracked
    minimal: boolean
    context: GraphContext
  },
): Told | null {
  const { type, collection } = source
  const names = tracked.names ?? type.defaults ?? [...type.properties]
  const changed = changes === null ? [] : names.filter((name) => changes.names.has(name))
  const relevant =
    changes?.lifecycle !== false ||
    changed.length > 0 ||
    (tracked.members && (changes?.memberIds.length ?? 0) > 0)
  if (!relevant) return null
  if (object.state !== 'live') {
    // Also when it was deleted after the round began: its changes are of no more use to anybody, and if it were passed
    // over, a member that left before it was deleted and restored would never be told.
    if (changes === null) return null
    return { id: object.id, '@removed': { reason: object.state === 'deleted' ? 'changed' : 'deleted' } }
  }
  if (context.faults.knobs.reduced.includes(collection)) {
    context.faults.applied('reduced')
    return renderReduced(object.id, tracked.names, type)
  }
  const told: Told = { id: object.id }
  for (const name of minimal && changes?.lifecycle === false ? changed : names) {
    const value = propertyOf(object, name, type, context.tenant.directory)
    if (value !== undefined) told[name] = value
  }
  return told
}

function shuffle(items: unknown[], random: () => number): void {
  for (let index = items.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1))
    ;[items[index], items[other]] = [items[other], items[index]]
  }
}

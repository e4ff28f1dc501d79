import type { DirectoryGroup, DirectoryObject, Edge } from '../directory/objects.ts'
import type { GraphContext, MemberType, SimCollection, SimRequest, SimResponse } from '../types.ts'
import { badRequest, text, unknownSegment, unsupportedQuery } from './answers.ts'
import { memberTypeNames } from './delta-members.ts'
import { answerList } from './list.ts'
import { deviceType, groupType, userType } from './properties.ts'
import type { EntityType } from './properties.ts'
import { isEventual, option } from './query.ts'
import { renderObject, renderReduced } from './render.ts'
import { mayReadHidden, mayReadType } from './roles.ts'

const casts: Record<string, MemberType> = {
  'microsoft.graph.user': 'user',
  'microsoft.graph.group': 'group',
  'microsoft.graph.device': 'device',
  'microsoft.graph.serviceprincipal': 'service_principal',
  'microsoft.graph.orgcontact': 'contact',
}

const types: Partial<Record<MemberType, { type: EntityType; collection: SimCollection }>> = {
  user: { type: userType, collection: 'users' },
  group: { type: groupType, collection: 'groups' },
  device: { type: deviceType, collection: 'devices' },
}

/** `/groups/{id}/members`, `/transitiveMembers`, with cast and $count; `rest` as in /groups. */
export function answerMembers(
  request: SimRequest,
  context: GraphContext,
  group: DirectoryGroup,
  rest: string[],
): SimResponse {
  const hidden = group.properties['visibility'] === 'HiddenMembership' && !mayReadHidden(context.roles)
  const edges = hidden
    ? []
    : rest[1] === 'transitiveMembers'
      ? transitiveEdges(context, group)
      : [...group.members.values()]
  return answerEdges(request, context, edges, rest)
}

/** Every object below the group once, whatever cycles there are; the group itself is none of them. */
function transitiveEdges({ tenant, roles }: GraphContext, group: DirectoryGroup): Edge[] {
  const found = new Map<string, Edge>()
  const open = [group]
  for (let inner = open.pop(); inner !== undefined; inner = open.pop()) {
    if (inner.properties['visibility'] === 'HiddenMembership' && !mayReadHidden(roles)) continue
    for (const edge of inner.members.values()) {
      if (edge.memberId === group.id || found.has(edge.memberId)) continue
      found.set(edge.memberId, edge)
      const below = edge.type === 'group' ? tenant.directory.groups.find(edge.memberId) : undefined
      if (below?.state === 'live') open.push(below)
    }
  }
  return [...found.values()]
}

/** `/users/{id}/memberOf` and `/transitiveMemberOf`, with cast and $count. */
export function answerMemberOf(
  request: SimRequest,
  context: GraphContext,
  id: string,
  rest: string[],
): SimResponse {
  const { directory } = context.tenant
  const found = new Map<string, DirectoryGroup>()
  const open = directory.groupsOf(id)
  for (let group = open.pop(); group !== undefined; group = open.pop()) {
    if (found.has(group.id)) continue
    found.set(group.id, group)
    if (rest[1] === 'transitiveMemberOf') open.push(...directory.groupsOf(group.id))
  }
  const edges = [...found.values()]
    .sort((left, right) => left.index - right.index)
    .map((group): Edge => ({ memberId: group.id, type: 'group', seq: group.index }))
  return answerEdges(request, context, edges, rest)
}

function answerEdges(
  request: SimRequest,
  context: GraphContext,
  edges: Edge[],
  [owner = '', relation = '', ...rest]: string[],
): SimResponse {
  const type = casts[rest[0]?.toLowerCase() ?? '']
  const more = type === undefined ? rest : rest.slice(1)
  const { directory } = context.tenant
  // A soft-deleted object stays a member, but reads don't show it.
  const wanted = edges.filter(
    (edge) =>
      (type === undefined || edge.type === type) && (objectOf(context, edge)?.state ?? 'live') === 'live',
  )
  if (more[0] === '$count' && more.length === 1) {
    if (!isEventual(request)) return unsupportedQuery('$count needs the header ConsistencyLevel: eventual.')
    return text(String(wanted.length))
  }
  if (more[0] !== undefined) return unknownSegment(more[0])
  if (option(request, '$filter') !== null || option(request, '$orderby') !== null) {
    return badRequest(`The query option is not supported on '${relation}'.`)
  }
  const names = selected(request)
  const set = directory.groups.find(owner) === undefined ? 'users' : 'groups'
  return answerList(request, context, {
    path: `/${set}/${owner}/${[relation, ...(type === undefined ? [] : [rest[0] ?? ''])].join('/')}`,
    context: type === undefined ? 'directoryObjects' : `${type}s`,
    names: null,
    items: wanted,
    fits: () => true,
    render: (edge) => renderMember(context, edge, names),
  })
}

function selected(request: SimRequest): string[] | null {
  const names = option(request, '$select')
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean)
  return names === undefined || names.length === 0 ? null : [...new Set(['id', ...names])]
}

function objectOf({ tenant: { directory } }: GraphContext, edge: Edge): DirectoryObject | undefined {
  if (edge.type === 'user') return directory.users.find(edge.memberId)
  return edge.type === 'group' ? directory.groups.find(edge.memberId) : directory.devices.find(edge.memberId)
}

/** A member with its type: whole where that type may be read, otherwise id and type only, without any error. */
export function renderMember(
  context: GraphContext,
  edge: { memberId: string; type: MemberType },
  names: readonly string[] | null,
): Record<string, unknown> {
  const known = types[edge.type]
  const object = objectOf(context, { ...edge, seq: 0 })
  const odataType = { '@odata.type': memberTypeNames[edge.type] }
  if (known === undefined || object === undefined) return { ...odataType, id: edge.memberId }
  // Properties of other types among the selected ones are none of this member's.
  const own = names?.filter((name) => known.type.properties.has(name)) ?? null
  const { faults } = context
  const reduced = faults.knobs.reduced.includes(known.collection)
  if (reduced) faults.applied('reduced')
  if (reduced || !mayReadType(context.roles, edge.type)) return renderReduced(edge.memberId, own, known.type)
  return { ...odataType, ...renderObject(object, own, known.type, context.tenant.directory) }
}

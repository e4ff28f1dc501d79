import type { DirectoryGroup } from '../directory/objects.ts'
import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { noObject, ok, unknownSegment } from './answers.ts'
import { answerDelta } from './delta.ts'
import { countObjects, listObjects, readObject } from './directory-lists.ts'
import type { Collection } from './directory-lists.ts'
import { guarded } from './guard.ts'
import { answerMemberOf, answerMembers, renderMember } from './members.ts'
import { contextUrl } from './page-token.ts'
import { groupType } from './properties.ts'
import { option } from './query.ts'
import { holds, mayReadHidden, rolesFor } from './roles.ts'

/** What $expand=members shows at most, and no link to more. */
const mostExpanded = 20

export const groups: Collection = {
  collection: 'groups',
  type: groupType,
  table: (directory) => directory.groups,
  expand(request, context, object) {
    const expand = option(request, '$expand')
    if (expand === null || !/^members\b/i.test(expand.trim())) return {}
    const group = context.tenant.directory.groups.find(object.id)
    const hidden = group?.properties['visibility'] === 'HiddenMembership' && !mayReadHidden(context.roles)
    const readable = !hidden && holds(context.roles, rolesFor.members)
    const members = readable ? [...(group?.members.values() ?? [])].slice(0, mostExpanded) : []
    return { members: members.map((edge) => renderMember(context, edge, null)) }
  },
}

/** `/groups...`; `rest` are the segments after it. */
export function answerGroups(request: SimRequest, context: GraphContext, rest: string[]): SimResponse {
  const [id, child, cast] = rest
  if (id === undefined) {
    return guarded(context, 'groups', rolesFor.groups, () => listObjects(request, context, groups))
  }
  if (id === '$count' && child === undefined) {
    return guarded(context, 'groups', rolesFor.groups, () => countObjects(request, context, groups))
  }
  if (id === 'delta' && child === undefined) {
    return guarded(context, 'groups', rolesFor.groups, () => answerDelta(request, context, groups))
  }
  const group = context.tenant.directory.groups.find(id)
  const ofLive = (answer: (live: DirectoryGroup) => SimResponse) => (): SimResponse =>
    group?.state === 'live' ? answer(group) : noObject(id)
  switch (child) {
    case undefined:
      return guarded(context, 'groups', rolesFor.groups, () =>
        readObject(request, context, groups, group, id),
      )
    case 'members':
    case 'transitiveMembers':
      return guarded(
        context,
        'groups',
        rolesFor.members,
        ofLive((live) => answerMembers(request, context, live, rest)),
      )
    case 'memberOf':
    case 'transitiveMemberOf':
      return guarded(
        context,
        'groups',
        rolesFor.members,
        ofLive((live) => answerMemberOf(request, context, live.id, rest)),
      )
    case 'owners':
      if (cast !== undefined) return unknownSegment(cast)
      return guarded(
        context,
        'groups',
        rolesFor.owners,
        ofLive(() =>
          ok({ '@odata.context': contextUrl(context.origin, 'directoryObjects', null), value: [] }),
        ),
      )
    default:
      return unknownSegment(child)
  }
}

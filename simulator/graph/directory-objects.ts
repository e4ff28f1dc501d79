import { z } from 'zod'
import type { GraphContext, MemberType, SimRequest, SimResponse } from '../types.ts'
import { badRequest, denied, ok, unknownSegment } from './answers.ts'
import { listObjects } from './directory-lists.ts'
import { groups } from './groups.ts'
import { guarded } from './guard.ts'
import { renderMember } from './members.ts'
import { contextUrl } from './page-token.ts'
import { holds, mayReadType, rolesFor } from './roles.ts'
import { users } from './users.ts'

const byIdsSchema = z.object({ ids: z.array(z.string()).min(1), types: z.array(z.string()).optional() })
const mostIds = 1000

/** POST /directoryObjects/getByIds: what is found, in the order asked; unknown ids are left out without a word. */
export function answerByIds(request: SimRequest, context: GraphContext): SimResponse {
  if (!holds(context.roles, rolesFor.byIds)) return denied()
  const body = byIdsSchema.safeParse(parseJson(request.body))
  if (!body.success) return badRequest('The request body needs an array of ids.')
  const { ids, types } = body.data
  if (ids.length > mostIds) return badRequest(`At most ${mostIds} ids may be asked for at once.`)
  const wanted = types?.map((type) => type.toLowerCase())
  const { directory } = context.tenant
  const value = [...new Set(ids.map((id) => id.toLowerCase()))].flatMap((memberId) => {
    const object =
      directory.users.find(memberId) ?? directory.groups.find(memberId) ?? directory.devices.find(memberId)
    const type: MemberType | null = directory.typeOf(memberId)
    if (object?.state !== 'live' || type === null) return []
    if (wanted !== undefined && !wanted.includes(type) && !wanted.includes('directoryobject')) return []
    return mayReadType(context.roles, type) ? [renderMember(context, { memberId, type }, null)] : []
  })
  return ok({ '@odata.context': contextUrl(context.origin, 'directoryObjects', null), value })
}

/** `/directory/deletedItems/microsoft.graph.user` (or group): what can still be restored. */
export function answerDeletedItems(request: SimRequest, context: GraphContext, rest: string[]): SimResponse {
  const [cast = '', child] = rest
  if (child !== undefined) return unknownSegment(child)
  const path = `/directory/deletedItems/${cast}`
  if (cast === 'microsoft.graph.user') {
    return guarded(context, 'users', rolesFor.deletedUsers, () =>
      listObjects(request, context, users, { path, state: 'deleted' }),
    )
  }
  if (cast === 'microsoft.graph.group') {
    return guarded(context, 'groups', rolesFor.deletedGroups, () =>
      listObjects(request, context, groups, { path, state: 'deleted' }),
    )
  }
  return unknownSegment(cast)
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // What is no JSON fails the schema like any other wrong body.
    return null
  }
}

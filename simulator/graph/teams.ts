import type { DirectoryGroup } from '../directory/objects.ts'
import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { failure, ok, unknownSegment } from './answers.ts'
import { answerList } from './list.ts'
import { contextUrl } from './page-token.ts'
import { teamType } from './properties.ts'
import { option, readSelect } from './query.ts'
import { holds, rolesFor } from './roles.ts'

/** `/teams` and `/teams/{id}`; the id is the group's. */
export function answerTeams(request: SimRequest, context: GraphContext, [id, child]: string[]): SimResponse {
  if (child !== undefined) return unknownSegment(child)
  const wanted = id === undefined ? rolesFor.teams : rolesFor.team
  const { faults } = context
  const forbidden = faults.knobs.forbidden.includes('teams')
  if (forbidden) faults.applied('forbidden')
  if (forbidden || !holds(context.roles, wanted)) return teamsDenied(wanted, context.roles)
  const select = readSelect(option(request, '$select'), teamType)
  if ('refusal' in select) return select.refusal
  const names = select.names ?? [...teamType.properties]
  const { groups } = context.tenant.directory
  if (id === undefined) {
    return answerList(request, context, {
      path: '/teams',
      context: 'teams',
      names: select.names,
      items: groups.order,
      fits: isTeam,
      // The list tells these three; all else is null whatever was selected.
      render: (group) => renderTeam(group, context, names, (name) => listed.has(name)),
    })
  }
  const group = groups.find(id)
  if (group === undefined || !isTeam(group)) {
    return failure(404, 'NotFound', `No team found with Group Id ${id}`)
  }
  return ok({
    '@odata.context': `${contextUrl(context.origin, 'teams', select.names)}/$entity`,
    ...renderTeam(group, context, names, () => true),
  })
}

const listed = new Set(['id', 'displayName', 'description'])

function isTeam(group: DirectoryGroup): boolean {
  const options = group.properties['resourceProvisioningOptions']
  return group.state === 'live' && Array.isArray(options) && options.includes('Team')
}

function renderTeam(
  group: DirectoryGroup,
  { tenant }: GraphContext,
  names: readonly string[],
  told: (name: string) => boolean,
): Record<string, unknown> {
  const stored = group.properties['visibility']
  const visibility = typeof stored === 'string' ? stored : 'Private'
  const thread = `19:${group.id.replaceAll('-', '')}@thread.tacv2`
  const all: Record<string, unknown> = {
    id: group.id,
    displayName: group.properties['displayName'],
    description: group.properties['description'],
    createdDateTime: group.properties['createdDateTime'],
    internalId: thread,
    tenantId: tenant.id,
    isArchived: group.properties['isArchived'] === true,
    visibility: visibility.charAt(0).toLowerCase() + visibility.slice(1),
    specialization: 'none',
    webUrl: `https://teams.microsoft.com/l/team/${encodeURIComponent(thread)}/conversations?groupId=${group.id}&tenantId=${tenant.id}`,
  }
  return Object.fromEntries(names.map((name) => [name, told(name) ? (all[name] ?? null) : null]))
}

/** Teams words its refusal its own way. */
function teamsDenied(wanted: readonly string[], roles: readonly string[]): SimResponse {
  return failure(
    403,
    'Forbidden',
    `Missing role permissions on the request. API requires one of '${wanted.join(', ')}'. Roles on the request '${roles.join(', ')}'.`,
  )
}

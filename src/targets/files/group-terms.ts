import { isGuid } from './checks.ts'
import { unknownId, type Draft, type Tell, type Term } from './drafts.ts'
import type { NameMatch, WantedName } from './lookups/group-names.ts'
import type { Groups } from './lookups/groups.ts'
import type { Tenants } from './lookups/tenants.ts'
import { didYouMean } from './nearest.ts'
import type { TargetEntry } from './target-schema.ts'
import type { TargetKeys } from './types.ts'

/** How a message calls an Entra tenant: by the tenant that is linked to it. */
function nameOf(entraTenantId: string, tenants: Tenants): string {
  return tenants.linkedTo(entraTenantId)[0]?.name ?? `the Entra tenant ${entraTenantId}`
}

/** The Entra tenants of a draft's reach; null = all. */
function entraTenantsOf({ reach }: Draft, tenants: Tenants): string[] | null {
  if (reach === null) return null
  const ids = [...reach].map((id) => tenants.byId.get(id)?.entraTenantId)
  return [...new Set(ids.filter((id) => typeof id === 'string'))]
}

/** One group or Team. Undefined = told why not. */
export function groupTerm(
  { entry, path, excluded }: Term,
  draft: Draft,
  groups: Groups,
  tenants: Tenants,
  tell: Tell,
): TargetKeys | undefined {
  const text = entry.group ?? entry.team ?? ''
  const { tenant } = draft
  const wrong = (code: string, message: string): undefined => {
    tell('error', code, path, message)
  }
  const found = groups.find({ text, entraTenantId: tenant?.entraTenantId ?? null })
  const [group, ...others] = found
  if (isGuid(text)) {
    if (group === undefined) return wrong('group_unknown', unknownId(text))
  } else {
    if (tenant === null) return wrong('tenant_needed', `In which tenant is the group ${text}? Add tenant.`)
    if (tenant.entraTenantId === null) {
      return wrong(
        'tenant_unlinked',
        `${tenant.name} is linked to no Entra tenant, so it has no groups. Link it first.`,
      )
    }
    if (group === undefined) {
      const near = didYouMean(text, groups.namesIn(tenant.entraTenantId))
      const hint = tenant.syncedOnce ? near : ' It has not been synced yet.'
      return wrong('group_unknown', `There is no group ${JSON.stringify(text)} in ${tenant.name}.${hint}`)
    }
    if (others.length > 0) {
      const ids = found.map(({ groupId }) => groupId).join(', ')
      return wrong(
        'group_ambiguous',
        `${tenant.name} has ${found.length} groups named ${JSON.stringify(text)}: ${ids}. Use the object id of one, or group_name for all of them.`,
      )
    }
  }
  const called = `The group ${JSON.stringify(group.name ?? group.groupId)}`
  const within = entraTenantsOf(draft, tenants)
  if (within !== null && !within.includes(group.entraTenantId)) {
    const hint = excluded ? 'Nobody there is reached anyway: remove it.' : 'Change or remove tenant.'
    return wrong(
      'group_foreign',
      `${called} belongs to ${nameOf(group.entraTenantId, tenants)}, not to ${tenant?.name ?? '?'} or a tenant below it. ${hint}`,
    )
  }
  if (entry.team !== undefined && !group.isTeam) {
    return wrong('not_a_team', `${called} has no Team. Use group instead of team.`)
  }
  if (group.gone) {
    tell(
      'warning',
      'group_gone',
      path,
      `${called} is deleted. The deployment keeps the targets that it has and gives no new ones.`,
    )
  }
  return { group_id: group.groupId }
}

/** Groups of a name or pattern, as they are to be looked up. */
export function nameOfTerm({ entry }: Term, draft: Draft, tenants: Tenants): WantedName[] {
  const { group_name: given } = entry
  if (given === undefined) return []
  const isPattern = typeof given !== 'string'
  return [{ text: isPattern ? given.pattern : given, isPattern, within: entraTenantsOf(draft, tenants) }]
}

/** Groups by name or pattern. It is never wrong to name one that is not there yet, only odd. */
export function groupNameTerm(
  given: NonNullable<TargetEntry['group_name']>,
  path: Term['path'],
  match: NameMatch,
  tenants: Tenants,
  tell: Tell,
): TargetKeys {
  const warn = (code: string, message: string): void => tell('warning', code, path, message)
  const isPattern = typeof given !== 'string'
  const text = isPattern ? given.pattern : given
  const quoted = JSON.stringify(text)
  if (!isPattern && /[*?]/.test(text)) {
    warn(
      'name_with_wildcard',
      `${quoted} is taken as a name, letter by letter. Is { pattern: ${quoted} } meant?`,
    )
  }
  if (match.tenants === 0) {
    warn(
      'group_name_unmatched',
      `No tenant that this deployment reaches has a group ${isPattern ? `that fits ${quoted}` : `named ${quoted}`} now.`,
    )
  }
  if (match.example !== null) {
    const { entraTenantId, groupIds } = match.example
    const more = match.doubled > 1 ? `, and so have ${match.doubled - 1} more` : ''
    warn(
      'group_name_doubled',
      `${nameOf(entraTenantId, tenants)} has several groups named ${quoted} (${groupIds.join(', ')})${more}. The members of all of them count.`,
    )
  }
  if (match.whole !== null) {
    const { entraTenantId, groups } = match.whole
    warn('pattern_takes_all', `${quoted} fits all ${groups} groups of ${nameOf(entraTenantId, tenants)}.`)
  }
  return isPattern ? { pattern: text } : { name: text }
}

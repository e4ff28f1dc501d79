import { reasonText } from '../words.ts'
import { targetText } from '../target-text.ts'
import type { Explained, Explanation } from './explain.ts'
import type { Rule } from './verdicts.ts'

/** What is to be known of the subject itself, a sentence each. */
export function notesOf({ subject, frozen, pending }: Explanation): string[] {
  return [
    ...(subject.deletedAt === null
      ? []
      : [`deleted on ${subject.deletedAt.toISOString().slice(0, 10)}: it gets nothing`]),
    ...(subject.tenantId === null ? ['its Entra tenant is linked to no tenant for it: it gets nothing'] : []),
    ...(subject.enabled === false ? ['the account is disabled'] : []),
    ...(subject.userType?.toLowerCase() === 'guest' ? ['a guest'] : []),
    ...(frozen === null ? [] : [`targets stay as they are for now: ${frozenText[frozen] ?? frozen}`]),
    ...(pending ? ['changes are waiting to be resolved'] : []),
  ]
}

const frozenText: Record<string, string> = {
  gone: 'the Entra tenant is gone',
  offboarded: 'the Entra tenant is offboarded',
  gdap_ended: 'the GDAP relationship has ended',
  never_synced: 'it was never synced to the end',
  sync_not_whole: 'the last sync was not whole',
  restored: 'the database was restored, and it was not read whole since',
}

const rules: Record<Rule, string> = {
  scope: 'its scope is narrower',
  nearer_tenant: 'it is of the nearer tenant',
  target_type: 'it names its target more exactly',
  rank: 'its rank is lower',
  desired_state: 'at equal rank its desired state comes first',
  newer: 'it is newer',
  id: 'all else being equal, its id is smaller',
}

const filters: Record<string, string> = {
  disabled: 'the account is disabled',
  enabled: 'the account is enabled, and it is for disabled ones',
  guest: 'a guest',
  not_guest: 'no guest, and it is for guests',
  department: 'of another department',
  domain: 'of another domain',
  person_filters: 'its filters are on persons',
}

/** What became of a deployment for the subject, in one line. */
export function verdictText(one: Explained): string {
  const { verdict } = one
  switch (verdict.is) {
    case 'wins':
      return one.kept ? 'wins, kept: its group is gone' : `wins: ${reasonText(one.reason)}`
    case 'loses':
      return `${reasonText(one.reason)}, but ${verdict.to} wins: ${rules[verdict.rule]}`
    case 'left_out':
      return verdict.by === 'exclude'
        ? `${reasonText(one.reason)}, but excluded by it`
        : `${reasonText(one.reason)}, but left out: ${filters[verdict.filter ?? ''] ?? verdict.filter ?? ''}`
    case 'not_reached':
      return one.missing ?? `does not reach it (${targetText(one)})`
    case 'kept_others':
      return 'its group is gone: it gives nothing new'
    case 'not_for_tenant':
      return {
        disabled: 'is switched off',
        tenant_excluded: 'is for all tenants, and this tenant is excluded from cross-tenant deployments',
        other_tenant: `is of ${one.ownerTenant ?? 'another tenant'}`,
        other_subject: `is for another ${one.targetType}`,
      }[verdict.why]
  }
}

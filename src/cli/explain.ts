import { EntraSyncError } from '../errors.ts'
import {
  explain as explainSubject,
  findItem,
  type Explained,
  type ExplainedItem,
  type Explanation,
} from '../targets/explain/explain.ts'
import { findSubject } from '../targets/explain/subject.ts'
import { targetText } from '../targets/target-text.ts'
import type { Rule } from '../targets/explain/verdicts.ts'
import { reasonText, wantedText } from '../targets/words.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { printable } from './text.ts'

/** `explain PERSON|COMPUTER [ITEM]`: why, and why not. */
export function explain(
  context: CommandContext,
  who: string,
  what: string | undefined,
  options: { tenant?: string },
): Promise<number> {
  return withDatabase(context, async (db) => {
    const subject = await findSubject(db, who, options.tenant)
    const item = what === undefined ? null : await findItem(db, what)
    if (what !== undefined && item === null) {
      throw new EntraSyncError('input', `There is no maintenance item ${what}.`, {
        code: 'item_unknown',
        remedy: '`entra-sync deployments list` shows the items that are deployed.',
      })
    }
    const licenseGraceMs = context.config.licenseGraceMs
    const explanation = await explainSubject({ db, licenseGraceMs }, subject, item?.itemId ?? null)
    const { output } = context
    output.document(explanation)
    if (item !== null && item.deployments === 0) {
      output.line(`${printable(item.name)} has no deployment at all, so nobody gets it.`)
      return 0
    }
    printExplanation(output, explanation)
    return 0
  })
}

function printExplanation(output: Output, explanation: Explanation): void {
  const { subject, items, primaryUser, wins } = explanation
  output.line(printable(headline(explanation)))
  for (const line of notes(explanation)) output.line(`  ${printable(line)}`)
  if (items.length === 0)
    output.line('  No deployment reaches it. Name an item to see why not: explain … ITEM')
  for (const item of items) {
    output.line('')
    const through = wins.find(({ itemId }) => itemId === item.itemId)?.through
    printItem(output, item, through === 'person' ? "; on this computer its primary user's target wins" : '')
  }
  if (subject.kind !== 'computer') return
  output.line('')
  if (primaryUser !== null) {
    output.line('Its primary user:')
    printExplanation(output, primaryUser)
  } else if (subject.primaryUser === null) output.line('It has no primary user.')
  else output.line(printable(`Its primary user ${subject.primaryUser} is nobody in this tenant's directory.`))
}

function headline({ subject }: Explanation): string {
  const kind = subject.kind === 'person' ? 'Person' : 'Computer'
  return `${kind} ${subject.name} (${subject.id}), tenant ${subject.tenant ?? 'none'}`
}

function notes({ subject, frozen, pending }: Explanation): string[] {
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
}

function printItem(output: Output, item: ExplainedItem, through: string): void {
  const winner = item.deployments.find(({ verdict }) => verdict.is === 'wins')
  const has =
    winner === undefined
      ? `${item.item}: not deployed here`
      : `${wantedText(item.item, winner.version, winner.desiredState)} (${winner.enforcement})`
  output.line(printable(`${has}${through}`))
  if (item.standing !== null && item.standing.deploymentId !== winner?.deploymentId)
    output.line('    the table still has another target: it is not resolved yet, or held')
  if (item.held !== null) {
    const becomes = item.held.wanted === null ? 'would be taken away' : 'would change'
    output.line(
      printable(`    held since ${item.held.since.toISOString()}: it ${becomes} (${item.held.reason})`),
    )
  }
  for (const one of item.deployments)
    output.line(printable(`  ${mark(one)} ${one.name}: ${verdictText(one)}`))
}

function mark({ verdict }: Explained): string {
  return verdict.is === 'wins' ? '+' : verdict.is === 'loses' ? '-' : '.'
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

function verdictText(one: Explained): string {
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

import { EntraSyncError } from '../errors.ts'
import {
  explain as explainSubject,
  findItem,
  type Explained,
  type ExplainedItem,
  type Explanation,
} from '../targets/explain/explain.ts'
import { findSubject } from '../targets/explain/subject.ts'
import { notesOf, verdictText } from '../targets/explain/texts.ts'
import { wantedText } from '../targets/words.ts'
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
  for (const line of notesOf(explanation)) output.line(`  ${printable(line)}`)
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

import { readAtMost } from '../bounded-file.ts'
import { EntraSyncError } from '../errors.ts'
import { reasonOfHold } from '../holds/words.ts'
import { importComputers } from '../targets/imports/computers.ts'
import type { ComputersPlan } from '../targets/imports/computers-plan.ts'
import { importPersons } from '../targets/imports/persons.ts'
import { largestFile, readRecords, type ReadRecords, type RecordProblem } from '../targets/imports/records.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { number, printable } from './text.ts'

/** Records of each list that are shown; --json has them all. */
const shown = 20

/**
 * `computers import FILE [--replace] [--yes]`: what removes computers, or takes software from more of them than the guard
 * lets pass, is told first and done with --yes; all else at once.
 */
export function computers(
  context: CommandContext,
  file: string,
  options: { replace: boolean; confirmed: boolean },
): Promise<number> {
  const { output, config } = context
  return withDatabase(context, async (db) => {
    const read = readFileRecords(file)
    const bring = (keep: boolean) =>
      importComputers(db, read, { ...options, keep, guard: config.guard, actor: actorOfCommand() })
    const told = await bring(false)
    const done = options.confirmed || (told.removed.length === 0 && told.tooLarge.length === 0)
    const plan = done && told.problems.length === 0 ? await bring(true) : told
    if (plan.problems.length > 0) return refuse(output, file, plan.problems)
    output.document(plan)
    output.line(
      `${plan.applied ? 'Imported' : 'Would import'} computers: ${plan.added.length} added, ${plan.changed.length} changed, ` +
        `${plan.unchanged} unchanged${options.replace ? `, ${plan.removed.length} removed` : ''}.`,
    )
    listSome(output, plan.changed, ({ name, fields }) => `~ ${name}: ${fields.join(', ')}`)
    listSome(output, plan.removed, ({ name }) => `- ${name}`)
    tellLosses(output, plan)
    if (plan.applied) return 0
    output.line('Nothing was changed. Do it with --yes.')
    return 2
  })
}

function tellLosses(output: Output, { losing, tooLarge, applied }: ComputersPlan): void {
  if (losing.length === 0) return
  output.line(`Computers that ${applied ? 'lose' : 'would lose'} software by it: ${number(losing.length)}.`)
  listSome(output, losing, ({ name, items }) => `- ${name}: ${items.join(', ')}`)
  for (const { tenant, losing: count, of, reason } of tooLarge)
    output.line(
      printable(
        `${tenant}: ${number(count)} of ${number(of)} computers that have targets. The guard lets less pass: ${reasonOfHold({ reason })}.`,
      ),
    )
}

/** `persons import FILE`: tags, protection, and persons made by hand. */
export function persons(
  context: CommandContext,
  file: string,
  options: { preview: boolean },
): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const read = readFileRecords(file)
    const plan = await importPersons(db, read, { keep: !options.preview, actor: actorOfCommand() })
    for (const { place, message } of plan.warnings)
      output.notice(printable(`${file}: ${place}: warning: ${message}`))
    if (plan.problems.length > 0) return refuse(output, file, plan.problems)
    output.document({ applied: !options.preview, ...plan })
    output.line(
      `${options.preview ? 'Would import' : 'Imported'} persons: ${plan.added.length} made by hand, ` +
        `${plan.changed.length} changed, ${number(plan.unchanged)} unchanged.`,
    )
    listSome(output, plan.added, ({ userPrincipalName, tenant }) => `+ ${userPrincipalName} in ${tenant}`)
    listSome(
      output,
      plan.changed,
      ({ userPrincipalName, fields }) => `~ ${userPrincipalName}: ${fields.join(', ')}`,
    )
    return 0
  })
}

function readFileRecords(file: string): ReadRecords {
  const read = readAtMost(file, largestFile)
  if ('wrong' in read) throw unreadable(file, read.wrong)
  return readRecords(read.bytes)
}

function unreadable(file: string, why: string): EntraSyncError {
  return new EntraSyncError('input', `${file} can not be read: ${why}.`, {
    code: 'import_file_unreadable',
    remedy: 'Give a CSV file with a header, or a JSON array of objects.',
  })
}

function refuse(output: Output, file: string, problems: readonly RecordProblem[]): number {
  for (const { place, message } of problems.slice(0, 100))
    output.notice(printable(`${file}: ${place}: ${message}`))
  if (problems.length > 100) output.notice(`… and ${problems.length - 100} more`)
  output.document({ applied: false, problems })
  output.line(
    `${number(problems.length)} ${problems.length === 1 ? 'error' : 'errors'}. Nothing was imported.`,
  )
  return 2
}

function listSome<T>(output: Output, rows: readonly T[], text: (row: T) => string): void {
  for (const row of rows.slice(0, shown)) output.line(printable(`  ${text(row)}`))
  if (rows.length > shown) output.line(`  … and ${number(rows.length - shown)} more`)
}

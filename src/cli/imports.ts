import { readAtMost } from '../bounded-file.ts'
import { EntraSyncError } from '../errors.ts'
import { importComputers } from '../targets/imports/computers.ts'
import { importPersons } from '../targets/imports/persons.ts'
import { largestFile, readRecords, type ReadRecords, type RecordProblem } from '../targets/imports/records.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { number, printable } from './text.ts'

/** Records of each list that are shown; --json has them all. */
const shown = 20

/**
 * `computers import FILE [--replace] [--yes]`: adds and changes at once; what takes computers away is told first and done
 * with --yes.
 */
export function computers(
  context: CommandContext,
  file: string,
  options: { replace: boolean; confirmed: boolean },
): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const read = readFileRecords(file)
    const actor = actorOfCommand()
    const plan = await importComputers(db, read, { keep: false, replace: options.replace, actor })
    if (plan.problems.length > 0) return refuse(output, file, plan.problems)
    const removing = plan.removed.length > 0
    const done = !removing || options.confirmed
    const applied = done
      ? await importComputers(db, read, { keep: true, replace: options.replace, actor })
      : plan
    if (applied.problems.length > 0) return refuse(output, file, applied.problems)
    output.document({ applied: done, ...applied })
    output.line(
      `${done ? 'Imported' : 'Would import'} computers: ${applied.added.length} added, ${applied.changed.length} changed, ` +
        `${applied.unchanged} unchanged${options.replace ? `, ${applied.removed.length} removed` : ''}.`,
    )
    listSome(output, applied.changed, ({ name, fields }) => `~ ${name}: ${fields.join(', ')}`)
    listSome(output, applied.removed, ({ name }) => `- ${name}`)
    if (done) return 0
    output.line('Nothing was changed. Do it with --yes.')
    return 2
  })
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

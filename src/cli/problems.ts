import { sql, type Kysely } from 'kysely'
import { whoText } from '../error-catalogue/catalogue.ts'
import { listProblems, type ListedProblem } from '../db/problems.ts'
import { listSilences, silenceProblems, unsilenceProblems, type Silence } from '../db/silences.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { findEntraTenant } from './find-tenant.ts'
import { tableLines } from './table.ts'
import { age, printable } from './text.ts'

/** `problems list`: what is open, with its remedy below each; silenced ones are marked. */
export function list(context: CommandContext, options: { all: boolean; tenant?: string }): Promise<number> {
  return withDatabase(context, async (db) => {
    const { output } = context
    const found = options.tenant === undefined ? null : await findEntraTenant(db, options.tenant)
    const entraTenantId = found?.entraTenantId ?? null
    const problems = await listProblems(db, { entraTenantId, closed: options.all })
    const silences = await listSilences(db)
    output.document({ problems, silences })
    const { rows } = await sql<{ now: Date }>`select now()`.execute(db)
    const now = rows[0]?.now ?? new Date()
    if (problems.length === 0) output.line(options.all ? 'There was no problem yet.' : 'No problem is open.')
    else printProblems(output, problems, now)
    printSilences(output, silences)
    return 0
  })
}

function printProblems(output: Output, problems: ListedProblem[], now: Date): void {
  const lines = tableLines(
    [
      { title: 'Entra tenant', value: ({ name }) => name },
      { title: 'Code', value: ({ code }) => code },
      { title: 'Since', value: ({ opened_at }) => sinceOf(opened_at, now) },
      { title: 'Who acts', value: ({ who_acts }) => whoText[who_acts] },
      { title: 'State', value: stateOf },
    ],
    problems,
    output.width,
  )
  const [title = '', ...rows] = lines
  output.line(title)
  for (const [index, row] of rows.entries()) {
    const problem = problems[index]
    output.line(row)
    if (problem === undefined) continue
    const request = problem.request_id === null ? '' : ` (request ${problem.request_id})`
    output.line(`    ${printable(problem.message)}${printable(request)}`)
    if (problem.closed_at === null) output.line(`    ${printable(problem.remedy)}`)
  }
}

function printSilences(output: Output, silences: Silence[]): void {
  if (silences.length === 0) return
  output.line(`\nSilenced: ${silences.length}`)
  for (const silence of silences) {
    const what = [silence.code ?? 'every code', silence.name ?? 'every Entra tenant'].join(' of ')
    const until = silence.expires_at === null ? 'until taken back' : `until ${dateOf(silence.expires_at)}`
    const reason = silence.reason === '' ? '' : `: ${silence.reason}`
    output.line(`  ${printable(`${what}, ${until}, by ${silence.created_by}${reason}`)}`)
  }
}

function stateOf({ closed_at, silenced }: ListedProblem): string {
  if (closed_at !== null) return `closed ${dateOf(closed_at)}`
  return silenced ? 'silenced' : 'open'
}

const dateOf = (at: Date): string => at.toISOString().slice(0, 10)
const sinceOf = (at: Date, now: Date): string =>
  `${at.toISOString().slice(0, 16).replace('T', ' ')} (${age(at, now)})`

/** `problems silence CODE|--tenant ID`. */
export function silence(
  context: CommandContext,
  code: string | undefined,
  options: { tenant?: string; until?: Date; reason: string },
): Promise<number> {
  return withDatabase(context, async (db) => {
    const { key, words } = await keyOf(db, code, options.tenant)
    const until = options.until ?? null
    const actor = actorOfCommand()
    const count = await silenceProblems(db, key, { until, reason: options.reason, actor })
    const end = until === null ? 'until you take it back' : `until ${until.toISOString()}`
    const now = count === 1 ? 'one open problem' : `${count} open problems`
    context.output.line(
      `Silenced ${words} ${end}: ${now} now. They stay listed and close themselves as before.`,
    )
    context.output.document({ ...key, until, reason: options.reason, openProblems: count })
    return 0
  })
}

/** `problems unsilence CODE|--tenant ID`. */
export function unsilence(
  context: CommandContext,
  code: string | undefined,
  options: { tenant?: string },
): Promise<number> {
  return withDatabase(context, async (db) => {
    const { key, words } = await keyOf(db, code, options.tenant)
    if (!(await unsilenceProblems(db, key, actorOfCommand()))) {
      throw new EntraSyncError('input', `Nothing is silenced for ${words}.`, {
        code: 'silence_unknown',
        remedy: '`entra-sync problems list` shows what is silenced; give the same code and Entra tenant.',
      })
    }
    context.output.line(`No longer silenced: ${words}.`)
    context.output.document(key)
    return 0
  })
}

async function keyOf(db: Kysely<Database>, code: string | undefined, tenant: string | undefined) {
  const found = tenant === undefined ? null : await findEntraTenant(db, tenant)
  const key = { code: code?.trim().toLowerCase() ?? null, entraTenantId: found?.entraTenantId ?? null }
  const words = `${key.code ?? 'every code'} of ${found?.name ?? 'every Entra tenant'}`
  return { key, words: printable(words) }
}

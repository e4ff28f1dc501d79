import { sql } from 'kysely'
import { whoText } from '../error-catalogue/catalogue.ts'
import { readFreeze } from '../db/fleet-freeze.ts'
import { listProblems, type ListedProblem } from '../db/problems.ts'
import { readHolds, readStatus, type Hold, type Status } from '../db/status.ts'
import { readTargetHolds, readTargetStatus, type TargetStatus } from '../db/target-status.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { findEntraTenant } from './find-tenant.ts'
import { printFreeze } from './holds.ts'
import { tableLines } from './table.ts'
import { printTargetHolds, printTargetTotals, targetFacts, targetsCell } from './target-status.ts'
import { age, number, printable } from './text.ts'

/** `status [ID]`: all Entra tenants and their targets in a table, or one in full; open problems and holds below. */
export function status(context: CommandContext, id: string | undefined): Promise<number> {
  return withDatabase(context, async (db) => {
    const only = id === undefined ? null : (await findEntraTenant(db, id)).entraTenantId
    const [tenants, problems, holds, targets, targetHolds, freeze, now] = await Promise.all([
      readStatus(db, only),
      listProblems(db, { entraTenantId: only }),
      readHolds(db, only),
      readTargetStatus(db, only),
      readTargetHolds(db, only),
      readFreeze(db),
      sql<{ now: Date }>`select now()`.execute(db).then(({ rows }) => rows[0]?.now ?? new Date()),
    ])
    const { output } = context
    const [first] = tenants
    const below = { problems, holds, targetHolds, freeze }
    output.document(
      only === null ? { tenants, targets, ...below } : { ...first, targets: targets[0], ...below },
    )
    printFreeze(output, freeze)
    if (only !== null && first) printOne(output, first, targets[0], now)
    else if (tenants.length === 0) output.line('No Entra tenant yet. `entra-sync init` makes the first one.')
    else printAll(output, tenants, targets, now)
    if (only === null) printTargetTotals(output, targets)
    printProblems(output, problems, now)
    printHolds(
      output,
      holds.filter(({ kind }) => kind !== 'target'),
      now,
    )
    printTargetHolds(output, targetHolds, now)
    if (holds.length + targetHolds.length > 0)
      output.line('\nDecide: entra-sync holds show HOLD, then approve or reject it.')
    return 0
  })
}

function printAll(output: Output, tenants: Status[], targets: TargetStatus[], now: Date): void {
  const of = new Map(targets.map((row) => [row.family_id, row]))
  const count = (title: string, value: (row: Status) => number) =>
    ({ title, value: (row: Status) => number(value(row)), align: 'right' }) as const
  const lines = tableLines(
    [
      { title: 'Entra tenant', value: nameOf },
      { title: 'Kind', value: ({ kind }) => kind },
      { title: 'State', value: ({ state }) => state },
      { title: 'Synced', value: (row) => ago(row.last_synced_at, now), align: 'right' },
      count('Users', ({ users }) => users),
      count('Groups', ({ groups }) => groups),
      count('Teams', ({ teams }) => teams),
      count('Members', ({ members }) => members),
      count('SKUs', ({ skus }) => skus),
      { title: 'Targets', value: (row) => targetsCell(of.get(row.entra_tenant_id)), align: 'right' },
      { title: 'Last run', value: lastRun },
    ],
    tenants,
    output.width,
  )
  for (const line of lines) output.line(line)
}

function printOne(output: Output, row: Status, targets: TargetStatus | undefined, now: Date): void {
  const facts: [string, string][] = [
    ['Entra tenant', `${nameOf(row)} (${row.entra_tenant_id})`],
    ['Domain', row.default_domain ?? 'not read yet'],
    ['Tenant', row.tenant ?? 'not linked'],
    ['Kind', row.kind],
    ['State', stateOf(row)],
    ['Synced', ago(row.last_synced_at, now)],
    ['Read in full', ago(row.last_full_at, now)],
    ['Next sync', row.scheduled ? row.next_sync_at.toISOString() : 'none'],
    ['Failures running', String(row.consecutive_failures)],
    ['Users', number(row.users)],
    ['Groups', `${number(row.groups)}, ${number(row.teams)} of them Teams`],
    ['Members', number(row.members)],
    ['Devices', number(row.devices)],
    ['SKUs', number(row.skus)],
    ...(targets === undefined ? [] : targetFacts(targets, now)),
    ['GDAP ends', row.gdap_ends_at?.toISOString() ?? '–'],
    ['Last run', lastRun(row) + (row.last_run_error_message ? `: ${row.last_run_error_message}` : '')],
  ]
  for (const [title, value] of facts) output.line(`${title.padEnd(17)} ${printable(value)}`)
}

function printProblems(output: Output, problems: ListedProblem[], now: Date): void {
  const counted = problems.filter(({ silenced }) => !silenced)
  const silenced = problems.filter((problem) => problem.silenced)
  if (counted.length > 0) output.line(`\nOpen problems: ${counted.length}`)
  for (const problem of counted) {
    const request = problem.request_id === null ? '' : `, request ${problem.request_id}`
    output.line(
      `  ${printable(problem.name)}: ${printable(problem.message)} [${problem.code}, for ${age(problem.opened_at, now)}${request}]`,
    )
    output.line(`    ${whoText[problem.who_acts]}: ${printable(problem.remedy)}`)
  }
  if (silenced.length > 0) output.line(`\nSilenced problems: ${silenced.length}`)
  for (const { name, code, opened_at } of silenced)
    output.line(`  ${printable(name)}: ${code}, for ${age(opened_at, now)}`)
}

function printHolds(output: Output, holds: Hold[], now: Date): void {
  if (holds.length === 0) return
  output.line(`\nOpen holds: ${holds.length}. Nothing in them is removed before an operator approves it.`)
  const lines = tableLines(
    [
      { title: '  Entra tenant', value: ({ name }) => `  ${name}` },
      { title: 'Kind', value: ({ kind }) => kind },
      { title: 'Group', value: ({ what }) => what ?? '' },
      {
        title: 'Held',
        value: ({ size, of_total }) => `${number(size)} of ${number(of_total)}`,
        align: 'right',
      },
      { title: 'For', value: ({ created_at }) => age(created_at, now), align: 'right' },
      { title: 'Reason', value: ({ reason }) => reason },
      { title: 'Hold', value: ({ hold_id }) => hold_id },
    ],
    holds,
    output.width,
  )
  for (const line of lines) output.line(line)
}

function stateOf({ state, scheduled, offboarded_at: at }: Status): string {
  if (at === null) return state + (scheduled ? '' : ', not scheduled')
  return `offboarded on ${at.toISOString().slice(0, 10)}: never synced again; what was read is kept`
}

const nameOf = (row: Status): string => row.display_name ?? row.default_domain ?? row.entra_tenant_id
const ago = (at: Date | null, now: Date): string => (at === null ? 'never' : `${age(at, now)} ago`)

function lastRun(row: Status): string {
  if (row.last_run_started_at === null) return 'none'
  if (row.last_run_finished_at === null) return 'running'
  return `${row.last_run_outcome ?? 'ended'}${row.last_run_error_code === null ? '' : ` (${row.last_run_error_code})`}`
}

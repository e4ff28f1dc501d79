import { namesTold, type TargetHold, type TargetStatus } from '../db/target-status.ts'
import type { Output } from './context.ts'
import { age, number, printable } from './text.ts'

/** How many, and in brackets what is not as it should be, for a table's cell. */
export function targetsCell(status: TargetStatus | undefined): string {
  if (status === undefined) return ''
  const { targets, held, frozen, failures, dirty } = status
  const state = frozen !== null ? 'frozen' : failures > 0 ? 'failing' : dirty ? 'dirty' : null
  const remarks = [...(held > 0 ? [`${number(held)} held`] : []), ...(state === null ? [] : [state])]
  // A frozen one without any is told by its own state.
  if (remarks.length === 0 || (targets + held === 0 && frozen !== null)) return number(targets)
  return `${number(targets)} (${remarks.join(', ')})`
}

const frozenWords: Record<NonNullable<TargetStatus['frozen']>, string> = {
  gone: 'its Entra tenant is gone',
  offboarded: 'it is offboarded',
  gdap_ended: 'its GDAP relationship has ended',
  never_synced: 'it was never synced whole',
  sync_not_whole: 'its last sync was not whole',
  restored: 'the database was restored, and it was not read whole since',
}

/** Lines about the targets of one family: how many, when resolved, what waits and why. */
export function targetFacts(status: TargetStatus, now: Date): [string, string][] {
  const { frozen, resolved_at: at, dirty, dirty_since: since, failures } = status
  const waiting = since === null ? '' : ` for ${age(since, now)}`
  const state =
    frozen !== null
      ? `frozen, since ${frozenWords[frozen]}${dirty ? `; changes wait${waiting}` : ''}`
      : dirty
        ? `changes wait${waiting}`
        : 'all resolved'
  return [
    ['Targets', number(status.targets) + (status.held === 0 ? '' : `, ${number(status.held)} held`)],
    ['Resolved', `${at === null ? 'never' : `${age(at, now)} ago`}; ${state}`],
    ...(failures === 0 ? [] : [failing(status)]),
  ]
}

function failing({ failures, failure_message: message, retry_at: at }: TargetStatus): [string, string] {
  const times = failures === 1 ? '' : ` (${failures} times running)`
  return ['Resolving failed', `${message}${times}; tried again at ${at?.toISOString()}`]
}

/** Totals below the table of all, with what is not told there: families that fail, and tenants without a link. */
export function printTargetTotals(output: Output, all: TargetStatus[]): void {
  const sum = (count: (row: TargetStatus) => number): number =>
    all.reduce((total, row) => total + count(row), 0)
  const targets = sum((row) => row.targets)
  const held = sum((row) => row.held)
  const waiting = all.filter((row) => row.dirty && row.frozen === null).length
  const frozen = all.filter((row) => row.frozen !== null && row.targets > 0).length
  if (targets + held + waiting + frozen === 0) return
  const parts = [
    ...(held > 0 ? [`${number(held)} held`] : []),
    ...(waiting > 0 ? [`${number(waiting)} tenant families with changes to resolve`] : []),
    ...(frozen > 0 ? [`${number(frozen)} frozen`] : []),
  ]
  output.line(`\nTargets: ${[number(targets), ...parts].join(', ')}`)
  for (const row of all.filter(({ failures }) => failures > 0)) {
    output.line(`  ${printable(row.name)}: ${printable(failing(row).join(': '))}`)
  }
}

/** Holds of targets: who would lose or gain what through which deployment. */
export function printTargetHolds(output: Output, holds: TargetHold[], now: Date): void {
  if (holds.length === 0) return
  output.line(
    `\nHeld targets: they stay as they are, and leave by themselves when nobody wants them changed any more.`,
  )
  for (const {
    tenant,
    deployments,
    direction,
    reason,
    size,
    of_total: total,
    created_at: at,
    ...hold
  } of holds) {
    const what =
      direction === 'unassign'
        ? `${number(size)} of ${number(total)} targets would go`
        : `${number(size)} targets would come, in a tenant of ${number(total)} persons`
    const names = deployments
      .slice(0, namesTold - 1)
      .map(printable)
      .join(', ')
    const through = deployments.length < namesTold ? names : `${names}, …`
    output.line(
      `  ${printable(tenant)}: ${what}, through ${through || 'deployments that are gone'} [${printable(reason)}, for ${age(at, now)}, ${hold.hold_id}]`,
    )
    for (const { subject, item, now: has, wanted } of hold.samples) {
      const change = `${has === null ? 'nothing' : printable(has)} → ${wanted === null ? 'nothing' : printable(wanted)}`
      output.line(`    ${printable(subject)}: ${printable(item)}, ${change}`)
    }
    if (size > hold.samples.length) output.line(`    and ${number(size - hold.samples.length)} more`)
  }
}

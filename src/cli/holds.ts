import type { Kysely } from 'kysely'
import { readFreeze, type FleetFreeze } from '../db/fleet-freeze.ts'
import { holdHash } from '../db/holds.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import { previewHold } from '../holds/decide.ts'
import { listHolds, type ListedHold } from '../holds/list.ts'
import { readHoldSamples, type HoldSample } from '../holds/samples.ts'
import { reasonOfHold, whatOfHold } from '../holds/words.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { printEffect } from './deployment-effect.ts'
import { findEntraTenant } from './find-tenant.ts'
import { tableLines } from './table.ts'
import { targetContext } from './target-context.ts'
import { age, number, printable } from './text.ts'

/** `holds list`: what is kept back, the newest first; with --all what was decided, too. */
export function list(context: CommandContext, options: { all: boolean; tenant?: string }): Promise<number> {
  return withDatabase(context, async (db) => {
    const { output } = context
    const found = options.tenant === undefined ? null : await findEntraTenant(db, options.tenant)
    const entraTenantId = found?.entraTenantId ?? null
    const holds = await listHolds(db, { closed: options.all, entraTenantId })
    const freeze = await readFreeze(db)
    output.document({ freeze, holds })
    printFreeze(output, freeze)
    if (holds.length === 0) {
      output.line(options.all ? 'Nothing was held yet.' : 'Nothing is held.')
      return 0
    }
    const now = new Date()
    const lines = tableLines(
      [
        { title: 'Whose', value: ({ name, tenant }: ListedHold) => tenant ?? name },
        { title: 'What would happen', value: whatOfHold },
        { title: 'Why held', value: reasonOfHold },
        { title: 'For', value: ({ createdAt }) => age(createdAt, now), align: 'right' },
        ...(options.all ? [{ title: 'State', value: stateOf }] : []),
        { title: 'Hold', value: ({ holdId }) => holdId },
      ],
      holds,
      output.width,
    )
    for (const line of lines) output.line(line)
    if (holds.some(({ status }) => status === 'open'))
      output.line('\nentra-sync holds show HOLD tells who it is, and what approving would take away.')
    return 0
  })
}

/** What is shown of a hold without --all. */
const fewSamples = 10
const manySamples = 100_000

/** `holds show HOLD`: exactly what is kept back, what approving it would do to the targets, and how to decide. */
export function show(context: CommandContext, holdId: string, { all }: { all: boolean }): Promise<number> {
  return withDatabase(context, async (db) => {
    const { output } = context
    const hold = await findHold(db, holdId)
    const samples = await readHoldSamples(db, hold, all || output.json ? manySamples : fewSamples)
    const hash = await holdHash(db, holdId)
    const preview = await previewHold(targetContext(context, db), holdId, all ? 1000 : 5)
    output.document({ ...hold, hash: preview === null ? null : hash, items: samples, preview })
    printHold(output, hold)
    printSamples(output, hold, samples)
    if (preview === null) return 0
    output.line('\nWhat approving it would do to the targets:')
    if (preview.frozen !== null)
      output.line(
        `Nothing yet: they are frozen (${preview.frozen.replaceAll('_', ' ')}). They follow when they thaw.`,
      )
    else printEffect(output, preview.effect, { done: false, all })
    printFreeze(output, await readFreeze(db))
    output.line(`\nTo do it:          entra-sync holds approve ${holdId} --hash ${hash.slice(0, 16)}`)
    output.line(`To keep them all:  entra-sync holds reject ${holdId} --reason "..."`)
    return 0
  })
}

/** @throws kind `input`, code `hold_unknown` */
async function findHold(db: Kysely<Database>, holdId: string): Promise<ListedHold> {
  const [hold] = await listHolds(db, { closed: true, holdId })
  if (hold !== undefined) return hold
  throw new EntraSyncError('input', `There is no hold ${holdId}.`, {
    code: 'hold_unknown',
    remedy: '`entra-sync holds list` shows what is open; closed ones are kept for 90 days.',
  })
}

function printHold(output: Output, hold: ListedHold): void {
  const facts: [string, string][] = [
    ['Whose', hold.tenant ?? hold.name],
    ['What would happen', whatOfHold(hold)],
    ['Why held', `${reasonOfHold(hold)} (${hold.reason})`],
    ['Since', hold.createdAt.toISOString()],
    ['State', stateOf(hold)],
  ]
  for (const [title, value] of facts) output.line(`${`${title}:`.padEnd(19)}${printable(value)}`)
}

function printSamples(output: Output, { kind, size }: ListedHold, samples: readonly HoldSample[]): void {
  if (samples.length > 0) output.line('')
  for (const sample of samples) output.line(`  ${printable(sampleText(kind, sample))}`)
  if (size > samples.length) output.line(`  … and ${number(size - samples.length)} more (--all shows them)`)
}

/** One of the things held, as `ada@contoso.com: AutoCAD, now through Engineering, then through none`. */
export function sampleText(kind: ListedHold['kind'], { name, of, now, wanted }: HoldSample): string {
  if (kind === 'membership') return `${name} in ${of}`
  if (kind !== 'target') return of === null ? name : `${name}: ${of}`
  return `${name}: ${of}, ${now === null ? 'nothing' : `through ${now}`} → ${wanted === null ? 'nothing' : `through ${wanted}`}`
}

export function stateOf({ status, closedAt, closedBy, closeReason, appliedAt, kind }: ListedHold): string {
  if (status === 'open') return 'open'
  const when = closedAt === null ? '' : ` ${closedAt.toISOString().slice(0, 16).replace('T', ' ')}`
  const by = closedBy === null ? '' : ` by ${closedBy}`
  const why = closeReason === null ? '' : `: ${closeReason}`
  const waits = status === 'approved' && kind === 'target' && appliedAt === null ? ', not applied yet' : ''
  return `${status}${when}${by}${why}${waits}`
}

export function printFreeze(output: Output, freeze: FleetFreeze | null): void {
  if (freeze === null) return
  const since = freeze.startedAt.toISOString().slice(0, 16).replace('T', ' ')
  const by = freeze.startedBy === null ? 'by itself' : `by ${freeze.startedBy}`
  output.line(
    printable(
      `ALL REMOVALS ARE FROZEN since ${since} UTC, ${by}: ${freeze.reason}. entra-sync holds unfreeze ends it.`,
    ),
  )
}

import type { Cursor } from '../db/cursors.ts'
import type { EntraSyncError } from '../errors.ts'
import type { GuardSettings } from '../guard.ts'

/**
 * How a round, or this slice's part of it, ended. Only the first two may remove and move the cursor; `yielded`,
 * `throttled` and `fenced` leave the round open.
 */
export type Verdict =
  | 'complete'
  | 'complete_empty'
  | 'partial'
  | 'restart'
  | 'reset'
  | 'access_lost'
  | 'not_permitted'
  | 'failed'
  | 'yielded'
  | 'throttled'
  | 'fenced'

// Delta tokens of directory objects live 7 days; a round begun with one a day younger still has time to end.
const maxCursorAgeMs = 6 * 24 * 60 * 60 * 1000

/** What the error that ended a round says of it. */
export function verdictOfError(error: EntraSyncError): Verdict {
  switch (error.kind) {
    case 'malformed':
    case 'foreign_origin':
      return 'partial'
    case 'restart':
      return 'restart'
    case 'reset':
      return 'reset'
    case 'access_lost':
      return 'access_lost'
    case 'not_permitted':
      return 'not_permitted'
    case 'throttled':
      return 'throttled'
    case 'aborted':
      return 'yielded'
    case 'fenced':
      return 'fenced'
    case 'config':
    case 'input':
    case 'transient':
    case 'not_found':
    case 'wrong_tenant':
    case 'database':
    case 'queue':
      return 'failed'
    default:
      return unreachable(error.kind)
  }
}

/**
 * Columns that a full round would clear in more than 20 % of the rows that have them, from 20 objects up: so many
 * people do not lose a property in a day, but an app that lost a permission reads nulls. As with removals a few (`holdMin`)
 * are never too many, or the one person with an office who moved out would keep a tenant partial for ever; and a tenant's
 * own `holdPercent` lets through what an operator knows to be so.
 */
export function implausibleColumns(
  seen: number,
  shares: readonly { column: string; cleared: number; filled: number }[],
  { holdMin, holdPercent }: Pick<GuardSettings, 'holdMin' | 'holdPercent'>,
): string[] {
  if (seen < 20) return []
  const percent = Math.max(20, holdPercent)
  return shares
    .filter(({ cleared, filled }) => cleared > holdMin && cleared * 100 > percent * filled)
    .map((share) => share.column)
}

export interface RoundFacts {
  /** The collection has delta links; a list is read whole each time. */
  delta: boolean
  requested: 'delta' | 'full'
  selectHash: string
  appId: string | null
  permissionsHash: string | null
  reconcileMs: number
  now: Date
}

const full = (why: string) => ({ mode: 'full' as const, why })

/** Whether the next round may build on the cursor; `why` tells people the reason of a full round. */
export function roundMode(
  cursor: Cursor,
  facts: RoundFacts,
): { mode: 'delta' } | { mode: 'full'; why: string } {
  const age = (date: Date | null) => (date === null ? Infinity : facts.now.getTime() - date.getTime())
  if (!facts.delta) return full('a list has no delta')
  if (facts.requested === 'full') return full('requested')
  if (cursor.start_link === null) return full('never read to its end')
  if (cursor.full_round_due) return full('the delta token or its rounds failed')
  if (cursor.select_hash !== facts.selectHash) return full('other properties are read')
  if (facts.appId !== null && cursor.app_id !== facts.appId) return full('another app reads')
  if (
    facts.permissionsHash !== null &&
    cursor.permissions_hash !== null &&
    cursor.permissions_hash !== facts.permissionsHash
  )
    return full('the permissions have changed')
  if (age(cursor.completed_at) > maxCursorAgeMs) return full('the delta token is older than 6 days')
  if (age(cursor.last_full_at) >= facts.reconcileMs) return full('the reconcile interval is over')
  return { mode: 'delta' }
}

/**
 * What the pages of a round depend on. One begun under other conditions is not gone on with: its deltaLink would hold
 * the old properties, and what it shows of hidden groups would be half of the one, half of the other.
 */
export function roundBasis({ selectHash, appId, permissionsHash }: RoundFacts): string {
  return [selectHash, appId ?? '', permissionsHash ?? ''].join(' ')
}

/** Whether the round that an earlier slice left open goes on, rather than a new one of `mode` beginning. */
export function canContinue(cursor: Cursor, mode: 'delta' | 'full', facts: RoundFacts): boolean {
  return (
    cursor.round_id !== null &&
    cursor.next_link !== null &&
    cursor.round_started_at !== null &&
    cursor.round_basis === roundBasis(facts) &&
    facts.now.getTime() - cursor.round_started_at.getTime() < maxCursorAgeMs &&
    (cursor.round_mode === 'full' || mode === 'delta')
  )
}

/** What becomes of the run when its collections ended so. A failure tells more than a pause. */
export function fateOfRun(
  ends: readonly { verdict: Verdict; required: boolean; held: number }[],
): 'succeeded' | 'held' | 'partial' | 'failed' | 'yielded' | 'throttled' | 'fenced' {
  const has = (...verdicts: Verdict[]) => ends.some((end) => end.required && verdicts.includes(end.verdict))
  if (ends.some((end) => end.verdict === 'fenced')) return 'fenced'
  if (has('access_lost', 'not_permitted', 'failed', 'restart', 'reset')) return 'failed'
  if (has('throttled')) return 'throttled'
  if (ends.some((end) => end.verdict === 'yielded')) return 'yielded'
  if (has('partial')) return 'partial'
  return ends.some((end) => end.held > 0) ? 'held' : 'succeeded'
}

function unreachable(value: never): never {
  throw new TypeError(`unhandled error kind ${String(value)}`)
}

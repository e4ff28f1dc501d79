import { randomUUID } from 'node:crypto'
import { steadyNow } from '../clock.ts'
import { isBlank, loadCursor, type Cursor, type RoundCounts, type RunningRound } from '../db/cursors.ts'
import { noteOptionalRead } from '../db/entra-tenants.ts'
import { databaseError } from '../db/errors.ts'
import { EntraSyncError, isEntraSyncError } from '../errors.ts'
import { asOptional } from '../graph/errors.ts'
import { selectHash, type Collection } from './collections.ts'
import { writeFenced, type CollectionSummary, type Slice } from './context.ts'
import { commitPage, dropPartialRound, dropRound, type RoundEnd } from './pages.ts'
import {
  canContinue,
  roundBasis,
  roundMode,
  verdictOfError,
  type RoundFacts,
  type Verdict,
} from './verdict.ts'

/** How one collection's part of a slice ended. */
export interface CollectionEnd {
  collection: Collection
  summary: CollectionSummary
  error?: EntraSyncError
}

// An expired page token is followed by a fresh start; one that expires again and again is a fault beyond us.
const maxRestarts = 3

/** What decides the mode of a collection's next round. */
export function roundFacts(slice: Slice, collection: Collection): RoundFacts {
  return {
    delta: collection.delta,
    requested: slice.serving.mode,
    selectHash: selectHash(collection),
    appId: slice.appId,
    permissionsHash: slice.permissionsHash,
    reconcileMs: slice.reconcileMs,
    now: slice.databaseNow(),
  }
}

/** Reads a collection to its end, or until the slice is over; null = this serving has read it already. */
export async function readCollection(slice: Slice, collection: Collection): Promise<CollectionEnd | null> {
  const { entraTenantId } = slice
  let cursor = await loadCursor(slice.context.db, entraTenantId, collection.name)
  if (cursor.served_seq >= slice.serving.seq) return null
  let wasReset = false
  for (;;) {
    const end = await readRound(slice, collection, cursor)
    const { verdict, mode } = end.summary
    const again =
      (verdict === 'restart' && cursor.restarts < maxRestarts) ||
      (verdict === 'reset' && mode === 'delta' && !wasReset)
    if (!again) return end
    wasReset ||= verdict === 'reset'
    cursor = await loadCursor(slice.context.db, entraTenantId, collection.name)
  }
}

async function readRound(slice: Slice, collection: Collection, cursor: Cursor): Promise<CollectionEnd> {
  const facts = roundFacts(slice, collection)
  const plan = roundMode(cursor, facts)
  const goesOn = canContinue(cursor, plan.mode, facts)
  const mode = goesOn ? (cursor.round_mode ?? plan.mode) : plan.mode
  const round: RunningRound = {
    entraTenantId: slice.entraTenantId,
    collection: collection.name,
    roundId: goesOn && cursor.round_id !== null ? cursor.round_id : randomUUID(),
    mode,
    sweeps: goesOn && cursor.round_sweeps,
    basis: roundBasis(facts),
    startedAt: goesOn && cursor.round_started_at !== null ? cursor.round_started_at : facts.now,
  }
  // Only where nothing was stored before is there nothing to sweep.
  if (!goesOn && mode === 'full') {
    round.sweeps = !(await isBlank(slice.context.db, slice.entraTenantId, collection.stored))
  }
  let counts = goesOn ? countsOf(cursor) : noCounts
  let end: RoundEnd | null = null
  try {
    if (!goesOn) await abandonRound(slice, cursor)
    const start = mode === 'full' ? collection.start : cursor.start_link
    for await (const page of slice.client.pages((goesOn ? cursor.next_link : start) ?? collection.start, {
      signal: slice.signal,
    })) {
      if (counts.pages >= maxPagesARound) throw tooManyPages(slice, collection)
      const write = collection.parse(page.value, {
        full: mode === 'full',
        hiddenReadable: slice.hiddenReadable,
      })
      const committed = await commitPage(slice, collection, round, counts, page, write)
      counts = committed.counts
      end = committed.end
      const rows = counts.added + counts.changed + counts.unchanged
      slice.progress(collection.name, { pages: counts.pages, rows, done: end !== null })
      if (end !== null) break
      // After a restart the round runs to its end: a token that lives shorter than our slices would never let it.
      if (slice.signal.aborted || (steadyNow() >= slice.deadline && cursor.restarts === 0)) {
        return endOf(collection, 'yielded', mode, counts)
      }
    }
  } catch (error) {
    const lost: unknown = slice.signal.reason
    return endBadly(
      slice,
      collection,
      round,
      counts,
      isEntraSyncError(lost, 'fenced') ? lost : errorOf(error, collection),
    )
  }
  if (end === null) throw new TypeError(`the pages of ${collection.name} ended without an end`)
  if (end.verdict === 'partial') return { ...endOf(collection, 'partial', mode, counts), error: end.error }
  const summary = endOf(collection, end.verdict, mode, counts).summary
  summary.unlinked = end.removals.unlinked
  summary.held = end.removals.held.reduce((sum, hold) => sum + hold.size, 0)
  const notices = [
    ...(plan.mode === 'full' && collection.delta && !goesOn ? [`full: ${plan.why}`] : []),
    ...(end.removals.protected > 0 ? [`${end.removals.protected} protected persons were not removed`] : []),
    ...end.removals.held.map(
      ({ size, kind, reason, group }) =>
        `${size} ${kind} removals held: ${reason}${group === undefined ? '' : ` (${group})`}`,
    ),
  ]
  return { collection, summary: notices.length > 0 ? { ...summary, notice: notices.join('; ') } : summary }
}

/** A round that ended in an error: which verdict that is, and what stays of it. */
async function endBadly(
  slice: Slice,
  collection: Collection,
  round: RunningRound,
  counts: RoundCounts,
  error: EntraSyncError,
): Promise<CollectionEnd> {
  const verdict = verdictOfError(error)
  const end = { ...endOf(collection, verdict, round.mode, counts), error }
  if (verdict === 'fenced' || verdict === 'yielded' || verdict === 'throttled') return end
  // Without the database there is nothing to drop with; the round goes on where its last page left it.
  if (error.kind === 'database') return end
  const why = verdict === 'partial' || verdict === 'restart' || verdict === 'reset' ? verdict : 'other'
  await writeFenced(slice, async (db) => {
    if (why === 'partial') await dropPartialRound(db, round, counts, error)
    else await dropRound(db, round, why, counts)
    // Asked again with the next regular read of devices, not in every cycle.
    if (verdict === 'not_permitted' && collection.name === 'devices') {
      await noteOptionalRead(db, round.entraTenantId, 'devices_read_at')
    }
  })
  return verdict === 'not_permitted' ? { ...end, summary: { ...end.summary, notice: error.message } } : end
}

/** Forgets a round that an earlier slice left open and that cannot go on. */
async function abandonRound(slice: Slice, cursor: Cursor): Promise<void> {
  const { round_id: roundId } = cursor
  if (roundId === null) return
  const round = { entraTenantId: slice.entraTenantId, collection: cursor.collection, roundId }
  await writeFenced(slice, (db) => dropRound(db, round, 'other', countsOf(cursor)))
}

/** Errors of an optional collection that mean no permission; whatever is no EntraSyncError came from the database or is a fault of ours. */
export function errorOf(error: unknown, collection?: Collection): EntraSyncError {
  if (isEntraSyncError(error)) return collection?.required === false ? optionalError(error) : error
  const message = error instanceof Error ? error.message : String(error)
  return (
    databaseError(error) ??
    new EntraSyncError('transient', `Unexpected: ${message}`, { code: 'unexpected', cause: error })
  )
}

function optionalError(error: EntraSyncError): EntraSyncError {
  try {
    return asOptional(error)
  } catch {
    return error
  }
}

// Twenty million users at 200 a page. One slice's loop is found by its links; a loop longer than a slice only by this.
const maxPagesARound = 100_000

function tooManyPages(slice: Slice, collection: Collection): EntraSyncError {
  return new EntraSyncError(
    'malformed',
    `The round of ${collection.name} has not ended after ${maxPagesARound} pages.`,
    {
      code: 'too_many_pages',
      tenant: slice.entraTenantId,
      resource: collection.name,
      remedy: 'Its links lead in a circle; it is read anew by itself.',
    },
  )
}

const noCounts: RoundCounts = { pages: 0, added: 0, changed: 0, removed: 0, unchanged: 0, linked: 0 }

function countsOf(cursor: Cursor): RoundCounts {
  return {
    pages: cursor.round_pages,
    added: cursor.round_added,
    changed: cursor.round_changed,
    removed: cursor.round_removed,
    unchanged: cursor.round_unchanged,
    linked: cursor.round_linked,
  }
}

function endOf(
  collection: Collection,
  verdict: Verdict,
  mode: 'delta' | 'full',
  counts: RoundCounts,
): CollectionEnd {
  return { collection, summary: { verdict, mode, ...counts, unlinked: 0, held: 0 } }
}

import {
  completeCursor,
  dropCursorRound,
  saveNextLink,
  type RoundCounts,
  type RunningRound,
} from '../db/cursors.ts'
import { noteOptionalRead, raiseTargetsDirty } from '../db/entra-tenants.ts'
import { readGuards } from '../db/hold-limits.ts'
import { notePage } from '../db/leases.ts'
import { clearColumns, clearedShares } from '../db/merge.ts'
import { openProblem, closeProblems } from '../db/problems.ts'
import { isAdoptionAmbiguous } from '../db/persons.ts'
import { countLive } from '../db/removals.ts'
import { countSeen, dropNotes } from '../db/seen.ts'
import { deleteUnseenPlans } from '../db/skus.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import type { GraphPage } from '../graph/paging.ts'
import type { Kysely } from 'kysely'
import { selectHash, type Collection, type WritePage } from './collections.ts'
import { writeFenced, type Slice } from './context.ts'
import { ambiguousPersons, partialRounds } from './problems.ts'
import { settleRemovals, type RemovalsEnd } from './removals.ts'
import { implausibleColumns } from './verdict.ts'

/** How a round ended with its last page. */
export type RoundEnd =
  | { verdict: 'complete' | 'complete_empty'; removals: RemovalsEnd }
  | { verdict: 'partial'; error: EntraSyncError }

/**
 * Writes one parsed page and where to go on, in one transaction: a crash at any moment resumes behind the last whole
 * page. The last page also ends the round there. Answers the counts up to this page, and the end if it was the last.
 */
export async function commitPage(
  slice: Slice,
  collection: Collection,
  round: RunningRound,
  before: RoundCounts,
  page: GraphPage,
  write: WritePage,
): Promise<{ counts: RoundCounts; end: RoundEnd | null }> {
  return writeFenced(slice, async (db) => {
    const written = await write(db, round)
    const counts: RoundCounts = {
      pages: before.pages + 1,
      added: before.added + written.added,
      changed: before.changed + written.changed,
      removed: before.removed,
      unchanged: before.unchanged + written.unchanged,
      linked: before.linked + written.linked,
    }
    if (written.ambiguous !== undefined && written.ambiguous.length > 0) {
      await openProblem(db, round.entraTenantId, ambiguousPersons(written.ambiguous))
    }
    await notePage(db, round.entraTenantId)
    if (page.nextLink !== null) {
      await saveNextLink(db, round, page.nextLink, counts)
      return { counts, end: null }
    }
    const end = await endRound(db, slice, collection, round, counts, page.deltaLink)
    return { counts, end }
  })
}

async function endRound(
  db: Kysely<Database>,
  slice: Slice,
  collection: Collection,
  round: RunningRound,
  counts: RoundCounts,
  deltaLink: string | null,
): Promise<RoundEnd> {
  const { entraTenantId, roundId } = round
  const seen = round.sweeps ? await countSeen(db, roundId, collection.kinds[0]) : 0
  if (round.sweeps && collection.table !== null) {
    const shares = await clearedShares(db, collection.table, entraTenantId, roundId)
    const guards = await readGuards(db, slice.context.guard, [entraTenantId])
    const columns = implausibleColumns(seen, shares, guards.get(entraTenantId) ?? slice.context.guard)
    if (columns.length > 0) {
      const error = columnsCleared(entraTenantId, collection, columns)
      await dropPartialRound(db, round, counts, error)
      return { verdict: 'partial', error }
    }
    if (shares.length > 0) counts.changed += await clearColumns(db, collection.table, entraTenantId, roundId)
  }
  const empty = round.sweeps && seen === 0 && (await countLive(db, entraTenantId, collection.kinds[0])) > 0
  const removals = await settleRemovals(db, round, collection.kinds, {
    guard: slice.context.guard,
    runId: slice.runId,
  })
  counts.removed += removals.removed
  if (collection.kinds[0] === 'sku') removals.unlinked += await deleteUnseenPlans(db, entraTenantId, roundId)
  await dropNotes(db, roundId)
  await completeCursor(db, round, {
    startLink: deltaLink,
    servingSeq: slice.serving.seq,
    selectHash: selectHash(collection),
    appId: slice.appId,
    permissionsHash: slice.permissionsHash,
  })
  const adopted = collection.name === 'users' && !(await isAdoptionAmbiguous(db, entraTenantId))
  await closeProblems(db, entraTenantId, [collection.name, ...(adopted ? ['adoption'] : [])])
  if (counts.added + counts.changed + counts.linked + removals.removed + removals.unlinked > 0) {
    await raiseTargetsDirty(db, entraTenantId)
  }
  // After the row of the ImmyBot tenant: an import takes the two in this order.
  if (collection.name === 'devices') await noteOptionalRead(db, entraTenantId, 'devices_read_at')
  return { verdict: empty ? 'complete_empty' : 'complete', removals }
}

/** Ends a round that was not complete. What it has added stays, and counts for the resolver. */
export async function dropRound(
  db: Kysely<Database>,
  round: Pick<RunningRound, 'entraTenantId' | 'collection' | 'roundId'>,
  why: 'restart' | 'partial' | 'reset' | 'other',
  counts: RoundCounts,
): Promise<number> {
  await dropNotes(db, round.roundId)
  if (counts.added + counts.changed + counts.linked > 0) await raiseTargetsDirty(db, round.entraTenantId)
  return (await dropCursorRound(db, round.entraTenantId, round.collection, why)).partial_rounds
}

/** Drops a partial round; where two were partial before it, the full one between them too, a person must know. */
export async function dropPartialRound(
  db: Kysely<Database>,
  round: Pick<RunningRound, 'entraTenantId' | 'collection' | 'roundId'>,
  counts: RoundCounts,
  error: EntraSyncError,
): Promise<void> {
  const partial = await dropRound(db, round, 'partial', counts)
  if (partial > 2) await openProblem(db, round.entraTenantId, partialRounds(round.collection, partial, error))
}

function columnsCleared(
  entraTenantId: string,
  collection: Collection,
  columns: readonly string[],
): EntraSyncError {
  return new EntraSyncError(
    'malformed',
    `A full round of ${collection.name} came without ${columns.join(', ')} for more than a fifth of those that have it.`,
    {
      code: 'columns_cleared',
      tenant: entraTenantId,
      resource: collection.name,
      remedy:
        'Nothing was cleared. Check that the app still has its read permissions; if it has, `entra-sync holds limits` with --percent 100 --until lets it pass.',
    },
  )
}

import type { Kysely } from 'kysely'
import type { RunningRound } from '../db/cursors.ts'
import { fleetHolds, insertHold } from '../db/holds.ts'
import {
  applyRemovals,
  countLive,
  countPending,
  deletePurgedEdges,
  narrowPending,
  pendingKeys,
  pendUnseen,
  recentRemovals,
} from '../db/removals.ts'
import type { RemovalKind } from '../db/seen.ts'
import type { Database } from '../db/tables.ts'
import { isFleetFrozen, type GuardSettings } from '../guard.ts'
import { judgeRemovals, type HoldReason } from './guard.ts'

export interface RemovalsEnd {
  /** Objects removed, and memberships or licences removed. */
  removed: number
  unlinked: number
  held: { kind: RemovalKind; size: number; reason: HoldReason }[]
  /** Persons spared because they are protected. */
  protected: number
}

/**
 * Settles the removals of a round that was read to its end, in the transaction that ends it: what it told and, in a
 * full round, what it did not show; each kind as one set before the guard, applied or held.
 */
export async function settleRemovals(
  db: Kysely<Database>,
  round: RunningRound,
  kinds: readonly [RemovalKind, ...RemovalKind[]],
  facts: { guard: GuardSettings; runId: string },
): Promise<RemovalsEnd> {
  const { entraTenantId, roundId } = round
  const end: RemovalsEnd = { removed: 0, unlinked: 0, held: [], protected: 0 }
  if (round.sweeps) for (const kind of kinds) await pendUnseen(db, entraTenantId, roundId, kind)
  const pending = await countPending(db, roundId)
  for (const kind of kinds) {
    if (!pending.has(kind)) continue
    await deletePurgedEdges(db, entraTenantId, roundId, kind)
    const { left: count, kept } = await narrowPending(db, entraTenantId, roundId, kind)
    if (kind === 'person') end.protected = kept
    if (count === 0) continue
    const fleet = await fleetHolds(db)
    const total = await countLive(db, entraTenantId, kind)
    const recent = await recentRemovals(db, entraTenantId, kind)
    const frozen = isFleetFrozen(fleet.held, fleet.tenants)
    const reason = judgeRemovals({ kind, count, total, recent, frozen }, facts.guard)
    if (reason !== null) {
      await insertHold(db, { entraTenantId, roundId, kind, reason, size: count, total, runId: facts.runId })
      end.held.push({ kind, size: count, reason })
      continue
    }
    const applied = await applyRemovals(db, entraTenantId, kind, pendingKeys(roundId, kind), { noted: true })
    if (kind === kinds[0]) end.removed += applied
    else end.unlinked += applied
    await deletePurgedEdges(db, entraTenantId, roundId, kind)
  }
  return end
}

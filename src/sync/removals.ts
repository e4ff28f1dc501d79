import type { Kysely } from 'kysely'
import type { RunningRound } from '../db/cursors.ts'
import { isFleetFrozenNow } from '../db/fleet-freeze.ts'
import { readGuards } from '../db/hold-limits.ts'
import { insertHold } from '../db/holds.ts'
import { noteNamedLosses } from '../db/named-groups.ts'
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
import type { GuardSettings } from '../guard.ts'
import { judgeRemovals, type HoldReason } from './guard.ts'
import { holdNamedGroups } from './named-groups.ts'

export interface RemovalsEnd {
  /** Objects removed, and memberships or licences removed. */
  removed: number
  unlinked: number
  /** `group`: the one that a deployment names, where it is held for itself. */
  held: { kind: RemovalKind; size: number; reason: HoldReason; group?: string }[]
  /** Persons spared because they are protected. */
  protected: number
}

/**
 * Settles the removals of a round that was read to its end, in the transaction that ends it: what it told and, in a
 * full round, what it did not show; each kind as one set before the guard, applied or held; and before that what each
 * group would lose that a deployment names.
 */
export async function settleRemovals(
  db: Kysely<Database>,
  round: Pick<RunningRound, 'entraTenantId' | 'roundId' | 'sweeps'>,
  kinds: readonly [RemovalKind, ...RemovalKind[]],
  configured: { guard: GuardSettings; runId: string },
): Promise<RemovalsEnd> {
  const { entraTenantId, roundId } = round
  const end: RemovalsEnd = { removed: 0, unlinked: 0, held: [], protected: 0 }
  if (round.sweeps) for (const kind of kinds) await pendUnseen(db, entraTenantId, roundId, kind)
  const pending = await countPending(db, roundId)
  if (pending.size === 0) return end
  const guards = await readGuards(db, configured.guard, [entraTenantId])
  const facts = { ...configured, guard: guards.get(entraTenantId) ?? configured.guard }
  for (const kind of kinds) {
    if (!pending.has(kind)) continue
    await deletePurgedEdges(db, entraTenantId, roundId, kind)
    const { left, kept } = await narrowPending(db, entraTenantId, roundId, kind)
    if (kind === 'person') end.protected = kept
    if (left === 0) continue
    const frozen = await isFleetFrozenNow(db)
    // What is held whatever its size is not held twice.
    const named =
      frozen || (kind !== 'group' && kind !== 'membership')
        ? { held: [], small: [] }
        : await holdNamedGroups(db, round, kind, facts)
    end.held.push(...named.held)
    const except = named.held.map(({ holdId }) => holdId)
    const count = left - named.held.reduce((sum, { size }) => sum + size, 0)
    if (count === 0) continue
    const total = await countLive(db, entraTenantId, kind)
    const recent = await recentRemovals(db, entraTenantId, kind)
    const reason = judgeRemovals({ kind, count, total, recent, frozen }, facts.guard)
    if (reason !== null) {
      const hold = { entraTenantId, roundId, kind, reason, size: count, total, runId: facts.runId, except }
      await insertHold(db, hold)
      end.held.push({ kind, size: count, reason })
      continue
    }
    const applied = await applyRemovals(db, entraTenantId, kind, pendingKeys(roundId, kind, except), {
      noted: true,
    })
    if (kind === 'membership') await noteNamedLosses(db, entraTenantId, named.small)
    if (kind === kinds[0]) end.removed += applied
    else end.unlinked += applied
    await deletePurgedEdges(db, entraTenantId, roundId, kind)
  }
  return end
}

import type { RemovalKind } from '../db/seen.ts'
import { judgeSize, type ChangeSet, type GuardSettings, type TooLarge } from '../guard.ts'

export type HoldReason = 'fleet_frozen' | TooLarge

/** Removals of one kind in a round, of the Entra tenant's live rows of that kind. */
export interface RemovalSet extends ChangeSet {
  kind: RemovalKind
  frozen: boolean
}

/**
 * Why a set of removals is too large to be believed; null = apply it. Other directory syncs put such a brake at 20 %
 * (Okta) or 500 objects (Entra Connect); ours is per kind, also for memberships, and sees what drips.
 */
export function judgeRemovals(set: RemovalSet, settings: GuardSettings): HoldReason | null {
  if (set.count === 0) return null
  if (set.frozen) return 'fleet_frozen'
  if (set.count >= set.total) return 'empties_collection'
  return judgeSize(set, { ...settings, holdMax: settings.holdMax * factor(set.kind) })
}

function factor(kind: RemovalKind): number {
  return kind === 'membership' || kind === 'license' ? 10 : 1
}

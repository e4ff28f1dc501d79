import type { RemovalKind } from '../db/seen.ts'
import { judgeSize, type ChangeSet, type GuardSettings, type TooLarge } from '../guard.ts'

export type HoldReason = 'fleet_frozen' | TooLarge | NamedGroupReason

/** Why what one group would lose is held though all memberships together are few. */
export type NamedGroupReason = 'empties_named_group' | 'named_group_over_percent' | 'named_group_over_max'

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

/**
 * Why what a group that a deployment names would lose is too large to be believed: as a set by itself, or because nobody
 * would be left where there were more than `holdMin`. Counts are members; a group that is removed loses all of them.
 */
export function judgeNamedGroup(set: ChangeSet, settings: GuardSettings): NamedGroupReason | null {
  if (set.count === 0) return null
  if (set.count >= set.total && set.count + set.recent > settings.holdMin) return 'empties_named_group'
  const reason = judgeSize(set, { ...settings, holdMax: settings.holdMax * factor('membership') })
  return reason === null ? null : `named_group_${reason}`
}

function factor(kind: RemovalKind): number {
  return kind === 'membership' || kind === 'license' ? 10 : 1
}

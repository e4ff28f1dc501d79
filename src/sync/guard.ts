import type { RemovalKind } from '../db/seen.ts'

export interface GuardSettings {
  /** A set of this size or smaller is never too large by share. */
  holdMin: number
  /** Per cent of what is there. */
  holdPercent: number
  /** Absolute; ten times that for memberships and licences. */
  holdMax: number
}

export type HoldReason = 'fleet_frozen' | 'empties_collection' | 'over_max' | 'over_percent'

export interface RemovalSet {
  kind: RemovalKind
  /** Removals of this round. */
  count: number
  /** Live rows of this kind in the Entra tenant before them. */
  total: number
  /** Removals of this kind applied in the last 24 hours: a slow drip counts as one set. */
  recent: number
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
  const count = set.count + set.recent
  const total = set.total + set.recent
  if (count > settings.holdMax * factor(set.kind)) return 'over_max'
  if (count > settings.holdMin && count * 100 > settings.holdPercent * total) return 'over_percent'
  return null
}

/** True when so many Entra tenants were newly held within an hour that the fault is rather ours or Microsoft's. */
export function isFleetFrozen(held: number, tenants: number): boolean {
  return held > Math.max(3, tenants * 0.05)
}

function factor(kind: RemovalKind): number {
  return kind === 'membership' || kind === 'license' ? 10 : 1
}

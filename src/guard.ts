/** When a set of changes is too large to be believed. */
export interface GuardSettings {
  /** A set of this size or smaller is never too large by share. */
  holdMin: number
  /** Per cent of what is there. */
  holdPercent: number
  /** Absolute; ten times that for memberships and licences. */
  holdMax: number
}

/** Why a set is kept back: `over_percent` and `over_max` by its size, `empties_collection` since nothing would be left. */
export type TooLarge = 'empties_collection' | 'over_max' | 'over_percent'

export interface ChangeSet {
  count: number
  /** What is there before it. */
  total: number
  /** Of the same kind, let through in the last 24 hours: a slow drip counts as one set. */
  recent: number
}

/** True when a set is over both limits by size, or over the absolute one. */
export function judgeSize(
  { count, total, recent }: ChangeSet,
  { holdMin, holdPercent, holdMax }: GuardSettings,
): Exclude<TooLarge, 'empties_collection'> | null {
  if (count + recent > holdMax) return 'over_max'
  const sum = count + recent
  if (sum > holdMin && sum * 100 > holdPercent * (total + recent)) return 'over_percent'
  return null
}

/** True when so many Entra tenants were newly held within an hour that the fault is rather ours or Microsoft's. */
export function isFleetFrozen(held: number, tenants: number): boolean {
  return held > Math.max(3, tenants * 0.05)
}

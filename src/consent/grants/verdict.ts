import { steadyNow } from '../../clock.ts'
import type { ConsentStatus } from '../../db/tables.ts'
import type { EntraSyncError } from '../../errors.ts'
import { requiredPermissions, type Findings } from './probes.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** Roles show in tokens seconds to minutes after consent; after this long what is missing was not granted. */
export const rolesComeWithinMs = 15 * minute

/**
 * The status that findings mean. `grantedBefore`: it has been granted at some time. `expecting`: somebody has just
 * consented, so that what is missing may still come.
 */
export function statusOf(
  { principal, missing }: Findings,
  { grantedBefore, expecting }: { grantedBefore: boolean; expecting: boolean },
): ConsentStatus {
  if (missing.length === 0) return 'granted'
  if (expecting) return 'waiting_for_roles'
  const nothing = !principal || requiredPermissions.every((name) => missing.includes(name))
  if (nothing && grantedBefore) return 'revoked'
  return principal ? 'insufficient' : 'required'
}

/**
 * Milliseconds until the next proof. Granted: about a day. Waiting: 2, 5, 10, 20, 40 s, then each minute. Else 1 h,
 * doubling to 24 h with each proof before that was not good: who has not consented for a week will not this minute.
 * `random` in [0, 1).
 */
export function nextProofMs(
  status: ConsentStatus,
  { waitedMs, failed, random }: { waitedMs: number; failed: number; random: number },
): number {
  if (status === 'granted') return 24 * hour * (0.9 + 0.1 * random)
  if (status === 'waiting_for_roles') return waitMs(waitedMs)
  return backOff(hour, 24 * hour, failed, random)
}

/** Milliseconds until the proof that came to no verdict is tried again: sooner where the fault passes by itself. */
export function retryProofMs(
  error: EntraSyncError,
  { waitedMs, failed, random }: { waitedMs: number | null; failed: number; random: number },
): number {
  const untilAllowed = (error.retryAt?.getTime() ?? 0) - steadyNow()
  if (waitedMs !== null) return Math.max(untilAllowed, waitMs(waitedMs))
  const passing = ['transient', 'throttled', 'malformed'].includes(error.kind)
  const first = passing ? minute : 15 * minute
  return Math.max(untilAllowed, backOff(first, passing ? hour : 24 * hour, failed, random))
}

function waitMs(waitedMs: number): number {
  const steps = [2, 5, 10, 20, 40].map((seconds) => seconds * second)
  let passed = 0
  return steps.find((step) => (passed += step) > waitedMs) ?? minute
}

function backOff(first: number, most: number, failed: number, random: number): number {
  return Math.min(most, first * 2 ** Math.min(20, failed)) * (0.75 + 0.25 * random)
}

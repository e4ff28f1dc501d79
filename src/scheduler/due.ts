const second = 1000
const minute = 60 * second

/** How often the tick runs: what is due waits for at most this long. */
export const tickMs = 5 * second

/** A request without a worker for this long lost its wake-up; younger ones are just on their way. */
export const healAfterMs = 10 * second

/** How often a standalone Entra tenant is asked whether it is a partner, at most. */
export const probeEveryMs = 24 * 60 * minute

/** How long a partner waits after a failed discovery, in milliseconds: a quarter of its interval, at most 15 min. */
export function discoveryRetryMs(intervalMs: number): number {
  return Math.min(15 * minute, intervalMs / 4)
}

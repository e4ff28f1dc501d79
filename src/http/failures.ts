import { steadyNow } from '../clock.ts'

const windowMs = 5 * 60_000
const allowed = 10
const mostAddresses = 10_000

/**
 * Counts failed sign-ins per address: after ten within five minutes of the first, further tries are refused until
 * those five minutes are over. Tokens are long and random, so this is against noise more than against guessing.
 */
export function createFailures(now: () => number = steadyNow) {
  const failures = new Map<string, { count: number; until: number }>()
  return {
    /** Seconds to wait; 0 = may try. */
    waitSeconds(address: string): number {
      const entry = failures.get(address)
      if (!entry || entry.until <= now() || entry.count < allowed) return 0
      return Math.ceil((entry.until - now()) / 1000)
    },
    add(address: string): void {
      const entry = failures.get(address)
      if (entry && entry.until > now()) {
        entry.count += 1
        return
      }
      failures.delete(address)
      const oldest = failures.keys().next()
      if (failures.size >= mostAddresses && !oldest.done) failures.delete(oldest.value)
      failures.set(address, { count: 1, until: now() + windowMs })
    },
  }
}

export type Failures = ReturnType<typeof createFailures>

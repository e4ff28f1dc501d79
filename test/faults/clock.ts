import { vi } from 'vitest'
import type { Fault } from './fault.ts'

const minute = 60_000

/** The clock of the daemon's machine against that of Postgres. It goes on from where it was put. */
function clock(name: string, offsetMs: number): Fault {
  return {
    number: 54,
    name,
    tells: null,
    reach: 'victim',
    inject: () =>
      void vi.useFakeTimers({ toFake: ['Date'], shouldAdvanceTime: true, now: Date.now() + offsetMs }),
    end: () => void vi.useRealTimers(),
  }
}

/** Number 54. */
export const clockFaults: Fault[] = [
  clock('a clock five minutes fast', 5 * minute),
  clock('a clock five minutes slow', -5 * minute),
  clock('a clock that jumps back an hour', -60 * minute),
  clock('a clock that jumps a day ahead', 24 * 60 * minute),
]

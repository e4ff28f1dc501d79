import { putClock, putClockRight } from '../harness/clock.ts'
import type { Fault } from './fault.ts'

const minute = 60_000

function clock(name: string, offsetMs: number): Fault {
  return {
    number: 54,
    name,
    tells: null,
    reach: 'victim',
    inject: () => putClock(offsetMs),
    end: putClockRight,
  }
}

/** Number 54. */
export const clockFaults: Fault[] = [
  clock('a clock five minutes fast', 5 * minute),
  clock('a clock that jumps a day ahead', 24 * 60 * minute),
]

import { performance } from 'node:perf_hooks'

/**
 * Whole milliseconds since 1970 as they were when this process started, and counted on from there whatever is done to the
 * clock of the machine since. For all that waits, ends or expires within this process; `Date.now()` is for people and for
 * what others compare with their own clocks. What is stored goes by Postgres's clock: as a time from now, see secondsUntil.
 */
export function steadyNow(): number {
  return Math.floor(performance.timeOrigin + performance.now())
}

/** The moment `ms` from now, by the steady clock. */
export function inMs(ms: number): Date {
  return new Date(steadyNow() + ms)
}

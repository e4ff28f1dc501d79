import type { Fault } from './fault.ts'

const minute = 60_000

const RealDate = Date

/** The clock of the daemon's machine against that of Postgres: it goes on from where it was put. */
function putClock(offsetMs: number): void {
  globalThis.Date = new Proxy(RealDate, {
    construct: (date, args, self) =>
      Reflect.construct(date, args.length === 0 ? [date.now() + offsetMs] : args, self) as object,
    get: (date, name) => (name === 'now' ? () => date.now() + offsetMs : Reflect.get(date, name)),
  })
}

function clock(name: string, offsetMs: number): Fault {
  return {
    number: 54,
    name,
    tells: null,
    reach: 'victim',
    inject: () => putClock(offsetMs),
    end: () => void (globalThis.Date = RealDate),
  }
}

/** Number 54. */
export const clockFaults: Fault[] = [
  clock('a clock five minutes fast', 5 * minute),
  clock('a clock that jumps a day ahead', 24 * 60 * minute),
]

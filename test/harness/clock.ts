const RealDate = Date

/** Puts the wall clock of this process so far from the right time; it goes on from there. The steady clock is not touched. */
export function putClock(offsetMs: number): void {
  globalThis.Date = new Proxy(RealDate, {
    construct: (date, args, self) =>
      Reflect.construct(date, args.length === 0 ? [date.now() + offsetMs] : args, self) as object,
    get: (date, name) => (name === 'now' ? () => date.now() + offsetMs : Reflect.get(date, name)),
  })
}

export function putClockRight(): void {
  globalThis.Date = RealDate
}

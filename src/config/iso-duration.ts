const pattern = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/

/**
 * Milliseconds of an ISO 8601 duration such as `PT30M`, `P1D` or `P1DT12H`; null when it is none. Years and months are
 * refused: they have no fixed length.
 */
export function parseIsoDuration(text: string): number | null {
  const match = pattern.exec(text)
  if (!match || text.endsWith('P') || text.endsWith('T')) return null
  const [weeks, days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0))
  const ms =
    (weeks ?? 0) * 604_800_000 +
    (days ?? 0) * 86_400_000 +
    (hours ?? 0) * 3_600_000 +
    (minutes ?? 0) * 60_000 +
    (seconds ?? 0) * 1000
  return Number.isSafeInteger(Math.round(ms)) ? Math.round(ms) : null
}

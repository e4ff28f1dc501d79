/**
 * How long a Retry-After header asks to wait, in milliseconds: seconds (also with a fraction) or an HTTP date. null
 * where it says nothing usable (absent, negative, garbage); the caller backs off then. Never more than `maxMs`.
 */
export function retryAfterMs(
  header: string | null | undefined,
  maxMs: number,
  now = Date.now(),
): number | null {
  const text = header?.trim()
  if (!text) return null
  if (/^\d+(\.\d+)?$/.test(text)) return Math.min(Number(text) * 1000, maxMs)
  // Date.parse takes '-5' and other things for a date: an HTTP date starts with the weekday.
  if (!/^[A-Z][a-z]{2}/.test(text)) return null
  const at = Date.parse(text)
  return Number.isNaN(at) ? null : Math.min(Math.max(at - now, 0), maxMs)
}

/** Back-off before attempt `attempt` + 1 (counted from 1): doubling, jittered between half and whole. */
export function backoffMs(firstMs: number, attempt: number): number {
  const whole = firstMs * 2 ** (attempt - 1)
  return whole / 2 + Math.random() * (whole / 2)
}

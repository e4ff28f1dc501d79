import { scrub } from '../log.ts'

const maxLength = 2000

/**
 * Makes a text fit for a job's result or failure: Postgres refuses NUL and broken UTF-16 in the queue's JSON columns
 * ("unsupported Unicode escape sequence"), which would leave the job active for ever. Secrets go, length is bounded.
 */
export function jobText(text: string): string {
  // eslint-style control-character classes are avoided: NUL is the only one that Postgres refuses.
  const clean = scrub(text).replaceAll('\u0000', '').toWellFormed()
  return clean.length > maxLength ? `${clean.slice(0, maxLength - 1).toWellFormed()}…` : clean
}

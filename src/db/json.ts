const UNSTORABLE = /\\u0000|\\ud[89a-f]/i

/**
 * Rows as one jsonb parameter. NUL and lone surrogates, which Graph lets people type and Postgres refuses, are taken
 * out of strings; the second pass runs only for the rare page that has some.
 */
export function jsonRows(rows: readonly object[]): string {
  const text = JSON.stringify(rows)
  if (!UNSTORABLE.test(text)) return text
  return JSON.stringify(rows, (_key, value: unknown) =>
    typeof value === 'string' ? value.replaceAll('\0', '').toWellFormed() : value,
  )
}

import type { ErrorKind } from '../errors.ts'

export type WhoActs = 'operator' | 'customer_admin' | 'partner_admin' | 'microsoft'

/**
 * `never`: trying again cannot help, and nobody has to act. `after_fix`: once `whoActs` has acted. `soon`: within a
 * minute or so, replication or a short fault. `later`: with back-off, it passes by itself.
 */
export type Retry = 'never' | 'after_fix' | 'soon' | 'later'

/** One error that Microsoft's cloud can answer with, or that we find ourselves, and what it means to the people who run this. */
export interface CatalogueEntry {
  /** As in problems, logs and alerts. Several entries may share one: the same cure for the daemon, other words for people. */
  code: string
  /** AADSTS numbers. */
  numbers: readonly number[]
  /** As the service writes it: Graph's `error.code`, OAuth's `error`. Letter case does not count. */
  names: readonly string[]
  source: 'entra_login' | 'graph' | 'partner_center' | 'entra_sync'
  /** What it means; part of a sentence, no full stop. */
  what: string
  /** What a person does next. May hold `{redirectUri}`, `{clientId}` and `{tenant}`: see fillRemedy. */
  remedy: string
  whoActs: WhoActs
  retry: Retry
  kind: ErrorKind
}

/** An entry as the data files have it; the source is the file's. */
export type SourcedEntry = Omit<CatalogueEntry, 'source' | 'numbers' | 'names'> & {
  numbers?: readonly number[]
  names?: readonly string[]
}

/** Entries of one sort, a row each: its code, what it means, what to do. */
export function entriesOf(
  facts: Omit<SourcedEntry, 'code' | 'what' | 'remedy'>,
  rows: readonly (readonly [code: string, what: string, remedy: string])[],
): SourcedEntry[] {
  return rows.map(([code, what, remedy]) => ({ ...facts, code, what, remedy }))
}

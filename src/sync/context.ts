import type { Kysely, Transaction } from 'kysely'
import { proveLease } from '../db/leases.ts'
import type { Serving } from '../db/requests.ts'
import { retryingConflicts } from '../db/retry-conflicts.ts'
import type { Outcome } from '../db/runs.ts'
import type { Database } from '../db/tables.ts'
import type { EntraSyncError } from '../errors.ts'
import type { GraphClient } from '../graph/client.ts'
import type { Log } from '../log.ts'
import type { GuardSettings } from '../guard.ts'
import type { Verdict } from './verdict.ts'

/** Milliseconds. */
export interface SyncTimings {
  /** How long a dead worker keeps an Entra tenant from others. */
  leaseMs: number
  renewMs: number
  /** Longest an Entra tenant keeps a slot before it yields at a page boundary. */
  sliceMs: number
}

export const defaultTimings: SyncTimings = { leaseMs: 60_000, renewMs: 15_000, sliceMs: 60_000 }

export interface SyncContext {
  db: Kysely<Database>
  graphFor(entraTenantId: string): GraphClient
  log: Log
  /** Names this worker in `sync_leases`, as host and process id. */
  worker: string
  timings: SyncTimings
  guard: GuardSettings
  /** Client id of the app that reads this Entra tenant; null = unknown. Another app's delta tokens are not trusted. */
  appIdFor(entraTenantId: string): Promise<string | null> | string | null
  intervals: { syncMs: number; reconcileMs: number }
}

/** What became of one collection; counts of objects, and of the memberships or licences that hang on them. */
export interface CollectionSummary {
  verdict: Verdict
  mode: 'delta' | 'full'
  pages: number
  added: number
  changed: number
  removed: number
  unchanged: number
  linked: number
  unlinked: number
  held: number
  notice?: string
}

export type Progress = Record<string, { pages: number; rows: number; done: boolean }>

export interface RunResult {
  status: 'finished' | 'yielded' | 'busy' | 'nothing' | 'throttled' | 'fenced'
  runId?: string
  outcome?: Outcome
  /** Throttled: when Microsoft allows more. Busy: when the lease ends unless renewed. Failed: when it is tried again. */
  retryAt?: Date
  /** Something is still wanted: of this run, or asked meanwhile. */
  moreRequested: boolean
  error?: EntraSyncError
  summary: Record<string, CollectionSummary>
}

/** One slice: what one worker does under one lease. */
export interface Slice {
  context: SyncContext
  entraTenantId: string
  runSeq: number
  runId: string
  serving: Serving
  client: GraphClient
  /** Aborts on shutdown and when the lease is lost. */
  signal: AbortSignal
  /** When to yield, by the steady clock. */
  deadline: number
  /** What time it is in Postgres, whose times rounds are compared with. */
  databaseNow(): Date
  appId: string | null
  /** Fingerprint of the token's roles; null where it cannot be decoded. */
  permissionsHash: string | null
  hiddenReadable: boolean
  reconcileMs: number
  progress(collection: string, state: { pages: number; rows: number; done: boolean }): void
}

/**
 * A write of a slice: proves the lease first, so that a worker that lost it writes nothing. `write` may run several
 * times: a deadlock must not cost the whole run, and its back-off, what the same page again costs milliseconds.
 */
export function writeFenced<T>(
  slice: Pick<Slice, 'context' | 'entraTenantId' | 'runSeq'>,
  write: (trx: Transaction<Database>) => Promise<T>,
): Promise<T> {
  return retryingConflicts(() =>
    slice.context.db.transaction().execute(async (trx) => {
      await proveLease(trx, slice.entraTenantId, slice.runSeq, slice.context.worker)
      return write(trx)
    }),
  )
}

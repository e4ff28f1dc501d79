import type { Log } from '../log.ts'

/** What a handler is given beside its payload. */
export interface JobHelpers {
  id: string
  /** Scoped to the job and its Entra tenant. */
  log: Log
  /** Aborts when the job is cancelled or the worker stops. */
  signal: AbortSignal
  /** Shows progress in the dashboard. Never throws and never waits: what comes too fast replaces what waits. */
  progress(value: object): void
  /** Replaces the job's payload, so that a second start of the same job sees it. */
  updatePayload(payload: object): Promise<void>
}

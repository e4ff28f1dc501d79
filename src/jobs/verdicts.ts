import { inMs } from '../clock.ts'
import { databaseError } from '../db/errors.ts'
import { describeError, EntraSyncError, isEntraSyncError } from '../errors.ts'
import type { RunResult } from '../sync/context.ts'

/**
 * When the Entra tenant is to be woken again if anything is still asked of it: `now`, `continue` before new work
 * because the run yielded, `soon` because another worker may hold the lease, `back-off` after a failure, `never`
 * because another worker is at it (which wakes it again itself) or because only a person can help.
 */
export type Again = 'now' | 'continue' | 'soon' | 'back-off' | 'never'

/** What becomes of a job. */
export type Verdict =
  | { job: 'completed'; result: string; again: Again }
  | { job: 'delayed'; until: Date; reason: string }
  | { job: 'failed'; error: EntraSyncError; again: Again; retryAt?: Date }

/** The verdict on one run of the engine. */
export function verdictOfRun(run: RunResult): Verdict {
  switch (run.status) {
    case 'finished':
      return run.outcome === 'failed' || run.outcome === 'partial'
        ? failedRun(run)
        : completed(describeRun(run), 'now')
    case 'yielded':
      return completed(`run ${run.runId} yielded its slot and goes on`, 'continue')
    case 'busy':
      return completed(
        run.runId === undefined ? 'joined the running run' : `joined run ${run.runId}`,
        'never',
      )
    case 'nothing':
      return completed('nothing to do: all that was asked is served', 'never')
    case 'throttled':
      return delayed(run.retryAt, 'throttled')
    case 'fenced':
      return completed(`run ${run.runId} was fenced: its lease was lost to another worker`, 'soon')
    default:
      return unreachable(run.status)
  }
}

/**
 * The verdict on an error that a handler threw. Whatever is neither an EntraSyncError nor from Postgres is a fault of ours:
 * `internal_error`.
 */
export function verdictOfError(thrown: unknown): Verdict {
  const error = isEntraSyncError(thrown)
    ? thrown
    : (databaseError(thrown) ??
      new EntraSyncError('transient', thrown instanceof Error ? thrown.message : String(thrown), {
        code: 'internal_error',
        remedy: 'This is a fault of entra-sync: report it with the log of this job.',
        cause: thrown,
      }))
  switch (error.kind) {
    case 'throttled':
      return delayed(error.retryAt, describeError(error))
    case 'fenced':
      return completed(`fenced: ${describeError(error)}`, 'soon')
    case 'aborted':
      return completed('stopped before its end; it goes on', 'continue')
    case 'input':
    case 'not_found':
      return { job: 'failed', error, again: 'never' }
    case 'config':
    case 'transient':
    case 'access_lost':
    case 'not_permitted':
    case 'reset':
    case 'restart':
    case 'malformed':
    case 'foreign_origin':
    case 'wrong_tenant':
    case 'database':
    case 'queue':
      return { job: 'failed', error, again: 'back-off' }
    default:
      return unreachable(error.kind)
  }
}

/** A failed or partial run put its request back: it is tried again whatever the error was. */
function failedRun(run: RunResult): Verdict {
  const error = run.error ?? new EntraSyncError('transient', 'The run failed.', { code: 'run_failed' })
  const failed = { job: 'failed', error, again: 'back-off' } as const
  return run.retryAt === undefined ? failed : { ...failed, retryAt: run.retryAt }
}

function describeRun(run: RunResult): string {
  const counts = Object.entries(run.summary)
    .map(([collection, c]) => `${collection} +${c.added} ~${c.changed} -${c.removed}`)
    .join(', ')
  return `run ${run.runId} ${run.outcome}${counts === '' ? '' : `: ${counts}`}`
}

function completed(result: string, again: Again): Verdict {
  return { job: 'completed', result, again }
}

function delayed(retryAt: Date | undefined, reason: string): Verdict {
  // Graph's documented default when a 429 names no time.
  return { job: 'delayed', until: retryAt ?? inMs(30_000), reason }
}

function unreachable(value: never): never {
  throw new Error(`Unhandled case: ${String(value)}`)
}

import { inMs } from '../clock.ts'
import { proveConsentSoon } from '../db/consents.ts'
import { lockEntraTenant, noteFreshness, planNextSync, type SyncedTenant } from '../db/entra-tenants.ts'
import { releaseLease } from '../db/leases.ts'
import { closeProblems, openProblem } from '../db/problems.ts'
import { readRequest, settleRequest } from '../db/requests.ts'
import { finishRun, noteSlice, type Outcome } from '../db/runs.ts'
import type { EntraSyncError } from '../errors.ts'
import { scrub } from '../log.ts'
import { requiredCollections } from './collections.ts'
import { writeFenced, type CollectionSummary, type RunResult, type Slice } from './context.ts'
import { accessProblem, maxRunsBegunAgain, neverEnding, poison, wrongTenant } from './problems.ts'
import type { CollectionEnd } from './rounds.ts'
import { nextSync, paceOf, retryAfterFailure } from './schedule.ts'
import { fateOfRun, verdictOfError } from './verdict.ts'

/** What a slice has come to. `error` is one that belongs to no collection. */
export interface SliceEnd {
  ends: CollectionEnd[]
  notices: string[]
  error?: EntraSyncError
}

/**
 * Ends a slice in one transaction: the run's record, the request served or put back, problems, when it is due again,
 * and the lease given back. A slice that was fenced writes nothing.
 */
export async function endSlice(slice: Slice, tenant: SyncedTenant, end: SliceEnd): Promise<RunResult> {
  const { runId, entraTenantId } = slice
  const fate = fateOfRun([
    ...end.ends.map((one) => ({
      verdict: one.summary.verdict,
      required: one.collection.required,
      held: one.summary.held,
    })),
    ...(end.error === undefined ? [] : [{ verdict: verdictOfError(end.error), required: true, held: 0 }]),
  ])
  const error = end.error ?? worstError(end.ends)
  const summary = Object.fromEntries(end.ends.map((one) => [one.collection.name, one.summary]))
  if (fate === 'fenced')
    return { status: 'fenced', runId, moreRequested: true, summary, ...(error && { error }) }
  try {
    return await writeFenced(slice, async (db) => {
      const usage = slice.client.usage
      const notices = end.notices.length > 0 ? { notices: end.notices } : {}
      const all = await noteSlice(db, runId, { usage, collections: { ...summary, ...notices } })
      const merged = { ...summariesOf(all), ...summary }
      if (fate === 'yielded' || fate === 'throttled') {
        const retryAt = fate === 'throttled' ? (error?.retryAt ?? inMs(30_000)) : undefined
        await releaseLease(db, entraTenantId, slice.runSeq, {
          keepRun: true,
          clean: true,
          throttledUntil: retryAt,
        })
        return {
          status: fate,
          runId,
          moreRequested: true,
          summary: merged,
          ...(retryAt && { retryAt }),
          ...(error && { error }),
        }
      }
      const failed = fate === 'failed' || fate === 'partial'
      await lockEntraTenant(db, entraTenantId)
      await settleRequest(db, entraTenantId, !failed)
      await noteFreshness(db, entraTenantId, requiredCollections)
      const retryAt = await planNext(slice, db, tenant, merged, failed ? error : undefined)
      if (failed) await openProblems(slice, db, end, tenant)
      // Topic `organization` is closed where /organization is read: most runs do not ask it.
      else if (isWhole(merged)) await closeProblems(db, entraTenantId, ['access', 'lease'])
      const outcome: Outcome = outcomeOf(fate, merged)
      await finishRun(db, runId, { outcome, error: failed && error ? recordOf(error) : undefined })
      await releaseLease(db, entraTenantId, slice.runSeq, {
        keepRun: false,
        clean: error?.code !== 'unexpected',
      })
      const request = await readRequest(db, entraTenantId)
      return {
        status: 'finished',
        runId,
        outcome,
        moreRequested: request !== null && request.requested_seq > request.served_seq,
        summary: merged,
        ...(failed && retryAt && { retryAt }),
        ...(failed && error && { error }),
      }
    })
  } catch (thrown) {
    if (verdictOf(thrown) !== 'fenced') throw thrown
    return { status: 'fenced', runId, moreRequested: true, summary }
  }
}

/** Sets when this Entra tenant is wanted next; answers it when it is a retry. */
async function planNext(
  slice: Slice,
  db: Parameters<typeof planNextSync>[0],
  tenant: SyncedTenant,
  summary: Record<string, CollectionSummary>,
  error: EntraSyncError | undefined,
): Promise<Date | null> {
  const { entraTenantId } = slice
  const now = inMs(0)
  if (error !== undefined) {
    const consecutiveFailures = tenant.consecutive_failures + 1
    const nextSyncAt = retryAfterFailure(now, consecutiveFailures, paceOf(error), entraTenantId)
    await planNextSync(db, entraTenantId, { nextSyncAt, consecutiveFailures })
    return nextSyncAt
  }
  // A run of some collections only must not put off the regular one.
  const nextSyncAt = isWhole(summary)
    ? nextSync(now, tenant.sync_interval_ms ?? slice.context.intervals.syncMs, entraTenantId)
    : null
  await planNextSync(db, entraTenantId, { nextSyncAt, consecutiveFailures: 0 })
  return null
}

async function openProblems(
  slice: Slice,
  db: Parameters<typeof openProblem>[0],
  end: SliceEnd,
  tenant: SyncedTenant,
): Promise<void> {
  const errors = [end.error, ...end.ends.filter((one) => one.collection.required).map((one) => one.error)]
  for (const error of errors) {
    if (error === undefined) continue
    if (error.kind === 'access_lost') {
      await openProblem(db, tenant.entra_tenant_id, accessProblem(error))
      await proveConsentSoon(db, tenant.entra_tenant_id)
    }
    if (error.kind === 'wrong_tenant') await openProblem(db, tenant.entra_tenant_id, wrongTenant(error))
    if (error.code === 'poison') await openProblem(db, tenant.entra_tenant_id, poison(3))
  }
  const failures = tenant.consecutive_failures + 1
  for (const { collection, summary, error } of end.ends) {
    const begunAgain = summary.verdict === 'restart' || summary.verdict === 'reset'
    if (error !== undefined && begunAgain && failures >= maxRunsBegunAgain)
      await openProblem(db, tenant.entra_tenant_id, neverEnding(collection.name, failures, error))
  }
  slice.context.log.warn(
    { error: end.error ?? worstError(end.ends), entraTenantId: slice.entraTenantId, runId: slice.runId },
    'the run failed',
  )
}

/** The error that tells most: of the collection that decides the run's fate. */
function worstError(ends: readonly CollectionEnd[]): EntraSyncError | undefined {
  const errors = ends
    .filter((one) => one.collection.required)
    .flatMap((one) => (one.error ? [one.error] : []))
  return errors.toSorted((a, b) => rank(a) - rank(b) || later(a, b))[0]
}

// What a person has to act on comes before what passes by itself.
const telling = ['access_lost', 'wrong_tenant', 'database', 'transient', 'throttled']

function rank(error: EntraSyncError): number {
  const place = telling.indexOf(error.kind)
  return place === -1 ? telling.length : place
}

function later(a: EntraSyncError, b: EntraSyncError): number {
  return (b.retryAt?.getTime() ?? 0) - (a.retryAt?.getTime() ?? 0)
}

function outcomeOf(
  fate: 'succeeded' | 'held' | 'partial' | 'failed',
  summary: Record<string, CollectionSummary>,
): Outcome {
  // An earlier slice of this run may have held something.
  if (fate === 'succeeded' && Object.values(summary).some((one) => one.held > 0)) return 'held'
  return fate
}

function isWhole(summary: Record<string, CollectionSummary>): boolean {
  return requiredCollections.every(
    (name) => summary[name]?.verdict === 'complete' || summary[name]?.verdict === 'complete_empty',
  )
}

/** Summaries of earlier slices out of the run's own record. */
function summariesOf(stored: Record<string, unknown>): Record<string, CollectionSummary> {
  return Object.fromEntries(
    Object.entries(stored).filter((entry): entry is [string, CollectionSummary] => {
      const value = entry[1]
      return typeof value === 'object' && value !== null && 'verdict' in value
    }),
  )
}

function recordOf(error: EntraSyncError) {
  return { kind: error.kind, code: error.code, message: scrub(error.message), requestId: error.requestId }
}

function verdictOf(thrown: unknown): string {
  return thrown instanceof Error && 'kind' in thrown ? String(thrown.kind) : ''
}

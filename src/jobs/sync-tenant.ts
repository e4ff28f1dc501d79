import { EntraSyncError, type ErrorKind } from '../errors.ts'
import { requestSync } from '../sync/requests.ts'
import { runSync, type RunResult, type SyncContext } from '../sync/run.ts'
import { priorities, type Payload } from './catalog.ts'
import { enqueueSync, type SyncWakeUp } from './enqueue.ts'
import type { JobHelpers } from './helpers.ts'
import type { Queues } from './queues.ts'
import { backOff, endBackOff, readPendingRequest, readSyncState, type SyncState } from './sync-state.ts'
import { verdictOfError, verdictOfRun, type Again, type Verdict } from './verdicts.ts'

export interface SyncJobContext {
  sync: SyncContext
  queues: Queues
  /** Milliseconds until the next attempt after `failures` failures running, the last of this kind. */
  backOffMs(entraTenantId: string, failures: number, kind: ErrorKind): number
}

/** A fenced run's successor holds the lease now, or nobody does and it ends by itself: not worth a hurry. */
const soonMs = 5000

/**
 * Wakes one Entra tenant's sync. What is asked is merged into `sync_requests` first, so that it is never lost whatever
 * becomes of the job; then the engine takes the lease and serves all that is asked, or finds that another worker does.
 */
export async function syncTenant(
  context: SyncJobContext,
  payload: Payload<'sync-tenant'>,
  job: JobHelpers,
): Promise<Verdict> {
  const { entraTenantId, attempt } = payload
  const { db } = context.sync
  const tenant = await readSyncState(db, entraTenantId)
  if (tenant === null) {
    throw new EntraSyncError('input', 'There is no such Entra tenant.', {
      code: 'entra_tenant_unknown',
      remedy: 'Import it first: entra-sync customers import, or entra-sync init.',
    })
  }
  if (attempt !== undefined && attempt !== tenant.consecutiveFailures) {
    return { job: 'completed', result: 'dropped: another attempt came first', again: 'never' }
  }
  if (payload.requestSeq === undefined) {
    const { requestSeq } = await requestSync(db, {
      entraTenantId,
      ...(payload.mode !== undefined && { mode: payload.mode }),
      ...(payload.collections !== undefined && { collections: payload.collections }),
      requestedBy: payload.requestedBy ?? 'queue',
      priority: priorities.operator,
    })
    // A second start of this job (stalled, delayed) must not ask anew: it would never come to an end.
    await job.updatePayload({ ...payload, requestSeq })
  }
  const asked = await readPendingRequest(db, entraTenantId)
  let verdict: Verdict
  try {
    const run = await runSync(context.sync, entraTenantId, { signal: job.signal, onProgress: job.progress })
    verdict = verdictOfRun(run)
    if (succeeded(run) && tenant.consecutiveFailures > 0) {
      await endBackOff(db, entraTenantId, new Date(Date.now() + context.sync.intervals.syncMs))
    }
  } catch (error) {
    verdict = verdictOfError(error)
  }
  await wakeAgain(context, entraTenantId, tenant, asked?.requestSeq ?? 0, verdict)
  return verdict
}

function succeeded(run: RunResult): boolean {
  return run.status === 'finished' && run.outcome !== 'failed' && run.outcome !== 'fenced'
}

/** The last step: whatever is still open after this job gets its next wake-up. */
async function wakeAgain(
  context: SyncJobContext,
  entraTenantId: string,
  before: SyncState,
  askedSeq: number,
  verdict: Verdict,
): Promise<void> {
  const { db } = context.sync
  if (verdict.job === 'delayed' || verdict.again === 'never') return
  if (verdict.job === 'failed' && verdict.again === 'back-off') {
    // The engine counts a run's failure; one that came before or after its run is counted here.
    const now = await readSyncState(db, entraTenantId)
    const failures = Math.max(now?.consecutiveFailures ?? 0, before.consecutiveFailures + 1)
    const delayMs = context.backOffMs(entraTenantId, failures, verdict.error.kind)
    await backOff(db, entraTenantId, failures, new Date(Date.now() + delayMs))
    const pending = await readPendingRequest(db, entraTenantId)
    if (pending === null) return
    await enqueueSync(context.queues, { entraTenantId, ...pending, attempt: failures, delayMs, once: true })
    return
  }
  // Asked after the run gave its lease back: a wake-up that found the lease taken had merged its request before that,
  // so what came in at the last moment is seen here, whatever the engine had seen.
  const pending = await readPendingRequest(db, entraTenantId)
  if (pending === null) return
  // A request that the run had before it and left open is the tick's: to wake at once would turn in circles.
  if (verdict.again === 'now' && pending.requestSeq <= askedSeq) return
  const wakeUp = wakeUpAfter(verdict.again, { entraTenantId, ...pending })
  if (wakeUp !== null) await enqueueSync(context.queues, wakeUp)
}

function wakeUpAfter(again: Again, pending: SyncWakeUp): SyncWakeUp | null {
  switch (again) {
    case 'never':
    case 'back-off':
      return null
    case 'now':
      return pending
    case 'continue':
      return { ...pending, priority: pending.priority - 1 }
    case 'soon':
      return { ...pending, delayMs: soonMs }
  }
}

import { inMs, steadyNow } from '../clock.ts'
import { planNextSync } from '../db/entra-tenants.ts'
import { readRequest } from '../db/requests.ts'
import { EntraSyncError } from '../errors.ts'
import type { SyncContext } from '../sync/context.ts'
import { requestSync } from '../sync/requests.ts'
import { runSync } from '../sync/run.ts'
import { paceOf, retryAfterFailure } from '../sync/schedule.ts'
import { forgottenFamilies, dirtyDaily } from '../targets/waiting.ts'
import { priorities, type Payload } from './catalog.ts'
import { enqueueFamily } from './enqueue-targets.ts'
import { enqueueSync, type SyncWakeUp } from './enqueue.ts'
import type { JobHelpers } from './helpers.ts'
import type { Queues } from './queues.ts'
import { readSyncState } from './sync-state.ts'
import { verdictOfError, verdictOfRun, type Again, type Verdict } from './verdicts.ts'

export interface SyncJobContext {
  sync: SyncContext
  queues: Queues
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
  if (payload.requestSeq === undefined) await mergePayload(context, payload, job)
  if (tenant.stoppedBy !== null)
    return { job: 'completed', result: stopped(tenant.stoppedBy), again: 'never' }
  const asked = await readRequest(db, entraTenantId)
  const verdict = await run(context, entraTenantId, tenant.consecutiveFailures, job)
  await wakeResolution(context, entraTenantId, verdict, job)
  await wakeAgain(context, entraTenantId, asked?.requested_seq ?? 0, verdict)
  return verdict
}

/**
 * Whoever asks: without an active GDAP relationship app-only access would go on working, so that stopping is our own
 * decision, here. The request stays; the tick wakes it when the tenant may be synced again.
 */
function stopped(state: string): string {
  const remedy =
    state === 'paused' || state === 'offboarded'
      ? ' `entra-sync resume` lets it go on.'
      : ' `entra-sync status` tells more.'
  return `not synced: its state is ${state}; the request is kept.${remedy}`
}

async function mergePayload(
  { sync }: SyncJobContext,
  payload: Payload<'sync-tenant'>,
  job: JobHelpers,
): Promise<void> {
  const { requestSeq } = await requestSync(sync.db, {
    entraTenantId: payload.entraTenantId,
    ...(payload.mode !== undefined && { mode: payload.mode }),
    ...(payload.collections !== undefined && { collections: payload.collections }),
    requestedBy: payload.requestedBy ?? 'queue',
    priority: priorities.operator,
  })
  // A second start of this job (stalled, delayed) must not ask anew: it would never come to an end.
  await job.updatePayload({ ...payload, requestSeq })
}

async function run(
  { sync }: SyncJobContext,
  entraTenantId: string,
  failuresBefore: number,
  job: JobHelpers,
): Promise<Verdict> {
  try {
    return verdictOfRun(await runSync(sync, entraTenantId, { signal: job.signal, onProgress: job.progress }))
  } catch (error) {
    const verdict = verdictOfError(error)
    if (verdict.job !== 'failed') return verdict
    // A failure inside a run is counted and planned by the engine; this one came before or after it.
    const consecutiveFailures = failuresBefore + 1
    const nextSyncAt = retryAfterFailure(inMs(0), consecutiveFailures, paceOf(verdict.error), entraTenantId)
    await planNextSync(sync.db, entraTenantId, { nextSyncAt, consecutiveFailures })
    return { ...verdict, again: 'back-off', retryAt: nextSyncAt }
  }
}

/**
 * What the run has changed reaches the targets now. Families are frozen until their last run was whole, so that a failed
 * or partial one wakes nothing; a wake-up that is lost is the tick's to heal.
 */
async function wakeResolution(
  { sync, queues }: SyncJobContext,
  entraTenantId: string,
  verdict: Verdict,
  job: JobHelpers,
): Promise<void> {
  if (verdict.job !== 'completed' || verdict.again !== 'now') return
  try {
    await dirtyDaily(sync.db, entraTenantId)
    const [dirty] = await forgottenFamilies(sync.db, 0, [entraTenantId])
    if (dirty !== undefined) await enqueueFamily(sync.db, queues, dirty, 'sync')
  } catch (error) {
    job.log.warn({ err: error, entraTenantId }, 'the targets were not woken: the tick does it')
  }
}

/** The last step: whatever is still open after this job gets its next wake-up. */
async function wakeAgain(
  { sync, queues }: SyncJobContext,
  entraTenantId: string,
  askedSeq: number,
  verdict: Verdict,
): Promise<void> {
  if (verdict.job === 'delayed' || verdict.again === 'never') return
  // Asked after the run gave its lease back: a wake-up that found the lease taken had merged its request before that,
  // so what came in at the last moment is seen here, whatever the engine had seen.
  const request = await readRequest(sync.db, entraTenantId)
  if (request === null || request.requested_seq <= request.served_seq) return
  // A request that the run had before it and left open is the tick's: to wake at once would turn in circles.
  if (verdict.again === 'now' && request.requested_seq <= askedSeq) return
  const state = await readSyncState(sync.db, entraTenantId)
  if (state === null) return
  const wakeUp = {
    entraTenantId,
    requestSeq: request.requested_seq,
    priority: request.priority,
    afterRunSeq: state.runSeq,
  }
  if (verdict.job === 'failed') {
    const delayMs = verdict.retryAt === undefined ? soonMs : verdict.retryAt.getTime() - steadyNow()
    const attempt = state.consecutiveFailures
    await enqueueSync(queues, { ...wakeUp, delayMs, ...(attempt > 0 && { attempt }) })
    return
  }
  await enqueueSync(queues, after(verdict.again, wakeUp))
}

function after(again: Exclude<Again, 'never'>, wakeUp: SyncWakeUp): SyncWakeUp {
  switch (again) {
    case 'now':
    // Behind those who wait already, before what comes later: ahead of all, a slice would be as long as the run.
    case 'continue':
      return wakeUp
    case 'soon':
    case 'back-off':
      return { ...wakeUp, delayMs: soonMs }
  }
}

import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { requestSync } from '../sync/requests.ts'
import { priorities, type Payload } from './catalog.ts'
import { adding, type Queues } from './queues.ts'

/** A wake-up for one Entra tenant; what is wanted is in `sync_requests`. */
export interface SyncWakeUp {
  entraTenantId: string
  requestSeq: number
  /** BullMQ priority, lower first. */
  priority: number
  /** Which consecutive failure this follows; a wake-up whose number is no longer the tenant's is dropped. */
  attempt?: number
  delayMs?: number
  /**
   * Run sequence after which this one comes: wake-ups after the same run count as one, so that each Entra tenant has
   * one of them in the queue and not one a tick. None for an operator's: it must not wait at another's priority.
   */
  afterRunSeq?: number
}

/** Adds wake-ups, in one call to the queue. Returns the job ids; one that was dropped as a duplicate has the first one's. */
export async function enqueueSync(queues: Queues, ...wakeUps: SyncWakeUp[]): Promise<string[]> {
  if (wakeUps.length === 0) return []
  const jobs = await adding(queues.address, () =>
    queues.sync.addBulk(
      wakeUps.map((wakeUp) => {
        const { entraTenantId, requestSeq, priority, attempt, delayMs } = wakeUp
        const id = deduplicationId(wakeUp)
        return {
          name: 'sync-tenant',
          data: {
            entraTenantId,
            requestSeq,
            ...(attempt !== undefined && { attempt }),
          } satisfies Payload<'sync-tenant'>,
          opts: {
            priority: Math.max(1, priority),
            ...(delayMs !== undefined && { delay: Math.max(0, Math.round(delayMs)) }),
            // One that waits for a later time goes on now: its time was told by a clock that may have been put back since.
            ...(id !== null && { deduplication: { id, ...(delayMs === undefined && { reschedule: true }) } }),
          },
        }
      }),
    ),
  )
  return jobs.map((job) => job.id ?? '')
}

/** How long a duplicate counts as one. A key that BullMQ left behind (its issue 4311) keeps nobody for longer. */
const onceMs = 10 * 60_000

/** BullMQ counts a running job as well as a waiting one, so it must not be the id of the job that adds the next one. */
function deduplicationId({ entraTenantId, attempt, afterRunSeq }: SyncWakeUp): string | null {
  const epoch = Math.floor(Date.now() / onceMs)
  if (attempt !== undefined) return `${entraTenantId}-attempt-${attempt}-${epoch}`
  return afterRunSeq === undefined ? null : `${entraTenantId}-after-${afterRunSeq}-${epoch}`
}

/**
 * Asks for a sync now: merges the request, then wakes a worker. When the queue does not answer the request stays merged
 * (the tick takes it up) and the error says so.
 */
export async function syncNow(
  db: Kysely<Database>,
  queues: Queues,
  request: {
    entraTenantId: string
    mode?: 'delta' | 'full'
    collections?: string[]
    requestedBy: string
    priority?: number
  },
): Promise<{ requestSeq: number; jobId: string }> {
  const priority = request.priority ?? priorities.operator
  const { requestSeq } = await requestSync(db, { ...request, priority })
  const { entraTenantId } = request
  try {
    const [jobId = ''] = await enqueueSync(queues, { entraTenantId, requestSeq, priority })
    return { requestSeq, jobId }
  } catch (error) {
    await makeDue(db, [entraTenantId])
    throw error
  }
}

/** For the tick to see again whom the queue did not take: it leaves a tenant that rests after failures alone until then. */
export async function makeDue(db: Kysely<Database>, entraTenantIds: readonly string[]): Promise<void> {
  await sql`
    update entra_sync.entra_tenants set next_sync_at = least(next_sync_at, now())
    where entra_tenant_id = any (${entraTenantIds}::uuid[])`.execute(db)
}

/** Adds a discovery of one partner's customers. */
export async function enqueueDiscovery(
  queues: Queues,
  partnerEntraTenantId: string,
  requestedBy: string,
): Promise<string> {
  const job = await adding(queues.address, () =>
    queues.control.add(
      'discover-customers',
      { partnerEntraTenantId, requestedBy } satisfies Payload<'discover-customers'>,
      {
        priority: requestedBy === 'schedule' ? priorities.schedule : priorities.operator,
        ...(requestedBy === 'schedule' && { deduplication: { id: `discover-${partnerEntraTenantId}` } }),
      },
    ),
  )
  return job.id ?? ''
}

/** Adds a proof of one Entra tenant's consent that somebody asked for. */
export async function enqueueProof(
  queues: Queues,
  entraTenantId: string,
  requestedBy: string,
  options: { expectSoon?: boolean } = {},
): Promise<string> {
  const { expectSoon = false } = options
  const [id = ''] = await addProofs(queues, priorities.operator, [
    { data: { entraTenantId, requestedBy, ...(expectSoon && { expectSoon }) } },
  ])
  return id
}

/**
 * Adds the proofs that are due. Those after the same proof count as one, so that no pile grows where no worker runs;
 * the one that is just ending does not keep the next one out.
 */
export async function enqueueDueProofs(
  queues: Queues,
  due: readonly { entraTenantId: string; after: string }[],
): Promise<void> {
  const epoch = Math.floor(Date.now() / onceMs)
  await addProofs(
    queues,
    priorities.schedule,
    due.map(({ entraTenantId, after }) => ({
      data: { entraTenantId },
      once: `prove-${entraTenantId}-${after}-${epoch}`,
    })),
  )
}

async function addProofs(
  queues: Queues,
  priority: number,
  proofs: readonly { data: Payload<'verify-consent'>; once?: string }[],
): Promise<string[]> {
  if (proofs.length === 0) return []
  const jobs = await adding(queues.address, () =>
    queues.control.addBulk(
      proofs.map(({ data, once }) => ({
        name: 'verify-consent',
        data,
        opts: { priority, ...(once !== undefined && { deduplication: { id: once } }) },
      })),
    ),
  )
  return jobs.map((job) => job.id ?? '')
}

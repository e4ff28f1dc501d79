import type { Kysely } from 'kysely'
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
   * Waiting wake-ups of the same request count as one. Not for wake-ups that a running job adds: BullMQ would count
   * that job itself as the first one and drop the second.
   */
  once?: boolean
}

/** Adds wake-ups, in one call to the queue. Returns the job ids; one that was dropped as a duplicate has the first one's. */
export async function enqueueSync(queues: Queues, ...wakeUps: SyncWakeUp[]): Promise<string[]> {
  if (wakeUps.length === 0) return []
  const jobs = await adding(queues.address, () =>
    queues.sync.addBulk(
      wakeUps.map(({ entraTenantId, requestSeq, priority, attempt, delayMs, once }) => ({
        name: 'sync-tenant',
        data: {
          entraTenantId,
          requestSeq,
          ...(attempt !== undefined && { attempt }),
        } satisfies Payload<'sync-tenant'>,
        opts: {
          priority: Math.max(1, priority),
          ...(delayMs !== undefined && { delay: Math.max(0, Math.round(delayMs)) }),
          ...(once === true && {
            deduplication: {
              id:
                attempt === undefined
                  ? `${entraTenantId}-${requestSeq}`
                  : `${entraTenantId}-attempt-${attempt}`,
            },
          }),
        },
      })),
    ),
  )
  return jobs.map((job) => job.id ?? '')
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
  const [jobId = ''] = await enqueueSync(queues, {
    entraTenantId: request.entraTenantId,
    requestSeq,
    priority,
    once: true,
  })
  return { requestSeq, jobId }
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

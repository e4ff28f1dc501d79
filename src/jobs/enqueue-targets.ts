import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { dirtyFamily, oldestDirt } from '../targets/waiting.ts'
import { priorities, type Payload } from './catalog.ts'
import { adding, type Queues } from './queues.ts'

/** How long a duplicate counts as one; see the wake-ups of syncs. */
const onceMs = 10 * 60_000

/**
 * Wakes the resolution of a family. Wake-ups of the same oldest dirt count as one: what is dirtied while it is resolved
 * is seen by the job at its end, or has another oldest.
 */
export async function enqueueFamily(
  db: Kysely<Database>,
  queues: Queues,
  familyId: string,
  requestedBy: string,
): Promise<void> {
  const dirt = (await oldestDirt(db, familyId)) ?? 'none'
  await add(
    queues,
    { familyId, requestedBy, wakeUp: true },
    { once: `resolve-${familyId}-${dirt}`, priority: priorities.schedule },
  )
}

/** Wakes one resolution of all that is dirty, for families that nobody woke. */
export async function enqueueForgotten(queues: Queues): Promise<void> {
  await add(
    queues,
    { requestedBy: 'schedule', wakeUp: true },
    { once: 'resolve-forgotten', priority: priorities.schedule },
  )
}

/** What an operator asked for: everything of a family, anew. */
export interface AskedResolution {
  familyId: string
  /** Served when no dirt of the family up to this one is left. */
  dirtId: number
  jobId: string
}

/**
 * Asks for a family to be resolved anew, whole. When the queue does not answer the family stays dirty (the tick takes it
 * up) and the error says so.
 */
export async function resolveNow(
  db: Kysely<Database>,
  queues: Queues,
  { familyId, requestedBy }: { familyId: string; requestedBy: string },
): Promise<AskedResolution> {
  const dirtId = await dirtyFamily(db, familyId)
  const jobId = await add(queues, { familyId, requestedBy }, { priority: priorities.operator })
  return { familyId, dirtId, jobId }
}

async function add(
  queues: Queues,
  data: Payload<'resolve-targets'>,
  { priority, once }: { priority: number; once?: string },
): Promise<string> {
  const epoch = Math.floor(Date.now() / onceMs)
  const job = await adding(queues.address, () =>
    queues.targets.add('resolve-targets', data, {
      priority,
      ...(once !== undefined && { deduplication: { id: `${once}-${epoch}` } }),
    }),
  )
  return job.id ?? ''
}

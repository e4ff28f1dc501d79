import { priorities, type Payload } from './catalog.ts'
import { adding, type Queues } from './queues.ts'

/**
 * Adds a wake-up for each of these customers, whose pre-consent is asked for in `preconsents`. One that waits or runs
 * counts: a second is dropped.
 */
export async function enqueuePreconsents(
  queues: Queues,
  entraTenantIds: readonly string[],
  by: 'operator' | 'schedule',
): Promise<string[]> {
  if (entraTenantIds.length === 0) return []
  const jobs = await adding(queues.address, () =>
    queues.control.addBulk(
      entraTenantIds.map((entraTenantId) => ({
        name: 'preconsent-customer',
        data: { entraTenantId, wakeUp: true } satisfies Payload<'preconsent-customer'>,
        opts: { priority: priorities[by], deduplication: { id: `preconsent-${entraTenantId}` } },
      })),
    ),
  )
  return jobs.map((job) => job.id ?? '')
}

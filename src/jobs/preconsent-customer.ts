import { inMs } from '../clock.ts'
import type { PreconsentContext } from '../consent/preconsent/context.ts'
import { preconsentCustomer as preconsent, type PreconsentResult } from '../consent/preconsent/preconsent.ts'
import { describeError, isEntraSyncError } from '../errors.ts'
import type { Payload } from './catalog.ts'
import { syncNow } from './enqueue.ts'
import type { JobHelpers } from './helpers.ts'
import type { Queues } from './queues.ts'
import type { Verdict } from './verdicts.ts'

export interface PreconsentJobContext {
  preconsent: PreconsentContext
  queues: Queues
}

/** In the order of the walk, for a bar. */
const steps = ['consenting', 'granting', 'cleaning', 'proving'] as const

/**
 * Pre-consents one customer. What is wanted and how far it came stands in `preconsents`: a throttled one gives its slot
 * back until Microsoft allows it, one that failed by a passing fault is taken up again by the tick.
 */
export async function preconsentCustomerJob(
  { preconsent: context, queues }: PreconsentJobContext,
  { entraTenantId, requestedBy = 'queue', wakeUp = false }: Payload<'preconsent-customer'>,
  job: JobHelpers,
): Promise<Verdict> {
  let result: PreconsentResult
  try {
    result = await preconsent(context, entraTenantId, job.signal, {
      ...(!wakeUp && { requestedBy }),
      onStep: (step) =>
        job.progress({ step, done: steps.indexOf(step as (typeof steps)[number]), of: steps.length }),
    })
  } catch (error) {
    if (!isEntraSyncError(error) || error.kind !== 'throttled') throw error
    const until = error.retryAt ?? inMs(30_000)
    return { job: 'delayed', until, reason: describeError(error) }
  }
  if (result.step === 'nothing')
    return { job: 'completed', result: 'nothing to do: it has ended already', again: 'never' }
  if (result.step === 'failed') return { job: 'failed', error: result.error, again: 'never' }
  const { clientId, proof } = result
  if (proof.regained) await syncNow(context.db, queues, { entraTenantId, requestedBy: 'consent' })
  return { job: 'completed', result: `${clientId}: ${proof.status}`, again: 'never' }
}

import type { Kysely } from 'kysely'
import { inMs } from '../clock.ts'
import { readLease, renewLease, setLeaseRun, takeLease } from '../db/leases.ts'
import { readRequest, takeRequest, type Serving } from '../db/requests.ts'
import { retryingConflicts } from '../db/retry-conflicts.ts'
import { insertRun } from '../db/runs.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import type { SyncContext } from './context.ts'

export type Claim =
  | { status: 'claimed'; runSeq: number; runId: string; claimsWithoutPage: number; serving: Serving }
  | { status: 'busy'; runId: string | null; retryAt: Date | null }
  | { status: 'throttled'; retryAt: Date }
  | { status: 'nothing' }

/**
 * Takes the lease of an Entra tenant and what is wanted of it, in one transaction. A run that yielded or died goes on
 * under its old run id.
 */
export async function claim(context: SyncContext, entraTenantId: string): Promise<Claim> {
  return retryingConflicts(() =>
    context.db.transaction().execute(async (trx): Promise<Claim> => {
      const request = await readRequest(trx, entraTenantId)
      if (request === null || (request.serving_seq === null && request.requested_seq <= request.served_seq)) {
        return { status: 'nothing' }
      }
      const state = await readLease(trx, entraTenantId)
      if (state.held) return { status: 'busy', runId: state.run_id, retryAt: state.expires_at }
      if (state.throttled_ms > 0) return { status: 'throttled', retryAt: inMs(state.throttled_ms) }
      const lease = await takeLease(trx, entraTenantId, context.worker, context.timings.leaseMs)
      if (lease === null) return { status: 'busy', runId: state.run_id, retryAt: null }
      const serving = await takeRequest(trx, entraTenantId)
      // Served by another worker between our look and our claim; rolling back gives the lease back.
      if (serving === null) throw new NothingWanted()
      const runId = lease.run_id ?? (await beginRun(trx, entraTenantId, serving))
      return {
        status: 'claimed',
        runSeq: lease.run_seq,
        runId,
        claimsWithoutPage: lease.claims_without_page,
        serving,
      }
    }),
  ).catch((error: unknown): Claim => {
    if (error instanceof NothingWanted) return { status: 'nothing' }
    throw error
  })
}

class NothingWanted extends Error {}

async function beginRun(db: Kysely<Database>, entraTenantId: string, serving: Serving): Promise<string> {
  const runId = await insertRun(db, { entraTenantId, trigger: serving.requestedBy, mode: serving.mode })
  await setLeaseRun(db, entraTenantId, runId)
  return runId
}

/**
 * Renews a lease until stopped. `lost` aborts when another worker has taken it. A database that does not answer is
 * no loss yet: the next renewal may come through, and every write proves the lease by itself.
 */
export function keepLease(
  context: SyncContext,
  entraTenantId: string,
  runSeq: number,
): { lost: AbortSignal; stop(): Promise<void> } {
  const lost = new AbortController()
  let renewal: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    renewal = renewal.then(renew)
  }, context.timings.renewMs)
  timer.unref()

  async function renew(): Promise<void> {
    try {
      if (await renewLease(context.db, entraTenantId, runSeq, context.worker, context.timings.leaseMs)) return
      clearInterval(timer)
      lost.abort(
        new EntraSyncError('fenced', `The lease of run ${runSeq} was taken over.`, {
          code: 'fenced',
          tenant: entraTenantId,
        }),
      )
    } catch (error) {
      context.log.warn({ error, entraTenantId, runSeq }, 'the lease could not be renewed')
    }
  }

  return {
    lost: lost.signal,
    async stop() {
      clearInterval(timer)
      await renewal
    },
  }
}

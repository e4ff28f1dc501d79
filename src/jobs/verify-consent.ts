import { sql, type Kysely } from 'kysely'
import { appsToProve } from '../consent/grants/due.ts'
import { proveConsent, type Proof, type ProofContext } from '../consent/grants/prove.ts'
import type { ConsentMethod, Database } from '../db/tables.ts'
import { describeError, type EntraSyncError } from '../errors.ts'
import type { Payload } from './catalog.ts'
import { syncNow } from './enqueue.ts'
import type { JobHelpers } from './helpers.ts'
import type { Queues } from './queues.ts'
import type { Verdict } from './verdicts.ts'

export interface ProofJobContext {
  proof: ProofContext
  queues: Queues
}

/**
 * Proves one Entra tenant's consent to the app that is wanted, and to others that are granted. Where consent has come,
 * a sync is asked for. When to prove again stands in `consents`; the tick takes it up.
 */
export async function verifyConsent(
  { proof: context, queues }: ProofJobContext,
  { entraTenantId, requestedBy = 'schedule', expectSoon = false }: Payload<'verify-consent'>,
  job: JobHelpers,
): Promise<Verdict> {
  const { db, graph } = context
  const stopped = await stoppedBy(db, entraTenantId, requestedBy)
  if (stopped !== null) return { job: 'completed', result: `not proved: ${stopped}`, again: 'never' }
  const wanted = await graph.wantedAppFor(entraTenantId)
  const told: string[] = []
  let error: EntraSyncError | undefined
  for (const clientId of await appsToProve(db, entraTenantId, wanted)) {
    const proof = await proveConsent(context, entraTenantId, {
      clientId,
      method: methodOf(requestedBy),
      expectSoon: expectSoon && clientId === wanted,
      signal: job.signal,
    })
    if (proof.regained) await syncNow(db, queues, { entraTenantId, requestedBy: 'consent' })
    error ??= proof.error
    told.push(describe(proof))
  }
  if (error !== undefined) return { job: 'failed', error, again: 'never' }
  return { job: 'completed', result: told.join('; ') || 'no app is configured', again: 'never' }
}

/** `consent` asks for the proof that the callback of an admin's link could not end in time. */
function methodOf(requestedBy: string): ConsentMethod {
  if (requestedBy === 'consent') return 'admin_consent'
  return requestedBy === 'schedule' ? 'found' : 'check_now'
}

function describe({ clientId, status, missingRoles, error }: Proof): string {
  if (error !== undefined) return `${clientId}: ${describeError(error)}`
  const missing = missingRoles.length === 0 ? '' : `, missing ${missingRoles.join(', ')}`
  return `${clientId}: ${status ?? 'not proved'}${missing}`
}

/** A relationship may have ended between the tick and here; somebody who asks for a proof then has a reason to. */
async function stoppedBy(
  db: Kysely<Database>,
  entraTenantId: string,
  requestedBy: string,
): Promise<string | null> {
  const { rows } = await sql<{ state: string; ended: boolean }>`
    select state, kind = 'customer' and not coalesce(gdap_active, false) as ended from entra_sync.tenant_status
    where entra_tenant_id = ${entraTenantId}`.execute(db)
  const [row] = rows
  if (row === undefined) return null
  if (['gone', 'offboarded', 'disabled'].includes(row.state)) return row.state
  return row.ended && requestedBy === 'schedule' ? 'gdap_ended' : null
}

import { sql, type Kysely } from 'kysely'
import { discoverCustomers, type DiscoveryContext } from '../consent/customers/discover.ts'
import type { Database } from '../db/tables.ts'
import { isEntraSyncError, type EntraSyncError } from '../errors.ts'
import type { Payload } from './catalog.ts'
import type { JobHelpers } from './helpers.ts'
import type { Verdict } from './verdicts.ts'

export interface DiscoveryJobContext extends DiscoveryContext {
  /** Milliseconds until a failed discovery is tried again. */
  retryMs: number
  /** As the engine's: also forgets tokens of an app that was changed meanwhile. */
  appIdFor(entraTenantId: string): Promise<string | null> | string | null
}

/**
 * Reads one partner's customers and relationships. A failed one is due again sooner; the tick takes it up. Of a
 * standalone Entra tenant it is found out on schedule whether it is a partner: one that Microsoft refuses is none.
 */
export async function discoverCustomersJob(
  context: DiscoveryJobContext,
  payload: Payload<'discover-customers'>,
  job: JobHelpers,
): Promise<Verdict> {
  const { partnerEntraTenantId } = payload
  try {
    await context.appIdFor(partnerEntraTenantId)
    const found = await discoverCustomers(context, partnerEntraTenantId, job.signal)
    const missing = found.missing === 0 ? '' : `, ${found.missing} listed no more`
    const result = `${found.customers} customers (${found.added} new${missing}), ${found.relationships} relationships`
    return { job: 'completed', result, again: 'never' }
  } catch (error) {
    if (payload.requestedBy === 'schedule' && isRefusal(error) && (await isStandalone(context.db, payload)))
      return { job: 'completed', result: `no partner: ${error.message}`, again: 'never' }
    await sql`
      update entra_sync.entra_tenants
      set next_discovery_at = least(next_discovery_at, now() + make_interval(secs => ${context.retryMs / 1000}))
      where entra_tenant_id = ${partnerEntraTenantId}`.execute(context.db)
    throw error
  }
}

/** Documentation does not say how Microsoft answers a tenant that is no partner: by an empty list, or by one of these. */
function isRefusal(error: unknown): error is EntraSyncError {
  if (!isEntraSyncError(error)) return false
  const { kind, status = 0 } = error
  return kind !== 'throttled' && status >= 400 && status < 500 && status !== 408
}

async function isStandalone(
  db: Kysely<Database>,
  { partnerEntraTenantId }: Payload<'discover-customers'>,
): Promise<boolean> {
  const { rows } = await sql<{ kind: string }>`
    select kind from entra_sync.tenant_status where entra_tenant_id = ${partnerEntraTenantId}`.execute(db)
  return rows[0]?.kind === 'standalone'
}

import { sql } from 'kysely'
import { discoverCustomers, type DiscoveryContext } from '../consent/customers/customers.ts'
import type { Payload } from './catalog.ts'
import type { JobHelpers } from './helpers.ts'
import type { Verdict } from './verdicts.ts'

export interface DiscoveryJobContext extends DiscoveryContext {
  /** Milliseconds until a failed discovery is tried again. */
  retryMs: number
  /** As the engine's: also forgets tokens of an app that was changed meanwhile. */
  appIdFor(entraTenantId: string): Promise<string | null> | string | null
}

/** Reads one partner's customers and relationships. A failed one is due again sooner; the tick takes it up. */
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
    await sql`
      update entra_sync.entra_tenants
      set next_discovery_at = least(next_discovery_at, now() + make_interval(secs => ${context.retryMs / 1000}))
      where entra_tenant_id = ${partnerEntraTenantId}`.execute(context.db)
    throw error
  }
}

import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'

export interface SyncState {
  /** For people: display name, else domain, else id. */
  name: string
  consecutiveFailures: number
  nextSyncAt: Date
}

export interface PendingRequest {
  requestSeq: number
  priority: number
}

/** What a wake-up needs to know of its Entra tenant; null = there is no such Entra tenant. */
export async function readSyncState(db: Kysely<Database>, entraTenantId: string): Promise<SyncState | null> {
  const { rows } = await sql<SyncState>`
    select coalesce(display_name, default_domain, entra_tenant_id::text) as name,
      consecutive_failures as "consecutiveFailures", next_sync_at as "nextSyncAt"
    from entra_sync.entra_tenants where entra_tenant_id = ${entraTenantId}`.execute(db)
  return rows[0] ?? null
}

/** The newest request that no run has served; null = all is served. */
export async function readPendingRequest(
  db: Kysely<Database>,
  entraTenantId: string,
): Promise<PendingRequest | null> {
  const { rows } = await sql<PendingRequest>`
    select requested_seq as "requestSeq", least(priority, coalesce(serving_priority, priority)) as priority
    from entra_sync.sync_requests
    where entra_tenant_id = ${entraTenantId} and requested_seq > served_seq`.execute(db)
  return rows[0] ?? null
}

/** Sets when a failed Entra tenant is tried again, and that it failed at least `failures` times running. */
export async function backOff(
  db: Kysely<Database>,
  entraTenantId: string,
  failures: number,
  nextSyncAt: Date,
): Promise<void> {
  await sql`
    update entra_sync.entra_tenants
    set consecutive_failures = greatest(consecutive_failures, ${failures}), next_sync_at = ${nextSyncAt}
    where entra_tenant_id = ${entraTenantId}`.execute(db)
}

/** Ends the back-off after a success: an Entra tenant that was probed slowly is due again within its interval. */
export async function endBackOff(
  db: Kysely<Database>,
  entraTenantId: string,
  nextSyncAt: Date,
): Promise<void> {
  await sql`
    update entra_sync.entra_tenants
    set consecutive_failures = 0, next_sync_at = least(next_sync_at, ${nextSyncAt})
    where entra_tenant_id = ${entraTenantId}`.execute(db)
}

import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'

export interface SyncState {
  /** For people: display name, else domain, else id. */
  name: string
  consecutiveFailures: number
  /** Why it must not be synced now (paused, disabled, gone, GDAP ended); null = it may. */
  stoppedBy: string | null
  /** Of the newest run, also of one that runs now; 0 = never. */
  runSeq: number
}

/** What a wake-up needs to know of its Entra tenant; null = there is no such Entra tenant. */
export async function readSyncState(db: Kysely<Database>, entraTenantId: string): Promise<SyncState | null> {
  const { rows } = await sql<SyncState>`
    select coalesce(display_name, default_domain, entra_tenant_id::text) as name,
      consecutive_failures as "consecutiveFailures", case when not scheduled then state end as "stoppedBy",
      coalesce(run_seq, 0) as "runSeq"
    from entra_sync.tenant_status left join entra_sync.sync_leases using (entra_tenant_id)
    where entra_tenant_id = ${entraTenantId}`.execute(db)
  return rows[0] ?? null
}

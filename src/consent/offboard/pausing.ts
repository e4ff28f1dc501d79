import { sql, type Kysely } from 'kysely'
import { audit } from '../../db/audit.ts'
import type { Database } from '../../db/tables.ts'
import { reinstate } from './reinstate.ts'

/** An operator's act upon one Entra tenant. */
export interface Pausing {
  entraTenantId: string
  actor: string
}

/** The scheduler leaves the Entra tenant alone until `resumeEntraTenant`. Doing it twice is no fault. */
export async function pauseEntraTenant(
  db: Kysely<Database>,
  { entraTenantId, actor }: Pausing,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`update entra_sync.entra_tenants set paused_at = coalesce(paused_at, now())
      where entra_tenant_id = ${entraTenantId}`.execute(trx)
    await audit(trx, { actor, action: 'pause', entraTenantId })
  })
}

/**
 * One that was paused is due at once. One that was offboarded, and not purged, is taken back: `reinstated` says so.
 */
export async function resumeEntraTenant(
  db: Kysely<Database>,
  { entraTenantId, actor }: Pausing,
): Promise<{ reinstated: boolean }> {
  return db.transaction().execute(async (trx) => {
    const reinstated = await reinstate(trx, entraTenantId)
    if (!reinstated) {
      await sql`update entra_sync.entra_tenants set paused_at = null,
          next_sync_at = case when paused_at is null then next_sync_at else now() end
        where entra_tenant_id = ${entraTenantId}`.execute(trx)
    }
    await audit(trx, { actor, action: reinstated ? 'entra_tenant_reinstated' : 'resume', entraTenantId })
    return { reinstated }
  })
}

import { sql, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'

/**
 * Takes an offboarding back, where the data is still there: the Entra tenant is due at once, and consent is proved
 * anew. To be called in the transaction of what brings it back (import, link, resume), which audits it; true = it had
 * been offboarded. What was asked of it before stays dropped.
 */
export async function reinstate(trx: Transaction<Database>, entraTenantId: string): Promise<boolean> {
  const { rows } = await sql`
    update entra_sync.entra_tenants set offboarded_at = null, paused_at = null, next_sync_at = now(),
      consecutive_failures = 0
    where entra_tenant_id = ${entraTenantId} and offboarded_at is not null returning 1`.execute(trx)
  if (rows.length === 0) return false
  await sql`
    update entra_sync.consents set next_proof_at = now() where entra_tenant_id = ${entraTenantId}`.execute(
    trx,
  )
  return true
}

import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

/** Brings the next proofs of an Entra tenant's consent forward to now: a read was refused, and a proof tells why. */
export async function proveConsentSoon(db: Kysely<Database>, entraTenantId: string): Promise<void> {
  await sql`
    update entra_sync.consents set next_proof_at = least(next_proof_at, now())
    where entra_tenant_id = ${entraTenantId}`.execute(db)
}

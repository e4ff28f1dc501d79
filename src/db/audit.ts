import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export interface AuditEntry {
  /** Who: an ops token's name, `schedule`, or what `actorOfCommand` says. */
  actor: string
  /** What, in snake case and past tense: `tenant_linked`. */
  action: string
  entraTenantId?: string | undefined
  tenantId?: string | undefined
  /** Facts of the act; never a secret. */
  detail?: object
}

/** Notes an operator's act, in the transaction of that act. */
export async function audit(
  db: Kysely<Database>,
  { actor, action, entraTenantId, tenantId, detail = {} }: AuditEntry,
): Promise<void> {
  await sql`
    insert into entra_sync.audit_log (actor, action, entra_tenant_id, tenant_id, detail)
    values (${actor}, ${action}, ${entraTenantId ?? null}, ${tenantId ?? null}, ${JSON.stringify(detail)}::jsonb)`.execute(
    db,
  )
}

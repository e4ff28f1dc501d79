import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export interface AuditRow {
  auditId: number
  at: Date
  actor: string
  action: string
  entraTenantId: string | null
  /** Name of the Entra tenant; null = none is meant, or it is no longer known. */
  entraTenant: string | null
  tenantId: string | null
  tenant: string | null
  detail: unknown
}

/** A page of what operators did, the newest first. `before` is the `auditId` of the last row of the page before. */
export async function listAudit(
  db: Kysely<Database>,
  {
    entraTenantId,
    before,
    limit,
  }: { entraTenantId?: string | undefined; before?: number | undefined; limit: number },
): Promise<AuditRow[]> {
  const { rows } = await sql<AuditRow>`
    select a.audit_id::float8 as "auditId", a.at, a.actor, a.action, a.entra_tenant_id as "entraTenantId",
      coalesce(e.display_name, e.default_domain) as "entraTenant", a.tenant_id as "tenantId", t.name as tenant, a.detail
    from entra_sync.audit_log a
    left join entra_sync.entra_tenants e using (entra_tenant_id)
    left join entra_sync.tenants t on t.tenant_id = a.tenant_id
    where ${entraTenantId === undefined ? sql`true` : sql`a.entra_tenant_id = ${entraTenantId}`}
      and ${before === undefined ? sql`true` : sql`a.audit_id < ${before}`}
    order by a.audit_id desc limit ${limit}`.execute(db)
  return rows
}

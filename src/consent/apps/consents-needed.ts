import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'

export interface ConsentNeeded {
  entraTenantId: string
  name: string
  /** The app that it has consented to and is read with meanwhile; null = none that is known. */
  readWith: string | null
}

/**
 * Who has not consented to an app that was chosen: of the owner and the customers that follow it, in the order of their
 * names. `of` counts all of them.
 */
export async function consentsNeeded(
  db: Kysely<Database>,
  ownerEntraTenantId: string,
  clientId: string,
): Promise<{ needed: ConsentNeeded[]; of: number }> {
  const { rows } = await sql<ConsentNeeded & { granted: boolean }>`
    select e.entra_tenant_id as "entraTenantId",
      coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name,
      exists (select from entra_sync.consents c where c.entra_tenant_id = e.entra_tenant_id
        and c.app_id = ${clientId} and c.status = 'granted') as granted,
      (select o.app_id from entra_sync.consents o where o.entra_tenant_id = e.entra_tenant_id
        and o.app_id <> ${clientId} and o.status = 'granted' order by o.granted_at desc nulls last limit 1) as "readWith"
    from entra_sync.entra_tenants e
    where ${ownerEntraTenantId}::uuid in (e.entra_tenant_id, e.partner_entra_tenant_id)
      and e.gone_at is null and e.offboarded_at is null
    order by lower(coalesce(e.display_name, e.default_domain, '')), e.entra_tenant_id`.execute(db)
  const needed = rows.filter(({ granted }) => !granted)
  return {
    needed: needed.map(({ entraTenantId, name, readWith }) => ({ entraTenantId, name, readWith })),
    of: rows.length,
  }
}

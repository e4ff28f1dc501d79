import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export interface Partner {
  id: string
  /** Or its domain, or its id. */
  name: string
}

/** Entra tenants that reach customers by GDAP, or may, by name. */
export async function readPartners(db: Kysely<Database>): Promise<Partner[]> {
  const { rows } = await sql<Partner>`
    select entra_tenant_id as id, coalesce(display_name, default_domain, entra_tenant_id::text) as name
    from entra_sync.tenant_status where kind = 'partner' and state not in ('gone', 'offboarded') order by 2, 1`.execute(
    db,
  )
  return rows
}

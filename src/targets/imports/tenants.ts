import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'

export interface NamedTenant {
  tenantId: string
  name: string
  /** Null = linked to no Entra tenant. */
  entraTenantId: string | null
}

/** Looks tenants up by id, slug or name, case-blind. */
export interface TenantLookup {
  /** The tenant, or what is wrong with the name. */
  find(text: string): NamedTenant | string
}

/** Reads all tenants once: files name the same few again and again. */
export async function readTenants(db: Kysely<Database>): Promise<TenantLookup> {
  const { rows } = await sql<NamedTenant & { slug: string }>`
    select t.tenant_id as "tenantId", t.name, t.slug, f.entra_tenant_id as "entraTenantId"
    from tenants t join tenant_families f using (tenant_id)`.execute(db)
  const byKey = new Map<string, NamedTenant[]>()
  for (const { slug, ...tenant } of rows)
    for (const key of new Set([tenant.tenantId, slug, tenant.name.toLowerCase()]))
      byKey.set(key, [...(byKey.get(key) ?? []), tenant])
  return {
    find(text) {
      const found = byKey.get(text.trim().toLowerCase()) ?? []
      const [tenant] = found
      if (tenant === undefined) return `There is no tenant ${text}. entra-sync tenants list shows them.`
      if (found.length > 1) return `${found.length} tenants are named ${text}: give the slug or the id.`
      return tenant
    },
  }
}

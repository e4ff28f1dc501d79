import { sql, type Kysely } from 'kysely'
import type { Database } from '../../../db/tables.ts'

export interface KnownTenant {
  tenantId: string
  name: string
  slug: string
  parentId: string | null
  /** null = without a link. */
  entraTenantId: string | null
  syncedOnce: boolean
}

export type Tenants = ReturnType<typeof tenantsOf>

/** All tenants: they are few, and their parents are needed. */
export async function loadTenants(db: Kysely<Database>): Promise<Tenants> {
  const { rows } = await sql<KnownTenant>`
    select t.tenant_id as "tenantId", t.name, t.slug, t.parent_tenant_id as "parentId",
      f.entra_tenant_id as "entraTenantId", e.last_synced_at is not null as "syncedOnce"
    from tenants t join tenant_families f using (tenant_id)
    left join entra_tenants e using (entra_tenant_id) order by t.name, t.tenant_id`.execute(db)
  return tenantsOf(rows)
}

function tenantsOf(all: readonly KnownTenant[]) {
  const byId = new Map(all.map((tenant) => [tenant.tenantId, tenant]))
  const byText = Map.groupBy(
    all.flatMap((tenant) =>
      [...new Set([tenant.tenantId, tenant.slug, tenant.name.toLowerCase()])].map((text) => ({
        text,
        tenant,
      })),
    ),
    ({ text }) => text,
  )
  const byEntra = Map.groupBy(all, ({ entraTenantId }) => entraTenantId)
  const children = Map.groupBy(all, ({ parentId }) => parentId)

  return {
    byId,
    /**
     * By id, slug or name; letter case does not count. Text that is a slug to the letter means that tenant, unless it
     * is another one's name to the letter.
     */
    named(text: string): KnownTenant[] {
      const found = (byText.get(text.toLowerCase()) ?? []).map(({ tenant }) => tenant)
      const exact = found.filter(({ slug, name }) => slug === text || name === text)
      return exact.some(({ slug }) => slug === text) ? exact : found
    },
    linkedTo: (entraTenantId: string): KnownTenant[] => byEntra.get(entraTenantId) ?? [],
    /** The tenant and those below it; parents in a circle, which only SQL can make, end it. */
    below(tenantId: string): Set<string> {
      const found = new Set([tenantId])
      for (const id of found) for (const child of children.get(id) ?? []) found.add(child.tenantId)
      return found
    },
    names: (): string[] => all.flatMap(({ name, slug }) => [name, slug]),
  }
}

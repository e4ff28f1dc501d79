import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'

/** An app entitlement: what gives it, and who has it now. */
export interface AppEntitlement {
  entitlement: string
  productName: string
  /** Who has that one too gets that one only. */
  yieldsTo: string | null
  source: 'built_in' | 'configuration'
  plans: { servicePlanId: string; servicePlanName: string; source: 'built_in' | 'configuration' }[]
  /** Subscribed SKUs whose licences count now, with the plans of this entitlement that they hold. */
  skus: {
    skuId: string
    skuPartNumber: string
    productName: string | null
    servicePlanNames: string[]
    /** In how many Entra tenants. */
    entraTenants: number
  }[]
  persons: number
  /** By tenant; those with nobody are left out. */
  tenants: { tenantId: string; name: string; persons: number }[]
}

/**
 * All app entitlements, in the order of their names, by the rule that targets are resolved by: honoured SKUs, plans that
 * nobody switched off, live persons with a tenant, and of two products of which one yields the other one. A deployment's
 * own filters (guests, disabled accounts) come on top. Of one tenant, or of all.
 */
export async function readEntitlements(
  db: Kysely<Database>,
  { graceMs, tenantId = null }: { graceMs: number; tenantId?: string | null },
): Promise<AppEntitlement[]> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (trx) => {
      const { rows: entraTenants } = await sql<{ id: string }>`
        select distinct entra_tenant_id as id from tenant_links
        where ${tenantId}::uuid is null or tenant_id = ${tenantId}::uuid`.execute(trx)
      const ids = entraTenants.map(({ id }) => id)
      const honoured = sql`honoured_plans(${ids}::uuid[], make_interval(secs => ${graceMs / 1000}))`
      const { rows } = await sql<AppEntitlement>`
        with plans as materialized (
          select e.entitlement, p.* from ${honoured} p join app_entitlement_plans e using (service_plan_id)
        ), entitled as (
          select distinct p.person_id, p.tenant_id, h.entitlement
          from plans h
          join person_licenses l on l.entra_tenant_id = h.entra_tenant_id and l.sku_id = h.sku_id
            and not h.service_plan_id = any (l.disabled_plans)
          join persons p on p.entra_tenant_id = l.entra_tenant_id and p.object_id = l.object_id
            and p.deleted_at is null and p.tenant_id is not null
          where ${tenantId}::uuid is null or p.tenant_id = ${tenantId}::uuid
        ), counted as (
          select e.entitlement, e.tenant_id, count(*)::int as persons
          from entitled e join app_entitlements a using (entitlement)
          left join entitled o on o.person_id = e.person_id and o.entitlement = a.yields_to
          where o.person_id is null group by 1, 2
        ), skus as (
          select h.entitlement, h.sku_id, max(h.sku_part_number) as part, max(s.product_name) as product,
            array_agg(distinct h.service_plan_name order by h.service_plan_name) as names,
            count(distinct h.entra_tenant_id)::int as entra_tenants
          from plans h join subscribed_skus s using (entra_tenant_id, sku_id) group by 1, 2
        )
        select a.entitlement, a.product_name as "productName", a.yields_to as "yieldsTo", a.source,
          (select coalesce(jsonb_agg(jsonb_build_object('servicePlanId', service_plan_id,
              'servicePlanName', service_plan_name, 'source', source) order by source, service_plan_name, service_plan_id), '[]')
            from app_entitlement_plans where entitlement = a.entitlement) as plans,
          (select coalesce(jsonb_agg(jsonb_build_object('skuId', sku_id, 'skuPartNumber', part, 'productName', product,
              'servicePlanNames', names, 'entraTenants', entra_tenants) order by coalesce(product, part), sku_id), '[]')
            from skus where entitlement = a.entitlement) as skus,
          (select coalesce(sum(persons), 0)::int from counted where entitlement = a.entitlement) as persons,
          (select coalesce(jsonb_agg(jsonb_build_object('tenantId', tenant_id, 'name', t.name, 'persons', c.persons)
              order by lower(t.name), tenant_id), '[]')
            from counted c join tenants t using (tenant_id) where c.entitlement = a.entitlement) as tenants
        from app_entitlements a order by a.entitlement`.execute(trx)
      return rows
    })
}

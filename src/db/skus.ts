import { sql, type Kysely } from 'kysely'
import { jsonRows } from './json.ts'
import type { Database } from './tables.ts'

export interface SkuRow {
  sku_id: string
  sku_part_number: string
  product_name: string | null
  capability_status: string | null
  applies_to: string | null
  enabled: number
  consumed: number
  suspended: number
  warning: number
}

export interface ServicePlanRow {
  sku_id: string
  service_plan_id: string
  service_plan_name: string
  provisioning_status: string | null
}

/** Writes the SKUs of one page; `status_since` moves only when the capability status does. */
export async function mergeSkus(
  db: Kysely<Database>,
  entraTenantId: string,
  rows: readonly SkuRow[],
): Promise<{ added: number; changed: number }> {
  if (rows.length === 0) return { added: 0, changed: 0 }
  const result = await sql<{ added: number; changed: number }>`
    with written as (
      insert into subscribed_skus as t
        (entra_tenant_id, sku_id, sku_part_number, product_name, capability_status, applies_to, enabled, consumed, suspended, warning)
      select ${entraTenantId}::uuid, x.* from jsonb_to_recordset(${jsonRows(rows)}::jsonb)
        as x(sku_id uuid, sku_part_number text, product_name text, capability_status text, applies_to text,
          enabled int, consumed int, suspended int, warning int)
      on conflict (entra_tenant_id, sku_id) do update set
        sku_part_number = excluded.sku_part_number, product_name = coalesce(excluded.product_name, t.product_name),
        capability_status = excluded.capability_status, applies_to = excluded.applies_to, enabled = excluded.enabled,
        consumed = excluded.consumed, suspended = excluded.suspended, warning = excluded.warning,
        status_since = case when t.capability_status is distinct from excluded.capability_status then now() else t.status_since end
      where (t.sku_part_number, t.product_name, t.capability_status, t.applies_to, t.enabled, t.consumed, t.suspended, t.warning)
        is distinct from (excluded.sku_part_number, coalesce(excluded.product_name, t.product_name), excluded.capability_status,
          excluded.applies_to, excluded.enabled, excluded.consumed, excluded.suspended, excluded.warning)
      returning xmax = 0 as added
    )
    select count(*) filter (where added) as added, count(*) filter (where not added) as changed from written`.execute(
    db,
  )
  return result.rows[0] ?? { added: 0, changed: 0 }
}

/** Adds and changes service plans. Answers how many rows were written. */
export async function mergeServicePlans(
  db: Kysely<Database>,
  entraTenantId: string,
  rows: readonly ServicePlanRow[],
): Promise<number> {
  if (rows.length === 0) return 0
  const result = await sql`
    insert into sku_service_plans as t (entra_tenant_id, sku_id, service_plan_id, service_plan_name, provisioning_status)
    select ${entraTenantId}::uuid, x.* from jsonb_to_recordset(${jsonRows(rows)}::jsonb)
      as x(sku_id uuid, service_plan_id uuid, service_plan_name text, provisioning_status text)
    on conflict (entra_tenant_id, sku_id, service_plan_id) do update set
      service_plan_name = excluded.service_plan_name, provisioning_status = excluded.provisioning_status
    where (t.service_plan_name, t.provisioning_status) is distinct from (excluded.service_plan_name, excluded.provisioning_status)`.execute(
    db,
  )
  return Number(result.numAffectedRows ?? 0)
}

/**
 * Deletes the plans that a round read to its end no longer names, of SKUs for which it named at least one: an SKU whose
 * plans all vanish at once has rather been read badly.
 */
export async function deleteUnseenPlans(
  db: Kysely<Database>,
  entraTenantId: string,
  roundId: string,
): Promise<number> {
  const result = await sql`
    delete from sku_service_plans p
    where p.entra_tenant_id = ${entraTenantId}
      and exists (select 1 from sync_seen s where s.round_id = ${roundId} and s.kind = 'plan' and s.key[1] = p.sku_id)
      and not exists (select 1 from sync_seen s where s.round_id = ${roundId} and s.kind = 'plan'
        and s.key = array[p.sku_id, p.service_plan_id])`.execute(db)
  return Number(result.numAffectedRows ?? 0)
}

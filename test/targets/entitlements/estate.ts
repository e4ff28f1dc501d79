import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { pino } from 'pino'
import type { Database } from '../../../src/db/tables.ts'
import type { TargetContext } from '../../../src/targets/context.ts'

export const graceMs = 30 * 24 * 60 * 60 * 1000

export interface Estate {
  tenantId: string
  entraTenantId: string
}

/** A tenant with a link to an Entra tenant that was synced whole. */
export async function addTenant(db: Kysely<Database>, name: string): Promise<Estate> {
  const [tenantId, entraTenantId] = [randomUUID(), randomUUID()]
  await sql`insert into tenants (tenant_id, name, slug) values (${tenantId}, ${name}, ${name.toLowerCase()})`.execute(
    db,
  )
  await sql`insert into entra_tenants (entra_tenant_id, display_name, last_synced_at)
    values (${entraTenantId}, ${name}, now())`.execute(db)
  await sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${tenantId}, ${entraTenantId})`.execute(
    db,
  )
  return { tenantId, entraTenantId }
}

export interface Sku {
  id: string
  part: string
  plans: { id: string; name: string }[]
  status?: string
}

export async function addSku(
  db: Kysely<Database>,
  { entraTenantId }: Estate,
  { id, part, plans, status = 'Enabled' }: Sku,
): Promise<void> {
  await sql`
    insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, product_name, capability_status)
    values (${entraTenantId}, ${id}, ${part}, ${`${part} product`}, ${status})`.execute(db)
  if (plans.length === 0) return
  await sql`
    insert into sku_service_plans (entra_tenant_id, sku_id, service_plan_id, service_plan_name, provisioning_status)
    select ${entraTenantId}, ${id}, x.id, x.name, 'Success'
    from jsonb_to_recordset(${JSON.stringify(plans)}::jsonb) as x (id uuid, name text)`.execute(db)
}

/** A person with licences, in order: SKU id and the plans that are switched off. Answers the person's id. */
export async function addPerson(
  db: Kysely<Database>,
  { tenantId, entraTenantId }: Estate,
  name: string,
  licenses: { sku: string; off?: string[] }[],
  columns: { deleted?: boolean; homeless?: boolean } = {},
): Promise<string> {
  const [personId, objectId] = [randomUUID(), randomUUID()]
  await sql`
    insert into persons (person_id, entra_tenant_id, object_id, tenant_id, user_principal_name, account_enabled, user_type, deleted_at)
    values (${personId}, ${entraTenantId}, ${objectId}, ${columns.homeless === true ? null : tenantId},
      ${`${name}@contoso.example`}, true, 'Member', case when ${columns.deleted === true} then now() end)`.execute(
    db,
  )
  for (const { sku, off = [] } of licenses) {
    await sql`insert into person_licenses (entra_tenant_id, object_id, sku_id, disabled_plans)
      values (${entraTenantId}, ${objectId}, ${sku}, ${off}::uuid[])`.execute(db)
  }
  return personId
}

export const contextOf = (db: Kysely<Database>): TargetContext => ({
  db,
  guard: { holdMin: 5, holdPercent: 10, holdMax: 500 },
  licenseGraceMs: graceMs,
  log: pino({ level: 'silent' }),
})

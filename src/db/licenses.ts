import { sql, type Kysely } from 'kysely'
import { jsonRows } from './json.ts'
import type { Database } from './tables.ts'

export interface LicenseRow {
  object_id: string
  sku_id: string
  disabled_plans: string[]
}

export interface LicenseSourceRow {
  object_id: string
  sku_id: string
  assigned_by_group: string | null
  state: string | null
  error: string | null
}

/**
 * Writes the licences of one page and marks the persons whose licences changed as due for a read of their sources.
 * A licence may occur only once in `rows`.
 */
export async function mergeLicenses(
  db: Kysely<Database>,
  entraTenantId: string,
  rows: readonly LicenseRow[],
): Promise<{ added: number; changed: number }> {
  if (rows.length === 0) return { added: 0, changed: 0 }
  const result = await sql<{ added: number; changed: number }>`
    with written as (
      insert into person_licenses as t (entra_tenant_id, object_id, sku_id, disabled_plans)
      select ${entraTenantId}::uuid, x.object_id, x.sku_id, x.disabled_plans
      from jsonb_to_recordset(${jsonRows(rows)}::jsonb) as x(object_id uuid, sku_id uuid, disabled_plans uuid[])
      order by 2, 3
      on conflict (entra_tenant_id, object_id, sku_id) do update set disabled_plans = excluded.disabled_plans
      where t.disabled_plans is distinct from excluded.disabled_plans
      returning object_id, xmax = 0 as added
    ), due as (
      insert into license_sources_due (entra_tenant_id, object_id)
      select distinct ${entraTenantId}::uuid, object_id from written on conflict do nothing
    )
    select count(*) filter (where added) as added, count(*) filter (where not added) as changed from written`.execute(
    db,
  )
  return result.rows[0] ?? { added: 0, changed: 0 }
}

/**
 * Licences that the persons have here and that their whole `assignedLicenses` no longer name become pending removals.
 * `objectIds` are the persons whose list was in the page, `rows` all that the lists name.
 */
export async function pendMissingLicenses(
  db: Kysely<Database>,
  entraTenantId: string,
  roundId: string,
  objectIds: readonly string[],
  rows: readonly LicenseRow[],
): Promise<void> {
  if (objectIds.length === 0) return
  await sql`
    with missing as (
      select l.object_id, l.sku_id from person_licenses l
      where l.entra_tenant_id = ${entraTenantId} and l.object_id = any (${objectIds}::uuid[])
        and (l.object_id, l.sku_id) not in (
          select * from unnest(${rows.map((row) => row.object_id)}::uuid[], ${rows.map((row) => row.sku_id)}::uuid[]))
    ), due as (
      insert into license_sources_due (entra_tenant_id, object_id)
      select distinct ${entraTenantId}::uuid, object_id from missing on conflict do nothing
    )
    insert into sync_pending_removals (round_id, entra_tenant_id, kind, key)
    select ${roundId}::uuid, ${entraTenantId}::uuid, 'license', array[object_id, sku_id] from missing
    on conflict do nothing`.execute(db)
}

/** Persons whose licence sources are due; at most `limit`. */
export async function dueLicenseSources(
  db: Kysely<Database>,
  entraTenantId: string,
  limit: number,
): Promise<string[]> {
  const { rows } = await sql<{ object_id: string }>`
    select object_id from license_sources_due where entra_tenant_id = ${entraTenantId} limit ${limit}`.execute(
    db,
  )
  return rows.map((row) => row.object_id)
}

/** Replaces the licence sources of `objectIds` as a whole and takes those persons off the due list. */
export async function saveLicenseSources(
  db: Kysely<Database>,
  entraTenantId: string,
  objectIds: readonly string[],
  rows: readonly LicenseSourceRow[],
): Promise<void> {
  await sql`
    with input as (
      select distinct on (object_id, sku_id, assigned_by_group) * from jsonb_to_recordset(${jsonRows(rows)}::jsonb)
        as x(object_id uuid, sku_id uuid, assigned_by_group uuid, state text, error text)
      order by object_id, sku_id, assigned_by_group
    ), served as (
      delete from license_sources_due where entra_tenant_id = ${entraTenantId} and object_id = any (${objectIds}::uuid[])
    ), gone as (
      delete from person_license_sources s
      where s.entra_tenant_id = ${entraTenantId} and s.object_id = any (${objectIds}::uuid[])
        and not exists (select 1 from input i where i.object_id = s.object_id and i.sku_id = s.sku_id
          and i.assigned_by_group is not distinct from s.assigned_by_group)
    )
    insert into person_license_sources as t (entra_tenant_id, object_id, sku_id, assigned_by_group, state, error)
    select ${entraTenantId}::uuid, object_id, sku_id, assigned_by_group, state, error from input
    on conflict (entra_tenant_id, object_id, sku_id, assigned_by_group) do update set state = excluded.state, error = excluded.error
    where (t.state, t.error) is distinct from (excluded.state, excluded.error)`.execute(db)
}

/** Takes these persons (null = all) off the due list: they were asked for, or may not be read. */
export async function clearDueLicenseSources(
  db: Kysely<Database>,
  entraTenantId: string,
  objectIds: readonly string[] | null,
): Promise<void> {
  await sql`
    delete from license_sources_due where entra_tenant_id = ${entraTenantId}
      and (${objectIds}::uuid[] is null or object_id = any (${objectIds}::uuid[]))`.execute(db)
}

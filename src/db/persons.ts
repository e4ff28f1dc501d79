import { sql, type Kysely } from 'kysely'
import { jsonRows } from './json.ts'
import type { MergeRow, MergeTable } from './merge.ts'
import type { Database } from './tables.ts'

const text = (name: string) => ({ name, type: 'text' as const })
const boolean = (name: string) => ({ name, type: 'boolean' as const })

/** What a sync writes of a person; tags, protected_reason and tenant_id have other writers. */
export const PERSONS: MergeTable = {
  name: 'persons',
  kind: 'person',
  keepsDeleted: true,
  columns: [
    text('user_principal_name'),
    text('mail'),
    text('display_name'),
    text('given_name'),
    text('surname'),
    text('job_title'),
    text('department'),
    text('company_name'),
    text('office_location'),
    text('usage_location'),
    text('employee_id'),
    boolean('account_enabled'),
    text('user_type'),
    boolean('on_premises_sync_enabled'),
    text('on_premises_sam_account_name'),
    text('on_premises_security_identifier'),
  ],
}

/** Puts persons into their ImmyBot tenants by link and domain; `objectIds` null = all of the Entra tenant. Answers how many moved. */
export async function assignTenants(
  db: Kysely<Database>,
  entraTenantId: string,
  objectIds: readonly string[] | null,
): Promise<number> {
  const { rows } = await sql<{ moved: number }>`
    select assign_tenants(${entraTenantId}::uuid, ${objectIds}::uuid[]) as moved`.execute(db)
  return rows[0]?.moved ?? 0
}

/**
 * Gives the object id of a newly read user to the one live hand-made person with exactly its UPN (case-blind). Answers
 * the UPNs that match two or more: none of those is adopted, a person must decide.
 */
export async function adoptPersons(
  db: Kysely<Database>,
  entraTenantId: string,
  rows: readonly MergeRow[],
): Promise<string[]> {
  const named = rows.filter((row) => typeof row['user_principal_name'] === 'string')
  if (named.length === 0) return []
  const result = await sql<{ upn: string }>`
    with input as (
      select * from jsonb_to_recordset(${jsonRows(named.map((row) => ({ object_id: row.object_id, upn: row['user_principal_name'] })))}::jsonb)
        as x(object_id uuid, upn text)
    ), matches as (
      select i.object_id, i.upn, min(p.person_id::text)::uuid as person_id, count(*) as persons
      from input i join persons p on p.entra_tenant_id = ${entraTenantId} and p.object_id is null and p.deleted_at is null
        and lower(p.user_principal_name) = lower(i.upn)
      where not exists (select 1 from persons x where x.entra_tenant_id = ${entraTenantId} and x.object_id = i.object_id)
      group by i.object_id, i.upn
    ), adopted as (
      update persons p set object_id = m.object_id, changed_at = now() from matches m
      where m.persons = 1 and p.person_id = m.person_id
    )
    select upn from matches where persons > 1`.execute(db)
  return result.rows.map((row) => row.upn)
}

/** True when a user of Entra still matches several hand-made persons. */
export async function isAdoptionAmbiguous(db: Kysely<Database>, entraTenantId: string): Promise<boolean> {
  const { rows } = await sql`
    select 1 from persons h join persons p on p.entra_tenant_id = h.entra_tenant_id and p.object_id is not null
      and p.deleted_at is null and lower(p.user_principal_name) = lower(h.user_principal_name)
    where h.entra_tenant_id = ${entraTenantId} and h.object_id is null and h.deleted_at is null
    group by p.person_id having count(*) > 1 limit 1`.execute(db)
  return rows.length > 0
}

/** Live persons that a sync knows, for comparing with Graph's `$count`. */
export async function countPersons(db: Kysely<Database>, entraTenantId: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) from persons
    where entra_tenant_id = ${entraTenantId} and object_id is not null and deleted_at is null`.execute(db)
  return rows[0]?.count ?? 0
}

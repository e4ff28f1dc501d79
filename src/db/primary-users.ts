import { sql, type Kysely } from 'kysely'
import { jsonRows } from './json.ts'
import type { MergeRow } from './merge.ts'
import type { Database } from './tables.ts'

/**
 * Lets computers keep their primary user when a page renames that person: computers name them by UPN, and a customer
 * that takes another domain would else empty all its computers at once, past the guard, which judges who has a target and
 * not through whom. To be called before the page is written. Answers how many computers it was.
 *
 * Computers of somebody whose new UPN is still another person's keep the old one: by the name alone they would go with
 * that other one when a later page renames them.
 */
export async function followRenames(
  db: Kysely<Database>,
  entraTenantId: string,
  rows: readonly MergeRow[],
): Promise<number> {
  const named = rows
    .filter((row) => typeof row['user_principal_name'] === 'string')
    .map((row) => ({ object_id: row.object_id, upn: row['user_principal_name'] }))
  if (named.length === 0) return 0
  const { rows: renamed } = await sql<{ before: string; after: string }>`
    with told as (select * from jsonb_to_recordset(${jsonRows(named)}::jsonb) as x(object_id uuid, upn text)),
    renamed as (
      select p.object_id, lower(p.user_principal_name) as before, t.upn as after
      from told t join persons p on p.entra_tenant_id = ${entraTenantId} and p.object_id = t.object_id
      where p.deleted_at is null and lower(p.user_principal_name) <> lower(t.upn)
    )
    select r.before, r.after from renamed r
    where not exists (select from persons o where o.entra_tenant_id = ${entraTenantId} and o.deleted_at is null
      and lower(o.user_principal_name) = lower(r.after)
      and o.object_id is distinct from r.object_id
      and not exists (select from renamed also where also.object_id = o.object_id))`.execute(db)
  // Only then: an import of computers locks their table, and pages without renames need not wait for it.
  if (renamed.length === 0) return 0
  const result = await sql`
    update computers c set primary_user_principal_name = r.after, changed_at = now()
    from jsonb_to_recordset(${jsonRows(renamed)}::jsonb) as r(before text, after text), tenant_families f
    where f.tenant_id = c.tenant_id and f.entra_tenant_id = ${entraTenantId}
      and lower(c.primary_user_principal_name) = r.before`.execute(db)
  return Number(result.numAffectedRows ?? 0)
}

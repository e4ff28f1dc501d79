import { sql, type Kysely } from 'kysely'
import { jsonRows } from './json.ts'
import type { Database } from './tables.ts'

export interface MemberRow {
  group_id: string
  member_id: string
  member_type: 'user' | 'group' | 'device' | 'service_principal' | 'contact' | 'other'
}

/** Adds direct edges; an edge may occur only once in `rows`. */
export async function mergeMembers(
  db: Kysely<Database>,
  entraTenantId: string,
  rows: readonly MemberRow[],
): Promise<{ added: number; changed: number }> {
  if (rows.length === 0) return { added: 0, changed: 0 }
  const result = await sql<{ added: number; changed: number }>`
    with written as (
      insert into group_members as t (entra_tenant_id, group_id, member_id, member_type)
      select ${entraTenantId}::uuid, x.group_id, x.member_id, x.member_type
      from jsonb_to_recordset(${jsonRows(rows)}::jsonb) as x(group_id uuid, member_id uuid, member_type text)
      order by 2, 3
      on conflict (entra_tenant_id, group_id, member_id) do update set member_type = excluded.member_type
      where t.member_type is distinct from excluded.member_type
      returning xmax = 0 as added
    )
    select count(*) filter (where added) as added, count(*) filter (where not added) as changed from written`.execute(
    db,
  )
  return result.rows[0] ?? { added: 0, changed: 0 }
}

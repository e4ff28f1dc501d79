import { sql, type Kysely } from 'kysely'
import type { Database } from '../../../db/tables.ts'

/** A name or pattern, in all Entra tenants or in some. */
export interface WantedName {
  text: string
  isPattern: boolean
  /** null = in all. */
  within: readonly string[] | null
}

/** What a name or pattern takes. */
export interface NameMatch {
  /** Entra tenants with at least one such group. */
  tenants: number
  /** Name: Entra tenants with several groups of it, and those of the first one. */
  doubled: number
  example: { entraTenantId: string; groupIds: string[] } | null
  /** Pattern: an Entra tenant of more than ten groups that fits all of them, and how many those are. */
  whole: { entraTenantId: string; groups: number } | null
}

/** Fewer groups all fit a good pattern by chance. */
const fewGroups = 10

/** One answer for each, in their order, from one query: names are compared once however many tenants have them. */
export async function matchGroupNames(
  db: Kysely<Database>,
  wanted: readonly WantedName[],
): Promise<NameMatch[]> {
  if (wanted.length === 0) return []
  const bounds = wanted.flatMap(({ within }, no) => (within ?? []).map((id) => ({ no, id })))
  const { rows } = await sql<NameMatch & { no: number }>`
    with wanted as (
      select no::int - 1 as no, name, is_pattern, bound
      from unnest(${wanted.map(({ text }) => text)}::text[], ${wanted.map(({ isPattern }) => isPattern)}::boolean[],
        ${wanted.map(({ within }) => within !== null)}::boolean[]) with ordinality as w (name, is_pattern, bound, no)
    ), bounds as (
      select * from unnest(${bounds.map(({ no }) => no)}::int[], ${bounds.map(({ id }) => id)}::uuid[]) as b (no, entra_tenant_id)
    ), live as materialized (
      select entra_tenant_id, object_id, lower(display_name) as name from groups where deleted_at is null
    ), names as materialized (
      select distinct name from live where name is not null
    ), fits as materialized (
      select w.no, n.name from wanted w join names n on n.name = lower(w.name) where not w.is_pattern
      union all
      select w.no, n.name from wanted w join names n on n.name like entra_sync.glob_like(w.name) where w.is_pattern
    ), totals as (
      select entra_tenant_id, count(*) as groups from live group by entra_tenant_id
    ), found as (
      select w.no, w.is_pattern, g.entra_tenant_id, count(*) as groups, (array_agg(g.object_id order by g.object_id))[1:5] as ids
      from fits f join wanted w using (no) join live g on g.name = f.name
      where not w.bound or exists (select from bounds b where b.no = w.no and b.entra_tenant_id = g.entra_tenant_id)
      group by w.no, w.is_pattern, g.entra_tenant_id
    )
    select f.no, count(*)::int as tenants,
      (count(*) filter (where f.groups > 1 and not f.is_pattern))::int as doubled,
      (jsonb_agg(jsonb_build_object('entraTenantId', f.entra_tenant_id, 'groupIds', f.ids) order by f.entra_tenant_id)
        filter (where f.groups > 1 and not f.is_pattern)) -> 0 as example,
      (jsonb_agg(jsonb_build_object('entraTenantId', f.entra_tenant_id, 'groups', t.groups) order by f.entra_tenant_id)
        filter (where f.is_pattern and f.groups = t.groups and t.groups > ${fewGroups}::int)) -> 0 as whole
    from found f join totals t using (entra_tenant_id) group by f.no`.execute(db)
  const byNo = new Map(rows.map(({ no, ...match }) => [no, match]))
  return wanted.map((_, no) => byNo.get(no) ?? { tenants: 0, doubled: 0, example: null, whole: null })
}

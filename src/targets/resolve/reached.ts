import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { analyze } from './tables.ts'

/** Refs of the reasons that need no looking up; those of groups, licences and tags come after them. */
const fixed = { kept: sql.lit(0), everyone: sql.lit(1), person: sql.lit(2), computer: sql.lit(3) }

/** Numbers the reasons: those of groups by the length of the way, then by ids, as the shortest is to be told. */
export async function findReasons(trx: Transaction<Database>): Promise<void> {
  await sql`
    insert into resolving_reasons values (${fixed.everyone}, '{"by": "everyone"}'), (${fixed.person}, '{"by": "person"}'),
      (${fixed.computer}, '{"by": "computer"}')`.execute(trx)
  await sql`
    with numbered as (
      update resolving_closure c set ref = n.ref
      from (
        select family_id, root_id, group_id, ${fixed.computer} + row_number() over (order by depth, root_id, place, family_id) as ref
        from resolving_closure
      ) n
      where (n.family_id, n.root_id, n.group_id) = (c.family_id, c.root_id, c.group_id)
      returning c.ref, c.path
    )
    insert into resolving_reasons select ref, jsonb_build_object('by', 'group', 'groups', path) from numbered`.execute(
    trx,
  )
  await sql`
    insert into resolving_reasons
    select (select max(ref) from resolving_reasons) + row_number() over (order by tag),
      jsonb_build_object('by', 'tag', 'tag', tag)
    from (select distinct tag from resolving_terms where tag is not null) t`.execute(trx)
  await analyze(trx, 'resolving_closure', 'resolving_reasons')
}

/**
 * Whom terms reach, as rows (no, deployment_id, term, ref): `side` target or exclude. A subject that is reached in several
 * ways comes several times.
 */
export function reachedBy(side: 'target' | 'exclude'): RawBuilder<unknown> {
  const excluded = sql.lit(side === 'exclude')
  return sql`
    select s.no, t.deployment_id, t.term, ${fixed.everyone} as ref
    from resolving_terms t join resolving_deployments d using (deployment_id)
    join resolving_subjects s on s.tenant_id = d.tenant_id
    where t.type = 'everyone' and t.excluded = ${excluded} and s.kind = 'person' and (s.whole or d.chosen)
    union all
    select o.no, r.deployment_id, r.term, c.ref
    from resolving_roots r join resolving_closure c on c.family_id = r.family_id and c.root_id = r.root_id
    join group_members m on m.entra_tenant_id = c.family_id and m.group_id = c.group_id and m.member_type in ('user', 'device')
    join resolving_objects o on o.family_id = m.entra_tenant_id and o.object_id = m.member_id
    where r.excluded = ${excluded}
    union all
    select o.no, g.deployment_id, g.term, g.ref
    from resolving_grants g
    join person_licenses l on l.entra_tenant_id = g.family_id and l.sku_id = g.sku_id
      and (g.service_plan_id is null or not g.service_plan_id = any (l.disabled_plans))
    join resolving_objects o on o.family_id = l.entra_tenant_id and o.object_id = l.object_id
    left join resolving_pairs y on y.no = o.no and y.entitlement = g.entitlement
    where g.excluded = ${excluded} and y.yields is not true and g.over is not distinct from y.over
    union all
    select s.no, t.deployment_id, t.term, k.ref
    from resolving_terms t join resolving_subjects s on t.tag = any (s.tags)
    join resolving_reasons k on k.reason = jsonb_build_object('by', 'tag', 'tag', t.tag)
    where t.type = 'tag' and t.excluded = ${excluded}
    union all
    select s.no, t.deployment_id, t.term, case s.kind when 'person' then ${fixed.person} else ${fixed.computer} end
    from resolving_terms t join resolving_subjects s on s.subject_id = coalesce(t.person_id, t.computer_id)
    where t.type in ('person', 'computer') and t.excluded = ${excluded}`
}

/** Why a filter of a deployment (d) leaves a subject (s) out; null = it does not (design rule 8.10). */
export const barredBy: RawBuilder<string | null> = sql`case
      when d.target_type = 'computer' then null
      when d.accounts <> 'any' and s.enabled <> (d.accounts = 'enabled') then case when s.enabled then 'enabled' else 'disabled' end
      when s.kind = 'computer' then case when d.departments is not null or d.domains is not null then 'person_filters' end
      when d.guests <> 'include' and s.guest <> (d.guests = 'only') then case when s.guest then 'guest' else 'not_guest' end
      when d.departments is not null and not coalesce(s.department = any (d.departments), false) then 'department'
      when d.domains is not null and not coalesce(s.domain = any (d.domains), false) then 'domain'
    end`

/** Who is left out by excludes. */
export async function findExcluded(trx: Transaction<Database>): Promise<void> {
  const { rows } = await sql`select 1 from resolving_terms where excluded limit 1`.execute(trx)
  if (rows.length === 0) return
  await sql`
    insert into resolving_excluded select distinct no, deployment_id from (${reachedBy('exclude')}) x`.execute(
    trx,
  )
  await analyze(trx, 'resolving_excluded')
}

/**
 * The winner of each subject and item: of the smallest precedence, and of these of the smallest ref, in one number.
 * Kept deployments take part with the targets that they have.
 */
export async function findWanted(trx: Transaction<Database>): Promise<void> {
  await sql`
    insert into resolving_wanted
    select no, item_id, min(best)
    from (
      select s.no, d.item_id, d.precedence::bigint << 32 | r.ref as best
      from (${reachedBy('target')}) r
      join resolving_subjects s using (no)
      join resolving_deployments d on d.tenant_id = s.tenant_id and d.deployment_id = r.deployment_id
      where not d.kept and (s.whole or d.chosen) and ${barredBy} is null
        and not exists (select from resolving_excluded x where x.no = r.no and x.deployment_id = r.deployment_id)
      union all
      select s.no, d.item_id, d.precedence::bigint << 32 | ${fixed.kept}
      from resolving_deployments d
      join deployment_targets t on t.deployment_id = d.deployment_id and t.family_id = d.family_id and t.item_id = d.item_id
      join resolving_subjects s on s.subject_id = t.subject_id and s.tenant_id = d.tenant_id
      where d.kept and (s.whole or d.chosen)
        -- Changed to one person or computer by an operator, it keeps no others.
        and (d.scope <> 'individual' or exists (select from resolving_terms x
          where x.deployment_id = d.deployment_id and not x.excluded and coalesce(x.person_id, x.computer_id) = s.subject_id))
    ) candidates
    group by no, item_id`.execute(trx)
  await analyze(trx, 'resolving_wanted')
}

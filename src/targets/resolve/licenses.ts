import { sql, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { analyze } from './tables.ts'

/**
 * Which SKUs and plans reach whom: those that count (`honoured_plans`), of the licences, service plans and app
 * entitlements that deployments name. Of two editions on one person the one that yields reaches nobody, and the other's
 * reason says over what.
 */
export async function findLicenses(trx: Transaction<Database>, graceMs: number): Promise<void> {
  const honoured = sql`(array(select family_id from resolving_families), make_interval(secs => ${graceMs / 1000}))`
  const { rows } = await sql<{ any: boolean; entitled: boolean }>`
    select count(*) > 0 as any, count(*) filter (where type = 'app_entitlement') > 0 as entitled
    from resolving_terms where type in ('license', 'app_entitlement')`.execute(trx)
  if (rows[0]?.any !== true) return
  await sql`insert into resolving_plans select * from honoured_plans${honoured}`.execute(trx)
  await analyze(trx, 'resolving_plans')
  await sql`
    with named as (
      select s.entra_tenant_id as family_id, t.deployment_id, t.term, t.excluded, s.sku_id, null::uuid as service_plan_id,
        null::text as entitlement, null::text as over, s.sku_part_number, null::text as service_plan_name
      from resolving_terms t join honoured_skus${honoured} s on s.sku_id = t.sku_id
      union all
      select p.family_id, t.deployment_id, t.term, t.excluded, p.sku_id, p.service_plan_id, null, null,
        p.sku_part_number, p.service_plan_name
      from resolving_terms t join resolving_plans p on p.service_plan_id = t.service_plan_id
      union all
      select p.family_id, t.deployment_id, t.term, t.excluded, p.sku_id, p.service_plan_id, t.entitlement, o.over,
        p.sku_part_number, p.service_plan_name
      from resolving_terms t join app_entitlement_plans e on e.entitlement = t.entitlement
      join resolving_plans p on p.service_plan_id = e.service_plan_id
      cross join lateral (
        select null as over union all select y.entitlement from app_entitlements y where y.yields_to = t.entitlement
      ) o
      where t.type = 'app_entitlement'
    ), wanted as (
      select n.* from named n
      where exists (select from resolving_deployments d where d.family_id = n.family_id and d.deployment_id = n.deployment_id)
    ), reasons as (
      select sku_id, service_plan_id, entitlement, over, sku_part_number, service_plan_name,
        (select coalesce(max(ref), 0) from resolving_reasons) + row_number() over (
          order by sku_part_number, sku_id, service_plan_name, service_plan_id, entitlement, over) as ref
      from (select distinct sku_id, service_plan_id, entitlement, over, sku_part_number, service_plan_name from wanted) x
    ), told as (
      insert into resolving_reasons
      select ref, jsonb_strip_nulls(jsonb_build_object(
        'by', case when entitlement is null then 'license' else 'app_entitlement' end, 'entitlement', entitlement,
        'sku_id', sku_id, 'sku', sku_part_number, 'service_plan_id', service_plan_id, 'service_plan', service_plan_name,
        'over', over))
      from reasons
    )
    insert into resolving_grants
    select w.family_id, w.deployment_id, w.term, w.excluded, w.sku_id, w.service_plan_id, w.entitlement, w.over, r.ref
    from wanted w join reasons r on (r.sku_id, r.sku_part_number) = (w.sku_id, w.sku_part_number)
      and (r.service_plan_id, r.service_plan_name, r.entitlement, r.over)
        is not distinct from (w.service_plan_id, w.service_plan_name, w.entitlement, w.over)`.execute(trx)
  if (rows[0].entitled) await findPairs(trx)
  await analyze(trx, 'resolving_grants', 'resolving_pairs')
}

/** Who is entitled to two products of which one yields to the other. */
async function findPairs(trx: Transaction<Database>): Promise<void> {
  await sql`
    with paired as (
      select entitlement from app_entitlements where yields_to is not null
      union
      select yields_to from app_entitlements where yields_to is not null
    ), entitled as (
      select o.no, array_agg(distinct e.entitlement) as products
      from paired join app_entitlement_plans e using (entitlement)
      join resolving_plans p on p.service_plan_id = e.service_plan_id
      join person_licenses l on l.entra_tenant_id = p.family_id and l.sku_id = p.sku_id
      join resolving_objects o on o.family_id = l.entra_tenant_id and o.object_id = l.object_id
      where not p.service_plan_id = any (l.disabled_plans)
      group by o.no
    ), pairs as (
      select y.no, a.entitlement, a.yields_to
      from entitled y join app_entitlements a on a.entitlement = any (y.products) and a.yields_to = any (y.products)
    )
    insert into resolving_pairs
    select no, entitlement, bool_or(yields), min(over)
    from (
      select no, entitlement, true as yields, null as over from pairs
      union all
      select no, yields_to, false, entitlement from pairs
    ) x
    group by no, entitlement`.execute(trx)
}

import { sql, type Kysely } from 'kysely'
import type { Database, DeploymentScope, DesiredState, Enforcement, TargetType } from '../../db/tables.ts'

export interface ListedDeployment {
  deploymentId: string
  name: string
  item: string
  version: string
  desiredState: DesiredState
  enforcement: Enforcement
  scope: DeploymentScope
  /** Scope single_tenant: whose. */
  tenant: string | null
  targetType: TargetType
  target: Record<string, string>
  /** The target in words, with names instead of ids where they are known. */
  targetName: string | null
  excludes: Record<string, string>[]
  filters: Record<string, unknown>
  enabled: boolean
  rank: number
  source: string
  createdAt: Date
  updatedAt: Date
  /** For how many it wins now; computers by targets of their own, not through their primary users. */
  persons: number
  computers: number
  tenants: number
  /** Kept back by open holds. */
  held: number
  /** The first of its warnings; those of all tenants come before those of one. */
  warnings: { code: string; message: string; tenant: string | null }[]
  warningCount: number
}

/** Which deployments are wanted, and how many warnings of each are told. */
export interface Wanted {
  names?: readonly string[]
  ids?: readonly string[]
  warnings: number
}

/** All deployments with what they reach now and what is odd about them, by name; or those of the given names or ids. */
export async function listDeployments(
  db: Kysely<Database>,
  { names, ids, warnings }: Wanted,
): Promise<ListedDeployment[]> {
  const named = names === undefined ? null : [...names]
  const identified = ids === undefined ? null : [...ids]
  const { rows } = await sql<ListedDeployment>`
    with counts as (
      -- By tenant first: that is hashed, and a million targets need not be sorted to count their tenants.
      select deployment_id, sum(persons)::int as persons, sum(computers)::int as computers, count(*) as tenants
      from (
        select deployment_id, tenant_id, count(*) filter (where subject_kind = 'person') as persons,
          count(*) filter (where subject_kind = 'computer') as computers
        from deployment_targets group by deployment_id, tenant_id
      ) of_tenant group by deployment_id
    ), held as (
      select h.deployment_id, count(*) as held from (
        select coalesce(o.deployment_id, (i.wanted ->> 'deployment_id')::uuid, t.deployment_id) as deployment_id
        from holds o join hold_items i using (hold_id)
        left join deployment_targets t on t.subject_id = i.key[1] and t.item_id = i.key[2]
        where o.kind = 'target' and o.status = 'open'
      ) h group by h.deployment_id
    ), placed as (
      select w.deployment_id, w.code, w.message, e.display_name as tenant, row_number() over (
        partition by w.deployment_id order by w.family_id is not null, w.code, e.display_name, w.family_id, w.message) as place
      from deployment_warnings w left join entra_tenants e on e.entra_tenant_id = w.family_id
    ), warned as (
      select p.deployment_id, count(*) as warning_count,
        jsonb_agg(jsonb_build_object('code', p.code, 'message', p.message, 'tenant', p.tenant) order by p.place)
          filter (where p.place <= ${warnings}) as warnings
      from placed p group by p.deployment_id
    )
    select d.deployment_id as "deploymentId", d.name, i.name as item, d.version, d.desired_state as "desiredState",
      d.enforcement, d.scope, t.name as tenant, d.target_type as "targetType", d.target,
      case d.target_type
        when 'group' then (select g.display_name from groups g where g.object_id = (d.target ->> 'group_id')::uuid limit 1)
        when 'team' then (select g.display_name from groups g where g.object_id = (d.target ->> 'group_id')::uuid limit 1)
        when 'license' then coalesce(
          (select s.sku_part_number from subscribed_skus s where s.sku_id = (d.target ->> 'sku_id')::uuid limit 1),
          (select s.service_plan_name from sku_service_plans s where s.service_plan_id = (d.target ->> 'service_plan_id')::uuid limit 1))
        when 'app_entitlement' then (select e.product_name from app_entitlements e where e.entitlement = d.target ->> 'entitlement')
        when 'person' then (select coalesce(p.user_principal_name, p.display_name) from persons p where p.person_id = (d.target ->> 'person_id')::uuid)
        when 'computer' then (select c.name from computers c where c.computer_id = (d.target ->> 'computer_id')::uuid)
      end as "targetName",
      d.excludes, d.filters, d.enabled, d.rank, d.source, d.created_at as "createdAt", d.updated_at as "updatedAt",
      coalesce(c.persons, 0) as persons, coalesce(c.computers, 0) as computers, coalesce(c.tenants, 0) as tenants,
      coalesce(h.held, 0) as held, coalesce(w.warnings, '[]') as warnings,
      coalesce(w.warning_count, 0) as "warningCount"
    from deployments d join maintenance_items i using (item_id)
    left join tenants t on t.tenant_id = d.tenant_id
    left join counts c using (deployment_id) left join held h using (deployment_id) left join warned w using (deployment_id)
    where (${named}::text[] is null or d.name = any (${named}::text[]))
      and (${identified}::uuid[] is null or d.deployment_id = any (${identified}::uuid[]))
    order by d.name`.execute(db)
  return rows
}

export interface TenantOfDeployment {
  tenantId: string
  tenant: string
  persons: number
  /** All that get it, be it through their primary users. */
  computers: number
}

/** Where one deployment wins, tenant by tenant, those with the most first. */
export async function targetsByTenant(
  db: Kysely<Database>,
  deploymentId: string,
): Promise<TenantOfDeployment[]> {
  const { rows } = await sql<TenantOfDeployment>`
    with counted as (
      select x.tenant_id, count(*) as persons, 0 as computers from deployment_targets x
      where x.deployment_id = ${deploymentId} and x.subject_kind = 'person' group by x.tenant_id
      union all
      -- By its item, so that each computer is two look-ups and not all that it gets.
      select c.tenant_id, 0, count(*) from computer_targets c
      where c.item_id = (select d.item_id from deployments d where d.deployment_id = ${deploymentId})
        and c.deployment_id = ${deploymentId}
      group by c.tenant_id
    )
    select t.tenant_id as "tenantId", t.name as tenant, sum(c.persons)::int as persons, sum(c.computers)::int as computers
    from counted c join tenants t using (tenant_id)
    group by t.tenant_id, t.name order by sum(c.persons + c.computers) desc, t.name, t.tenant_id`.execute(db)
  return rows
}

import { sql, type Kysely } from 'kysely'
import type { Database, TargetFamilyStatusView } from './tables.ts'

/** How the targets of one tenant family stand. */
export interface TargetStatus {
  family_id: string
  /** Null = a tenant without a link. */
  entra_tenant_id: string | null
  /** Of the Entra tenant, else of the tenant. */
  name: string
  /** Why they stay as they are for now; null = they are resolved when they are dirty. */
  frozen: TargetFamilyStatusView['frozen']
  dirty: boolean
  /** When the oldest change came that is not resolved yet; null = none, or its time is not known. */
  dirty_since: Date | null
  /** Null = never. */
  resolved_at: Date | null
  whole_at: Date | null
  targets: number
  /** Changes of targets that are kept back in open holds. */
  held: number
  /** Of the last resolution, when it failed. */
  failure_code: string | null
  failure_message: string | null
  failures: number
  retry_at: Date | null
}

/** Families of tenants and of Entra tenants, or one; those without an Entra tenant come last. */
export async function readTargetStatus(db: Kysely<Database>, only: string | null): Promise<TargetStatus[]> {
  const { rows } = await sql<TargetStatus>`
    with families as (
      select family_id from tenant_families union select entra_tenant_id from entra_tenants
    )
    select f.family_id, e.entra_tenant_id, coalesce(e.display_name, e.default_domain, t.name, f.family_id::text) as name,
      s.frozen, r.resolved_at, r.whole_at, d.since as dirty_since,
      d.since is not null or exists (select from tenants x join tenant_families y using (tenant_id)
        where y.family_id = f.family_id and x.targets_dirty_seq > x.targets_clean_seq)
        or (r.family_id is null and exists (select from tenant_links l where l.entra_tenant_id = f.family_id)) as dirty,
      (select count(*)::int from deployment_targets x where x.family_id = f.family_id) as targets,
      (select count(*)::int from holds h join hold_items i using (hold_id) join tenant_families y on y.tenant_id = h.tenant_id
        where h.kind = 'target' and h.status = 'open' and y.family_id = f.family_id) as held,
      x.code as failure_code, x.message as failure_message, coalesce(x.failures, 0) as failures, x.retry_at
    from families f
    left join entra_tenants e on e.entra_tenant_id = f.family_id
    left join tenants t on t.tenant_id = f.family_id
    left join target_family_status s using (family_id)
    left join target_families r using (family_id)
    left join target_failures x using (family_id)
    left join lateral (select min(at) as since from target_dirt d where d.family_id = f.family_id) d on true
    where ${only}::uuid is null or f.family_id = ${only}
    order by e.entra_tenant_id is null, lower(coalesce(e.display_name, t.name)), f.family_id`.execute(db)
  return rows
}

/** An open hold of targets: who would gain or lose what. */
export interface TargetHold {
  hold_id: string
  tenant_id: string
  tenant: string
  /** Null = judged as one set of the tenant. */
  deployment_id: string | null
  /** Names of the deployments that would lose or gain, at most `namesTold`; gone ones are left out. */
  deployments: string[]
  direction: 'assign' | 'unassign'
  reason: string
  size: number
  of_total: number
  created_at: Date
  samples: { subject: string; item: string; now: string | null; wanted: string | null }[]
}

/** Five people are enough to recognize a mistake by. */
const samples = 5
export const namesTold = 4

/** Open holds of targets of all families, or of one, the oldest first, with some of what they keep back. */
export async function readTargetHolds(db: Kysely<Database>, only: string | null): Promise<TargetHold[]> {
  const { rows } = await sql<TargetHold>`
    select h.hold_id, h.tenant_id, t.name as tenant, h.deployment_id, h.direction, h.reason,
      array(select distinct d.name from hold_items i
        left join deployment_targets n on n.subject_id = i.key[1] and n.item_id = i.key[2]
        join deployments d on d.deployment_id = case h.direction when 'unassign' then n.deployment_id
          else (i.wanted ->> 'deployment_id')::uuid end
        where i.hold_id = h.hold_id order by 1 limit ${namesTold}) as deployments,
      (select count(*)::int from hold_items i where i.hold_id = h.hold_id) as size, h.of_total, h.created_at,
      coalesce((select jsonb_agg(x order by x.subject, x.item) from (
        select coalesce(p.user_principal_name, p.display_name, c.name, i.key[1]::text) as subject,
          coalesce(m.name, i.key[2]::text) as item, dn.name as now, dw.name as wanted
        from hold_items i
        left join persons p on p.person_id = i.key[1] left join computers c on c.computer_id = i.key[1]
        left join maintenance_items m on m.item_id = i.key[2]
        left join deployment_targets n on n.subject_id = i.key[1] and n.item_id = i.key[2]
        left join deployments dn on dn.deployment_id = n.deployment_id
        left join deployments dw on dw.deployment_id = (i.wanted ->> 'deployment_id')::uuid
        where i.hold_id = h.hold_id order by 1, 2 limit ${samples}) x), '[]') as samples
    from holds h join tenants t using (tenant_id) join tenant_families f using (tenant_id)
    where h.kind = 'target' and h.status = 'open' and (${only}::uuid is null or f.family_id = ${only})
    order by h.created_at, h.hold_id`.execute(db)
  return rows
}

/** How far the resolution of targets is behind, over all families that are not frozen. */
export interface TargetLag {
  dirty: number
  /** Seconds since the oldest change that is not resolved; null = there is none. */
  oldestSeconds: number | null
  /** Frozen ones with changes that wait. */
  frozen: number
  failing: number
}

/**
 * How far the resolution is behind. A change counts from the first whole run after it on: before that its family may
 * have been frozen, or in the midst of a round. What raised a tenant's seq alone has no time of its own.
 */
export async function readTargetLag(db: Kysely<Database>): Promise<TargetLag> {
  const { rows } = await sql<TargetLag>`
    with dirty as (
      select family_id, min(at) as at from target_dirt group by family_id
      union all
      select e.entra_tenant_id, e.last_synced_at from entra_tenants e
      where e.last_synced_at is not null
        and not exists (select from target_dirt d where d.family_id = e.entra_tenant_id)
        and not exists (select from target_families f where f.family_id = e.entra_tenant_id)
        and exists (select from tenant_links l where l.entra_tenant_id = e.entra_tenant_id)
    ), waiting as (
      select s.frozen, coalesce((select min(r.finished_at) from sync_runs r where r.entra_tenant_id = d.family_id
        and r.finished_at > d.at and r.outcome in ('succeeded', 'held')), d.at) as since
      from dirty d left join target_family_status s using (family_id)
    )
    select count(*) filter (where frozen is null)::int as dirty,
      extract(epoch from now() - min(since) filter (where frozen is null))::int as "oldestSeconds",
      count(*) filter (where frozen is not null)::int as frozen,
      (select count(*)::int from target_failures) as failing
    from waiting`.execute(db)
  const [row] = rows
  if (row === undefined) throw new TypeError('an aggregate returned no row')
  return row
}

import { sql, type Transaction } from 'kysely'
import { isFleetFrozenNow } from '../../db/fleet-freeze.ts'
import { readGuards } from '../../db/hold-limits.ts'
import type { Database } from '../../db/tables.ts'
import { judgeSize, type ChangeSet, type GuardSettings } from '../../guard.ts'

export type TargetHoldReason =
  'fleet_frozen' | 'empties_deployment' | 'over_percent' | 'over_max' | 'deployment_over_percent'
type Direction = 'assign' | 'unassign'

/** What would change for a tenant, or for one deployment in it, in one direction. */
export interface TargetSet extends ChangeSet {
  tenantId: string
  /** Null = the tenant has none. */
  entraTenantId: string | null
  /** Null = all of the tenant's. */
  deploymentId: string | null
  direction: Direction
}

/**
 * Why a set of target changes is too large to be believed (design rule 8.4); null = apply it. Unassigned are counted as
 * a share of the current targets, assigned as subjects of the tenant's persons. What no operator asked for is judged in
 * both directions: putting AutoCAD on everybody is as wrong as taking it from everybody.
 */
export function judgeTargets(
  set: TargetSet,
  settings: GuardSettings,
  frozen: boolean,
): TargetHoldReason | null {
  if (set.count === 0) return null
  if (set.direction === 'unassign') {
    if (frozen) return 'fleet_frozen'
    if (set.count > settings.holdMin && set.count >= set.total) return 'empties_deployment'
  }
  return judgeSize(set, settings)
}

/**
 * Marks the changes that are held: those in an open hold or rejected lately, and, in new holds, the sets that are too
 * large. What an open hold keeps and nobody wants any more leaves it. An approved change passes.
 */
export async function holdChanges(
  trx: Transaction<Database>,
  facts: { guard: GuardSettings; runId: string },
): Promise<void> {
  // What was approved before a freeze waits for the end of it.
  if ((await hasApprovals(trx)) && !(await isFleetFrozenNow(trx))) await useApprovals(trx)
  await keepHeld(trx)
  const guards = await readGuards(trx, facts.guard)
  const smallest = Math.min(facts.guard.holdMin, ...[...guards.values()].map(({ holdMin }) => holdMin))
  const frozen = (await hasJudged(trx)) && (await isFleetFrozenNow(trx))
  for (const set of await judgedSets(trx, frozen ? 0 : smallest)) {
    const settings = guards.get(set.entraTenantId ?? '') ?? facts.guard
    const reason = judgeTargets(set, settings, frozen)
    if (reason !== null) await holdSet(trx, set, reason, facts.runId)
  }
}

/**
 * Withdraws from open holds what is not wanted so any more, and keeps back what they name. Rejected ones forget it, too:
 * a decision is of what was shown, and not of what happens to the same subject weeks later.
 */
async function keepHeld(trx: Transaction<Database>): Promise<void> {
  await sql`
    with dropped as (
      delete from hold_items h using holds o, tenant_families f, resolving_families r
      where o.hold_id = h.hold_id and o.kind = 'target' and o.status in ('open', 'rejected') and f.tenant_id = o.tenant_id
        and r.family_id = f.family_id
        and (r.whole or h.key[1] in (select subject_id from resolving_scope)
          or exists (select from resolving_items i where i.family_id = r.family_id and i.item_id = h.key[2])
          -- A named group is gone: nobody new gets the deployment, whoever was not looked at either.
          or exists (select from resolving_deployments d where d.tenant_id = o.tenant_id and d.kept
              and d.deployment_id = (h.wanted ->> 'deployment_id')::uuid)
            and not exists (select from deployment_targets t where t.subject_id = h.key[1] and t.item_id = h.key[2]
              and t.deployment_id = (h.wanted ->> 'deployment_id')::uuid))
        and not exists (select from resolving_changes c where c.subject_id = h.key[1] and c.item_id = h.key[2]
          and c.change <> 'reworded' and not c.deliberate and c.after is not distinct from h.wanted)
      returning h.hold_id, h.key
    )
    update holds o set size = o.size - d.items, status = case when o.size = d.items and o.status = 'open' then 'withdrawn' else o.status end,
      closed_at = case when o.size = d.items and o.status = 'open' then now() else o.closed_at end
    from (select hold_id, count(*) as items from dropped group by hold_id) d where d.hold_id = o.hold_id`.execute(
    trx,
  )
  await sql`
    update resolving_changes c set held = true from hold_items h join holds o using (hold_id)
    where h.kind = 'target' and h.key = array[c.subject_id, c.item_id] and h.wanted is not distinct from c.after
      and c.change <> 'reworded' and not c.deliberate
      and (o.status = 'open' or (o.status = 'rejected' and o.closed_at > now() - interval '30 days'))`.execute(
    trx,
  )
}

/** Changes that somebody may have to look at, as events: a changed target is one taken and one given. */
const events = sql`events as (
      select subject_id, tenant_before as tenant_id, deployment_before as deployment_id, 'unassign' as direction
      from resolving_changes c where change in ('unassigned', 'changed', 'moved') and ${isJudged()}
      union all
      select subject_id, tenant_id, deployment_after, 'assign'
      from resolving_changes c where change in ('assigned', 'changed', 'moved') and ${isJudged()}
    )`

/** Neither an operator's act nor held already. */
export function isJudged() {
  return sql`not c.held and not c.deliberate`
}

async function hasJudged(trx: Transaction<Database>): Promise<boolean> {
  const { rows } = await sql<{ any: boolean }>`
    select exists (select from resolving_changes c where c.change <> 'reworded' and ${isJudged()}) as any`.execute(
    trx,
  )
  return rows[0]?.any === true
}

/** Approvals of the last 24 hours that were not used. */
const unused = sql`tenant_families f, resolving_families r
      where o.kind = 'target' and o.status = 'approved' and o.applied_at is null
        and o.closed_at > now() - interval '24 hours' and f.tenant_id = o.tenant_id and r.family_id = f.family_id`

async function hasApprovals(trx: Transaction<Database>): Promise<boolean> {
  const { rows } = await sql<{ any: boolean }>`
    select exists (select from holds o, ${unused}) as any`.execute(trx)
  return rows[0]?.any === true
}

/**
 * What was approved within the last 24 hours is the operator's act, and passes the guard once: the dirt that came with
 * the approval has brought all of it into this resolution.
 */
async function useApprovals(trx: Transaction<Database>): Promise<void> {
  await sql`
    with used as (
      update holds o set applied_at = now() from ${unused}
      returning o.hold_id
    )
    update resolving_changes c set deliberate = true from hold_items h join used using (hold_id)
    where h.key = array[c.subject_id, c.item_id] and h.wanted is not distinct from c.after and c.change <> 'reworded'`.execute(
    trx,
  )
}

/** The sets larger than `holdMin`, with what they are shares of; smaller ones pass anyway. */
async function judgedSets(trx: Transaction<Database>, holdMin: number): Promise<TargetSet[]> {
  const { rows } = await sql<TargetSet>`
    with ${events}, sets as (
      select tenant_id, deployment_id, direction, count(*) as changes, count(distinct subject_id) as subjects
      from events group by grouping sets ((tenant_id, direction), (tenant_id, deployment_id, direction))
    ), recent as (
      select x.tenant_id, x.deployment_id, x.direction, count(*) as changes, count(distinct x.subject_id) as subjects
      from (
        select c.tenant_id, c.subject_id, (c.before ->> 'deployment_id')::uuid as deployment_id, 'unassign' as direction
        from target_changes c where not c.deliberate and c.before is not null and c.at > now() - interval '24 hours'
          and c.tenant_id in (select tenant_id from sets)
        union all
        select c.tenant_id, c.subject_id, (c.after ->> 'deployment_id')::uuid, 'assign'
        from target_changes c where not c.deliberate and c.after is not null and c.at > now() - interval '24 hours'
          and c.tenant_id in (select tenant_id from sets)
      ) x
      group by grouping sets ((x.tenant_id, x.direction), (x.tenant_id, x.deployment_id, x.direction))
    ), sized as (
      select s.tenant_id, s.deployment_id, s.direction,
        case s.direction when 'unassign' then s.changes else s.subjects end as count,
        coalesce(case s.direction when 'unassign' then r.changes else r.subjects end, 0) as recent
      from sets s left join recent r on r.tenant_id = s.tenant_id and r.direction = s.direction
        and r.deployment_id is not distinct from s.deployment_id
    )
    select s.tenant_id as "tenantId", s.deployment_id as "deploymentId",
      (select f.entra_tenant_id from tenant_families f where f.tenant_id = s.tenant_id) as "entraTenantId", s.direction, s.count, s.recent,
      case
        when s.direction = 'assign' then (select count(*) from persons p where p.tenant_id = s.tenant_id and p.deleted_at is null)
        when s.deployment_id is not null
          then (select count(*) from deployment_targets t where t.deployment_id = s.deployment_id and t.tenant_id = s.tenant_id)
        else (select count(*) from deployment_targets t join tenant_families f using (tenant_id, family_id)
          where t.tenant_id = s.tenant_id)
      end as total
    from sized s where s.count + s.recent > ${holdMin}
    order by s.deployment_id is not null, s.tenant_id, s.deployment_id, s.direction desc`.execute(trx)
  return rows
}

/** Makes one hold of a set; what another new hold has taken already stays there. */
export async function holdSet(
  trx: Transaction<Database>,
  set: Pick<TargetSet, 'tenantId' | 'deploymentId' | 'direction' | 'total'>,
  reason: TargetHoldReason,
  runId: string,
): Promise<void> {
  const { tenantId, deploymentId, direction } = set
  const side = direction === 'unassign' ? sql.raw('before') : sql.raw('after')
  const tenant = direction === 'unassign' ? sql.raw('c.tenant_before') : sql.raw('c.tenant_id')
  await sql`
    with taken as (
      update resolving_changes c set held = true
      where c.change <> 'reworded' and ${tenant} = ${tenantId} and c.${side} is not null and ${isJudged()}
        and (${deploymentId}::uuid is null or (c.${side} ->> 'deployment_id')::uuid = ${deploymentId})
      returning c.subject_id, c.item_id, c.after
    ), made as (
      insert into holds (entra_tenant_id, kind, tenant_id, deployment_id, direction, reason, size, of_total, run_id)
      select (select f.entra_tenant_id from tenant_families f where f.tenant_id = ${tenantId}), 'target', ${tenantId}::uuid,
        ${deploymentId}::uuid, ${direction}, ${reason}, count(*), ${set.total}, ${runId}::uuid
      from taken having count(*) > 0
      returning hold_id, entra_tenant_id
    )
    insert into hold_items (hold_id, entra_tenant_id, kind, key, wanted)
    select m.hold_id, m.entra_tenant_id, 'target', array[t.subject_id, t.item_id], t.after from taken t, made m`.execute(
    trx,
  )
}

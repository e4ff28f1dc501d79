import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { analyze } from './tables.ts'

/**
 * Targets that are there, as far as this resolution decides on them; each once, with the family that decides. A computer
 * that has come from another family is found by its id.
 */
const current = sql`came as (
      select s.subject_id, t.item_id, s.family_id as decided_in
      from resolving_subjects s join deployment_targets t using (subject_id)
      where s.kind = 'computer' and t.family_id <> s.family_id
        and (s.whole or (s.family_id, t.item_id) in (select family_id, item_id from resolving_items))
    ), current as (
      select t.*, t.family_id as decided_in from deployment_targets t join resolving_families f using (family_id)
      where f.whole and (t.subject_kind = 'person' or t.subject_id not in (select subject_id from came))
      union all
      select t.*, t.family_id from resolving_scope s join resolving_families f using (family_id)
      join deployment_targets t using (subject_id, family_id) where not f.whole
      union all
      select t.*, t.family_id from resolving_items i join deployment_targets t using (family_id, item_id)
      where t.subject_id not in (select subject_id from resolving_scope)
        and (t.subject_kind = 'person' or t.subject_id not in (select subject_id from came))
      union all
      select t.*, c.decided_in from came c join deployment_targets t using (subject_id, item_id)
    )`

/** The deployment before or after is one of these; each hashed once: asked of each change anew it would be a scan for each of millions. */
const isAmong = (deployments: RawBuilder<unknown>) =>
  sql`(coalesce((f.family_id, n.deployment_before) in (${deployments}), false)
        or coalesce((f.family_id, n.deployment_id) in (${deployments}), false))`

const isChosen = isAmong(sql`
          select d.family_id, d.id from resolving_dirt d where d.deliberate and d.id is not null`)

/** Something else than the operator's act made dirty what changes here: the guard looks at it. */
const isDoubted = sql`(n.subject in (select subject_id from resolving_doubts) or ${isAmong(sql`
          select d.family_id, d.id from resolving_dirt d where d.doubted and d.kind = 'deployment'`)})`

/**
 * A link, a parent or a flag makes all of a family deliberate; what was held before, and the act has no part in, it does
 * not let through: the person is where it was and the deployment reaches its tenant as before.
 */
const isHeldBefore = sql`exists (
        select from hold_items h where h.kind = 'target' and h.key = array[n.subject, n.item] and h.wanted is not distinct from n.after
          and (select o.status = 'open' or (o.status = 'rejected' and o.closed_at > now() - interval '30 days')
            from holds o where o.hold_id = h.hold_id)
          and exists (select from resolving_subjects s where s.subject_id = n.subject and s.tenant_id = coalesce(n.tenant_before, n.tenant_id)
            and (n.deployment_before is null or (s.tenant_id, n.deployment_before) in (select tenant_id, deployment_id from resolving_deployments)))
        -- Kept a look into the index for each change: joined, ten thousand held targets took 10 s.
        offset 0)`

/**
 * Compares what is wanted with what is there. In resolving_changes: assigned, changed, unassigned, moved (to another
 * tenant of the family or beyond), and reworded (only the reason is another one: no change for any reader).
 * `deliberate`: follows from an operator's act, or is a family's first resolution.
 */
export async function findChanges(trx: Transaction<Database>): Promise<void> {
  await sql`
    with ${current}, wanted as (
      select s.tenant_id, s.family_id, s.kind, s.subject_id, w.item_id, d.deployment_id, p.scope, p.version, p.desired_state,
        p.enforcement, k.reason
      from resolving_wanted w join resolving_subjects s using (no)
      join resolving_deployments d on d.tenant_id = s.tenant_id and d.precedence = (w.best >> 32)::int
      join deployments p on p.deployment_id = d.deployment_id
      left join resolving_reasons k on k.ref = (w.best & 4294967295)::int
    ), compared as materialized (
      -- Only what differs: the texts of the change are not made for hundreds of thousands of rows that are as they were.
      select w.*, coalesce(w.family_id, c.decided_in) as decided_in, c.tenant_id as tenant_before, c.family_id as family_before, c.subject_kind as kind_before,
        c.deployment_id as deployment_before, c.scope as scope_before, c.version as version_before,
        c.desired_state as desired_state_before, c.enforcement as enforcement_before, c.reason as reason_before,
        coalesce(w.subject_id, c.subject_id) as subject, coalesce(w.item_id, c.item_id) as item
      from wanted w full join current c on c.subject_id = w.subject_id and c.item_id = w.item_id
      where w.subject_id is null or c.subject_id is null or w.reason <> c.reason
        or (w.tenant_id, w.family_id, w.deployment_id, w.scope, w.version, w.desired_state, w.enforcement)
          <> (c.tenant_id, c.family_id, c.deployment_id, c.scope, c.version, c.desired_state, c.enforcement)
    ), named as (
      select x.*, case
          when x.tenant_before is null then 'assigned'
          when x.tenant_id is null then 'unassigned'
          when x.tenant_id <> x.tenant_before or x.family_id <> x.family_before then 'moved'
          when (x.deployment_id, x.scope, x.version, x.desired_state, x.enforcement) <> (x.deployment_before, x.scope_before,
            x.version_before, x.desired_state_before, x.enforcement_before) then 'changed'
          else 'reworded'
        end as change,
        case when x.tenant_before is not null then jsonb_build_object('deployment_id', x.deployment_before, 'scope', x.scope_before,
          'version', x.version_before, 'desired_state', x.desired_state_before, 'enforcement', x.enforcement_before) end as before,
        case when x.tenant_id is not null then jsonb_build_object('deployment_id', x.deployment_id, 'scope', x.scope,
          'version', x.version, 'desired_state', x.desired_state, 'enforcement', x.enforcement) end as after
      from compared x
      -- A computer of another family by now: that one decides.
      where x.tenant_id is not null or not exists (
        select from computers c join tenant_families f using (tenant_id)
        where c.computer_id = x.subject and x.kind_before = 'computer' and f.family_id <> x.decided_in)
    )
    insert into resolving_changes
    select coalesce(n.tenant_id, n.tenant_before), n.decided_in, coalesce(n.kind, n.kind_before),
      n.subject, n.item, n.change,
      case
        when n.change <> 'unassigned' then coalesce(n.reason, n.reason_before)
        when exists (select from persons p where p.person_id = n.subject and p.deleted_at is null and p.tenant_id is not null)
          or exists (select from computers c where c.computer_id = n.subject) then '{"by": "not_targeted"}'
        else '{"by": "gone"}'
      end,
      n.before, n.after, n.tenant_before, n.deployment_before, n.deployment_id,
      f.exempt or f.deliberate and not ${isDoubted} and not ${isHeldBefore}
        -- What stays with the deployment that was changed is changed by that alone.
        or ${isChosen} and (n.deployment_before is not distinct from n.deployment_id or not ${isDoubted})
    from named n join resolving_families f on f.family_id = n.decided_in`.execute(trx)
  await analyze(trx, 'resolving_changes')
}

/** A reworded row is none; counts of the others by what becomes of them. */
export interface Counts {
  assigned: number
  changed: number
  unassigned: number
  held: number
}

export async function countChanges(trx: Transaction<Database>): Promise<Counts> {
  const { rows } = await sql<Counts>`
    select count(*) filter (where change in ('assigned', 'moved') and not held) as assigned,
      count(*) filter (where change = 'changed' and not held) as changed,
      count(*) filter (where change in ('unassigned', 'moved') and not held) as unassigned,
      count(*) filter (where held) as held
    from resolving_changes where change <> 'reworded'`.execute(trx)
  return rows[0] ?? { assigned: 0, changed: 0, unassigned: 0, held: 0 }
}

import { sql, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { appendChanges } from '../../db/target-feed.ts'

/** Writes the changes that are not held into deployment_targets. */
export async function applyChanges(trx: Transaction<Database>, runId: string): Promise<void> {
  await sql`
    delete from deployment_targets t using resolving_changes c
    where c.change = 'unassigned' and not c.held and t.subject_id = c.subject_id and t.item_id = c.item_id`.execute(
    trx,
  )
  await sql`
    insert into deployment_targets as t (tenant_id, family_id, subject_kind, subject_id, item_id, deployment_id, scope, version,
      desired_state, enforcement, reason, run_id)
    select c.tenant_id, c.family_id, c.subject_kind, c.subject_id, c.item_id, (c.after ->> 'deployment_id')::uuid,
      c.after ->> 'scope', c.after ->> 'version', c.after ->> 'desired_state', c.after ->> 'enforcement', c.reason, ${runId}::uuid
    from resolving_changes c where c.change in ('assigned', 'changed', 'moved') and not c.held
    order by c.subject_id, c.item_id
    on conflict (subject_id, item_id) do update set tenant_id = excluded.tenant_id, family_id = excluded.family_id,
      deployment_id = excluded.deployment_id, scope = excluded.scope, version = excluded.version,
      desired_state = excluded.desired_state, enforcement = excluded.enforcement, reason = excluded.reason,
      since = excluded.since, run_id = excluded.run_id`.execute(trx)
  await sql`
    update deployment_targets t set reason = c.reason from resolving_changes c
    where c.change = 'reworded' and t.subject_id = c.subject_id and t.item_id = c.item_id`.execute(trx)
}

/**
 * Notes that the families are resolved as of the dirt that was taken, and tells the changes: the feed's rows are the
 * last that a transaction writes, under the feed's lock.
 */
export async function finish(
  trx: Transaction<Database>,
  run: { runId: string; trigger: string; changes: number },
): Promise<void> {
  const { runId, trigger } = run
  await sql`
    insert into target_families (family_id) select family_id from resolving_families order by family_id
    on conflict (family_id) do update set resolved_at = now(),
      whole_at = case when (select f.whole from resolving_families f where f.family_id = excluded.family_id)
        then now() else target_families.whole_at end`.execute(trx)
  await sql`
    with served as (
      select t.tenant_id, r.dirty_seq from tenants t join resolving_tenants r using (tenant_id)
      where t.targets_clean_seq < r.dirty_seq order by t.tenant_id for no key update of t
    )
    update tenants t set targets_clean_seq = s.dirty_seq from served s where s.tenant_id = t.tenant_id`.execute(
    trx,
  )
  if (run.changes === 0) return
  await sql`
    insert into target_runs (run_id, trigger, started_at, finished_at, families, assigned, changed, unassigned, held)
    select ${runId}::uuid, ${trigger}, now(), clock_timestamp(), (select count(*) from resolving_families),
      count(*) filter (where change in ('assigned', 'moved') and not held), count(*) filter (where change = 'changed' and not held),
      count(*) filter (where change in ('unassigned', 'moved') and not held), count(*) filter (where held)
    from resolving_changes where change <> 'reworded'`.execute(trx)
  await appendChanges(trx, { runId, from: told })
}

/** One row of the feed a change; a move is two, which stand together. */
const told = sql`
    select tenant_id, subject_kind, subject_id, item_id, change, reason, before, after, deliberate, 0 as ordinal
    from resolving_changes where change in ('assigned', 'changed', 'unassigned') and not held
    union all
    select tenant_before, subject_kind, subject_id, item_id, 'unassigned', '{"by": "moved"}', before, null, deliberate, 1
    from resolving_changes where change = 'moved' and not held
    union all
    select tenant_id, subject_kind, subject_id, item_id, 'assigned', '{"by": "moved"}', null, after, deliberate, 2
    from resolving_changes where change = 'moved' and not held`

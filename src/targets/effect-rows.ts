import { sql, type Transaction } from 'kysely'
import type { Database } from '../db/tables.ts'

/** What a computer gets, in the facts that a reader of the feed is told. */
const facts = sql`jsonb_build_object('deployment_id', t.deployment_id, 'scope', t.scope, 'version', t.version,
        'desired_state', t.desired_state, 'enforcement', t.enforcement)`

/**
 * What the computers that are concerned get, before the changes are applied: kept for the comparison. `offset 0` has it
 * worked out computer by computer; joined to the view, Postgres does it for all computers that there are, and has taken
 * minutes for nobody where it had no statistics yet.
 */
export async function noteComputers(trx: Transaction<Database>): Promise<void> {
  await sql`
    create temp table if not exists noted_computers (computer_id uuid primary key) on commit delete rows`.execute(
    trx,
  )
  await sql`
    create temp table if not exists noted_targets (computer_id uuid not null, item_id uuid not null, facts jsonb not null,
      reason jsonb not null, through text not null) on commit delete rows`.execute(trx)
  await sql`truncate noted_computers, noted_targets`.execute(trx)
  await sql`
    insert into noted_computers
    select c.subject_id from resolving_changes c
    where c.subject_kind = 'computer' and c.change <> 'reworded' and not c.held
    union
    select m.computer_id
    from (select distinct subject_id, family_id from resolving_changes
      where subject_kind = 'person' and change <> 'reworded' and not held) c
    join persons p on p.person_id = c.subject_id
    join computers m on lower(m.primary_user_principal_name) = lower(p.user_principal_name)
    join tenant_families f on f.tenant_id = m.tenant_id and f.family_id = c.family_id`.execute(trx)
  await sql`analyze noted_computers`.execute(trx)
  await sql`
    insert into noted_targets select n.computer_id, t.item_id, ${facts}, t.reason, t.through
    from noted_computers n cross join lateral (select * from computer_targets x where x.computer_id = n.computer_id offset 0) t`.execute(
    trx,
  )
}

/**
 * Makes `effect_rows`: each person whose own targets change and each computer that is treated otherwise (the difference
 * of computer_targets, which is that of its primary user, too), an item a row. What a held change would be is not in it.
 */
export async function openEffect(trx: Transaction<Database>): Promise<void> {
  await sql`
    create temp table if not exists effect_rows (tenant_id uuid not null, kind text not null, subject_id uuid not null,
      item_id uuid not null, what text not null, before jsonb, after jsonb, reason jsonb, through text not null)
      on commit delete rows`.execute(trx)
  await sql`truncate effect_rows`.execute(trx)
  await sql`
    insert into effect_rows
    select c.tenant_id, 'person', c.subject_id, c.item_id,
      case c.change when 'changed' then 'change' when 'unassigned' then 'lose' else 'gain' end,
      c.before, c.after, c.reason, 'person'
    from resolving_changes c where c.subject_kind = 'person' and c.change <> 'reworded' and not c.held`.execute(
    trx,
  )
  await sql`
    with now_there as materialized (
      select n.computer_id, t.item_id, ${facts} as facts, t.reason, t.through
      from noted_computers n cross join lateral (select * from computer_targets x where x.computer_id = n.computer_id offset 0) t
    )
    insert into effect_rows
    select m.tenant_id, 'computer', m.computer_id, coalesce(a.item_id, b.item_id),
      case when b.facts is null then 'gain' when a.facts is null then 'lose' else 'change' end,
      b.facts, a.facts, coalesce(a.reason, b.reason), coalesce(a.through, b.through)
    from now_there a full join noted_targets b using (computer_id, item_id)
    join computers m on m.computer_id = coalesce(a.computer_id, b.computer_id)
    where a.facts is distinct from b.facts`.execute(trx)
  await sql`analyze effect_rows`.execute(trx)
}

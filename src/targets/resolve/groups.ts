import { sql, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { analyze } from './tables.ts'

/** A longer way up is told by its two ends: a chain of thousands of groups must not become thousands of long paths. */
const longestPath = 64

/**
 * The groups that deployments name and all live groups below them, with the shortest way up: breadth first, a level a
 * statement, so that cycles, self-membership and diamonds cost nothing. Of equally short ways the one is told whose
 * groups, from the named one down, have the smallest ids: the same whatever part of the directory is looked at.
 */
export async function findGroups(trx: Transaction<Database>): Promise<void> {
  await findAbove(trx)
  await findRoots(trx)
  await sql`
    insert into resolving_closure
    select distinct r.family_id, r.root_id, r.root_id, 0, 0,
      jsonb_build_array(jsonb_build_object('id', g.object_id, 'name', g.display_name))
    from resolving_roots r join resolving_families f using (family_id)
    join groups g on g.entra_tenant_id = r.family_id and g.object_id = r.root_id
    where ${isLookedAt('r.root_id')}`.execute(trx)
  await analyze(trx, 'resolving_closure')
  for (let depth = 0; await descend(trx, depth); depth += 1);
  await analyze(trx, 'resolving_closure')
  await keepGone(trx)
}

/** Of families that are not looked through: the groups above the subjects, since no other way leads to these. */
async function findAbove(trx: Transaction<Database>): Promise<void> {
  await sql`
    with recursive above as (
      select o.family_id, m.group_id from resolving_objects o
      join resolving_families f on f.family_id = o.family_id and not f.whole
      join group_members m on m.entra_tenant_id = o.family_id and m.member_id = o.object_id
      where not exists (select from resolving_items i where i.family_id = o.family_id)
      union
      select a.family_id, m.group_id from above a
      join group_members m on m.entra_tenant_id = a.family_id and m.member_id = a.group_id
    )
    insert into resolving_above select * from above`.execute(trx)
  await analyze(trx, 'resolving_above')
}

const isLookedAt = (group: string) => sql`(
      f.whole or exists (select from resolving_items i where i.family_id = f.family_id)
      or exists (select from resolving_above a where a.family_id = f.family_id and a.group_id = ${sql.ref(group)}))`

/** As the view deployment_roots, of these families only: with the view the planner compares every group with every name. */
async function findRoots(trx: Transaction<Database>): Promise<void> {
  await sql`
    with had as materialized (
      select distinct family_id, deployment_id from resolving_deployments
    ), named as materialized (
      select h.family_id, t.* from resolving_terms t join had h using (deployment_id)
      where t.type in ('group', 'team', 'group_name')
    )
    insert into resolving_roots
    select n.family_id, n.deployment_id, n.term, n.excluded, g.object_id
    from named n join groups g on g.entra_tenant_id = n.family_id and g.object_id = n.group_id and g.deleted_at is null
    union all
    select n.family_id, n.deployment_id, n.term, n.excluded, g.object_id
    from named n join groups g on g.entra_tenant_id = n.family_id and lower(g.display_name) = n.group_name and g.deleted_at is null
    union all
    select n.family_id, n.deployment_id, n.term, n.excluded, g.object_id
    from named n join groups g on g.entra_tenant_id = n.family_id and lower(g.display_name) like n.group_pattern
      and g.deleted_at is null
    where n.group_pattern is not null`.execute(trx)
  await analyze(trx, 'resolving_roots')
}

/** Adds the groups one level below; answers whether there were any. */
async function descend(trx: Transaction<Database>, depth: number): Promise<boolean> {
  const path =
    depth + 1 < longestPath
      ? sql`x.own || x.path`
      : sql`x.own || jsonb_build_object('more', ${depth}::int) || (x.path -> -1)`
  const result = await sql`
    insert into resolving_closure
    select x.family_id, x.root_id, x.group_id, ${depth + 1}::int,
      row_number() over (partition by x.family_id, x.root_id order by x.place, x.group_id), ${path}
    from (
      select distinct on (c.family_id, c.root_id, m.member_id) c.family_id, c.root_id, m.member_id as group_id, c.place, c.path,
        jsonb_build_array(jsonb_build_object('id', g.object_id, 'name', g.display_name)) as own
      from resolving_closure c join resolving_families f using (family_id)
      join group_members m on m.entra_tenant_id = c.family_id and m.group_id = c.group_id and m.member_type = 'group'
      join groups g on g.entra_tenant_id = m.entra_tenant_id and g.object_id = m.member_id and g.deleted_at is null
      where c.depth = ${depth}::int and ${isLookedAt('g.object_id')}
        and not exists (select from resolving_closure k
          where k.family_id = c.family_id and k.root_id = c.root_id and k.group_id = m.member_id)
      order by c.family_id, c.root_id, m.member_id, c.place
    ) x`.execute(trx)
  return (result.numAffectedRows ?? 0n) > 0n
}

/**
 * A deployment whose group is gone keeps what it has and gives nothing new: a group deleted by mistake, or not readable
 * any more, must not take software from everybody in it. Gone is a group named by id that lives nowhere, and a name
 * that no group of this family has.
 */
async function keepGone(trx: Transaction<Database>): Promise<void> {
  await sql`
    update resolving_deployments d set kept = true
    from resolving_terms t
    where t.deployment_id = d.deployment_id
      and not exists (select from resolving_roots r
        where r.family_id = d.family_id and r.deployment_id = d.deployment_id and r.term = t.term)
      and case
        when t.type in ('group', 'team')
          then not exists (select from groups g where g.object_id = t.group_id and g.deleted_at is null)
        else t.type = 'group_name' and not t.excluded
      end`.execute(trx)
}

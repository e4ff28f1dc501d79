import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { analyze } from './tables.ts'

/** From this share of a family's persons on, a resolution of all of it is the quicker one. */
const wholeFromPercent = 20
const wholeFrom = 1000

/**
 * Takes the dirt of the families that are not frozen and says what is to be resolved of each: all, or some subjects and
 * some items. Whatever is committed after this statement leaves its own dirt for the next resolution.
 * `decided`: what this transaction has written is an operator's decision. An operator's act exempts from the guard what
 * follows from it, and nothing else that waits beside it, be it for seconds or since the family was frozen: dirt of other
 * transactions than the act's own makes its subjects doubted. Exempt are a family's first resolution, and what an operator
 * has purged.
 */
export async function takeDirt(
  trx: Transaction<Database>,
  familyIds: readonly string[],
  decided = false,
): Promise<void> {
  await sql`
    insert into resolving_families (family_id, exempt)
    select id, not exists (select from target_families f where f.family_id = id)
      or not exists (select from entra_tenants e where e.entra_tenant_id = id) and not exists (select from tenants t where t.tenant_id = id)
    from unnest(${familyIds}::uuid[]) as id left join target_family_status s on s.family_id = id
    where s.frozen is null`.execute(trx)
  await sql`
    insert into resolving_tenants
    select t.tenant_id, f.family_id, t.in_cross_tenant_deployments, t.targets_dirty_seq
    from resolving_families r join tenant_families f using (family_id) join tenants t using (tenant_id)`.execute(
    trx,
  )
  // Dirt of one transaction has one time. Of all of a family: an operator's act writes it as deliberate only.
  await sql`
    with taken as (
      delete from target_dirt d using resolving_families f where d.family_id = f.family_id returning d.*
    ), acts as (
      select family_id, at from taken where deliberate
      union
      select family_id, now() from resolving_families where ${decided}::boolean
    )
    insert into resolving_dirt
    select t.family_id, t.kind, t.id, t.item_id, bool_or(t.deliberate),
      bool_or(not t.deliberate and (t.kind = 'all' or a.at is null))
    from taken t left join acts a using (family_id, at) group by t.family_id, t.kind, t.id, t.item_id`.execute(
    trx,
  )
  await sql`
    update resolving_families f set whole = f.exempt or d.everything,
      deliberate = f.exempt or ((d.deliberate or ${decided}::boolean) and not d.doubted)
    from (
      select r.family_id, coalesce(bool_or(x.kind = 'all'), false) as everything,
        coalesce(bool_or(x.kind = 'all' and x.deliberate), false) as deliberate,
        coalesce(bool_or(x.kind = 'all' and x.doubted), false) as doubted
      from resolving_families r left join resolving_dirt x using (family_id) group by r.family_id
    ) d where d.family_id = f.family_id`.execute(trx)
  await analyze(trx, 'resolving_families', 'resolving_tenants', 'resolving_dirt')
  await findScope(trx)
  await findDoubts(trx, decided)
}

/** Subjects that the dirt names, by themselves, by a group above them or by a SKU, and items of changed deployments. */
async function findScope(trx: Transaction<Database>): Promise<void> {
  await sql`
    insert into resolving_items
    select distinct d.family_id, d.item_id from resolving_dirt d join resolving_families f using (family_id)
    where d.kind = 'deployment' and not f.whole`.execute(trx)
  await sql`
    insert into resolving_scope
    ${subjectsOf(sql`
      select d.* from resolving_dirt d join resolving_families f using (family_id) where not f.whole`)}
    on conflict do nothing`.execute(trx)
  await sql`
    update resolving_families f set whole = true
    from (select family_id, count(*) as dirty from resolving_scope group by family_id) s
    where s.family_id = f.family_id and s.dirty > ${wholeFrom}
      and s.dirty * 100 > ${wholeFromPercent} * (
        select count(*) from persons p where p.entra_tenant_id = f.family_id and p.deleted_at is null)`.execute(
    trx,
  )
  await analyze(trx, 'resolving_families', 'resolving_scope', 'resolving_items')
}

async function findDoubts(trx: Transaction<Database>, decided: boolean): Promise<void> {
  await sql`
    insert into resolving_doubts
    select subject_id from (${subjectsOf(sql`
      select d.* from resolving_dirt d join resolving_families f using (family_id)
      where d.doubted and not f.exempt
        and (${decided}::boolean or d.family_id in (select x.family_id from resolving_dirt x where x.deliberate))`)}) d
    on conflict do nothing`.execute(trx)
  await analyze(trx, 'resolving_doubts')
}

/** Subjects, with their family, that dirt names, by themselves, by a group above them or by a SKU. */
function subjectsOf(dirt: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`with recursive dirt as (${dirt}), objects as (
      select family_id, id as object_id from dirt where kind = 'object'
      union
      select o.family_id, m.member_id from objects o
      join group_members m on m.entra_tenant_id = o.family_id and m.group_id = o.object_id
    )
    -- A computer that has come from another family of this batch is dirty in both: the one that it is in now decides.
    select d.id as subject_id, d.family_id from dirt d where d.kind = 'subject' and not exists (
      select from computers c join resolving_tenants t using (tenant_id)
      where c.computer_id = d.id and t.family_id <> d.family_id)
    union
    select p.person_id, o.family_id from objects o
    join persons p on p.entra_tenant_id = o.family_id and p.object_id = o.object_id
    union
    select c.computer_id, o.family_id from objects o
    join devices v on v.entra_tenant_id = o.family_id and v.object_id = o.object_id
    join computers c on c.entra_device_id = v.device_id
    join tenant_families f on f.tenant_id = c.tenant_id and f.family_id = o.family_id
    union
    select p.person_id, d.family_id from dirt d
    join person_licenses l on l.entra_tenant_id = d.family_id and l.sku_id = d.id
    join persons p on p.entra_tenant_id = d.family_id and p.object_id = l.object_id
    where d.kind = 'sku'`
}

/** Looks at some subjects of one family only, without taking any dirt: for whoever explains, and writes nothing. */
export async function lookAt(
  trx: Transaction<Database>,
  familyId: string,
  subjectIds: readonly string[],
): Promise<void> {
  await sql`insert into resolving_families (family_id, exempt) values (${familyId}, false)`.execute(trx)
  await sql`
    insert into resolving_tenants
    select t.tenant_id, f.family_id, t.in_cross_tenant_deployments, t.targets_dirty_seq
    from tenant_families f join tenants t using (tenant_id) where f.family_id = ${familyId}`.execute(trx)
  await sql`insert into resolving_scope select id, ${familyId}::uuid from unnest(${subjectIds}::uuid[]) as id`.execute(
    trx,
  )
  await analyze(trx, 'resolving_families', 'resolving_tenants', 'resolving_scope')
}

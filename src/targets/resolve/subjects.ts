import { sql, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { analyze } from './tables.ts'

/** Which families are looked through, and which only at the subjects that the scope names. */
const looked = sql`looked as (
      select f.family_id, f.whole, f.whole or exists (select from resolving_items i where i.family_id = f.family_id) as through
      from resolving_families f
    )`

/**
 * The live persons and computers that the scope takes in. A guest is one by userType or by #EXT# in the UPN, since
 * userType is null for accounts older than the property (design rule 8.10); an unknown accountEnabled counts as enabled.
 */
export async function findSubjects(trx: Transaction<Database>): Promise<void> {
  await sql`
    with ${looked}, found as (
      select p.person_id, k.whole or s.subject_id is not null as whole
      from looked k join persons p on p.entra_tenant_id = k.family_id
      left join resolving_scope s on s.subject_id = p.person_id
      where k.through
      union all
      select s.subject_id, true from resolving_scope s join looked k using (family_id) where not k.through
    ), numbered as materialized (
      select row_number() over () as no, f.whole, p.person_id, p.entra_tenant_id, p.tenant_id, p.object_id, p.department,
        p.user_principal_name, p.account_enabled, p.user_type, p.tags
      from found f join persons p using (person_id)
      where p.deleted_at is null and p.tenant_id is not null
    ), objects as (
      insert into resolving_objects
      select no, entra_tenant_id, object_id from numbered where object_id is not null
    )
    insert into resolving_subjects
    select no, 'person', person_id, entra_tenant_id, tenant_id, whole, coalesce(account_enabled, true),
      coalesce(lower(user_type) = 'guest', false) or coalesce(position('#EXT#' in upper(user_principal_name)) > 0, false),
      lower(department), lower(split_part(user_principal_name, '@', 2)),
      case when tags = '{}' then '{}' else array(select lower(tag) from unnest(tags) as tag) end
    from numbered`.execute(trx)
  await sql`
    with ${looked}, found as (
      select c.computer_id, k.family_id, k.whole or s.subject_id is not null as whole
      from looked k join resolving_tenants t using (family_id) join computers c using (tenant_id)
      left join resolving_scope s on s.subject_id = c.computer_id
      where k.through
      union all
      select s.subject_id, s.family_id, true from resolving_scope s join looked k using (family_id) where not k.through
    ), numbered as materialized (
      select -row_number() over () as no, f.whole, f.family_id, c.computer_id, c.tenant_id, c.entra_device_id
      from found f join computers c using (computer_id)
      join resolving_tenants t on t.tenant_id = c.tenant_id and t.family_id = f.family_id
    ), with_device as materialized (
      select n.no, n.family_id, v.object_id, v.account_enabled
      from numbered n join devices v on v.entra_tenant_id = n.family_id and v.device_id = n.entra_device_id
    ), objects as (
      insert into resolving_objects select no, family_id, object_id from with_device
    )
    insert into resolving_subjects
    select no, 'computer', computer_id, family_id, tenant_id, whole,
      coalesce((select bool_or(coalesce(v.account_enabled, true)) from with_device v where v.no = n.no), true),
      false, null, null, '{}'
    from numbered n`.execute(trx)
  await analyze(trx, 'resolving_subjects', 'resolving_objects')
}

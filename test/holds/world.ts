import { sql, type Kysely } from 'kysely'
import type { Database } from '../../src/db/tables.ts'
import { createLog } from '../../src/log.ts'
import type { TargetContext } from '../../src/targets/context.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'

export const contoso = '11111111-0000-4000-8000-000000000001'
const engineering = '22222222-0000-4000-8000-000000000001'

export function holdContext(db: Kysely<Database>): TargetContext {
  const log = createLog({ level: 'silent', pretty: false })
  return { db, guard: { holdMin: 5, holdPercent: 10, holdMax: 500 }, licenseGraceMs: 1, log }
}

/** Contoso, 60 persons called `name`N; AutoCAD is for Engineering, which all of them were in, and nobody is now: held. */
export async function drainedGroup(db: Kysely<Database>, name = 'user'): Promise<void> {
  await sql`insert into entra_tenants (entra_tenant_id, display_name, default_domain, last_synced_at)
    values (${contoso}, 'Contoso', 'contoso.com', now())`.execute(db)
  await sql`with t as (insert into tenants (name, slug) values ('Contoso Ltd', 'contoso') returning tenant_id)
    insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${contoso} from t`.execute(db)
  await sql`insert into groups (entra_tenant_id, object_id, kind, display_name)
    values (${contoso}, ${engineering}, 'security', 'Engineering')`.execute(db)
  await sql`with p as (
      insert into persons (entra_tenant_id, object_id, user_principal_name, tenant_id)
      select ${contoso}, gen_random_uuid(), ${name} || lpad(n::text, 2, '0') || '@contoso.com', l.tenant_id
      from generate_series(1, 60) n, tenant_links l returning object_id)
    insert into group_members select ${contoso}, ${engineering}, object_id, 'user' from p`.execute(db)
  await sql`with i as (insert into maintenance_items (name) values ('AutoCAD') returning item_id)
    insert into deployments (name, item_id, scope, target_type, target)
    select 'CAD for engineers', item_id, 'cross_tenant', 'group_name', '{"name": "Engineering"}' from i`.execute(
    db,
  )
  await resolveTargets(holdContext(db), { trigger: 'test' })
  await sql`delete from group_members`.execute(db)
  await resolveTargets(holdContext(db), { trigger: 'test' })
}

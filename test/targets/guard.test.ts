import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { createLog } from '../../src/log.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'

const entra = '00000001-0000-4000-8000-000000000001'
const tenant = '00000002-0000-4000-8000-000000000001'
const engineering = '00000004-0000-4000-8000-000000000001'
const platform = '00000004-0000-4000-8000-000000000002'
const autocad = '00000007-0000-4000-8000-000000000001'
const log = createLog({ level: 'silent', pretty: false })
const guard = { holdMin: 5, holdPercent: 10, holdMax: 500 }

let database: TestDatabase
let db: Kysely<Database>

/** 600 persons; Engineering has 30 of them, and 30 more through Platform; AutoCAD is for Engineering, Mail for all. */
beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  for (const statement of [
    sql`insert into tenants (tenant_id, name, slug) values (${tenant}, 'Contoso', 'contoso')`,
    sql`insert into entra_tenants (entra_tenant_id, display_name, last_synced_at) values (${entra}, 'Contoso', now())`,
    sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${tenant}, ${entra})`,
    sql`insert into persons (entra_tenant_id, object_id, tenant_id, user_principal_name, job_title)
      select ${entra}::uuid, gen_random_uuid(), ${tenant}::uuid, 'p' || n || '@a.example', n::text from generate_series(1, 600) n`,
    sql`insert into computers (tenant_id, name, primary_user_principal_name) select ${tenant}::uuid, 'PC-' || n, 'p' || n || '@a.example' from generate_series(1, 60) n`,
    sql`insert into groups (entra_tenant_id, object_id, display_name, kind) values (${entra}, ${engineering}, 'Engineering', 'security'), (${entra}, ${platform}, 'Platform', 'security')`,
    sql`insert into group_members values (${entra}, ${engineering}, ${platform}, 'group')`,
    sql`insert into group_members select ${entra}::uuid, case when job_title::int <= 30 then ${engineering}::uuid else ${platform}::uuid end, object_id, 'user'
      from persons where job_title::int <= 60`,
    sql`insert into maintenance_items (item_id, name) values (${autocad}, 'AutoCAD')`,
    sql`insert into maintenance_items (name) select 'Mail ' || n from generate_series(1, 3) n`,
    sql`insert into deployments (name, item_id, version, scope, target_type, target) values ('AutoCAD', ${autocad}, '2022', 'cross_tenant', 'group_name', '{"name": "Engineering"}')`,
    sql`insert into deployments (name, item_id, scope, target_type) select name, item_id, 'cross_tenant', 'everyone' from maintenance_items where name like 'Mail%'`,
  ])
    await statement.execute(db)
  expect(await resolve()).toMatchObject({ assigned: 1860, held: 0 })
})
afterEach(() => database.drop())

async function resolve() {
  const { assigned, changed, unassigned, held, failed } = await resolveTargets(
    { db, guard, licenseGraceMs: 1, log },
    { trigger: 'test' },
  )
  expect(failed).toEqual([])
  return { assigned, changed, unassigned, held }
}

async function count(table: 'deployment_targets' | 'target_changes' | 'computer_targets'): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*) as n from ${sql.table(table)}`.execute(db)
  return rows[0]?.n ?? 0
}

const leave = (group: string, from: number, to: number) =>
  sql`delete from group_members m using persons p where m.group_id = ${group} and p.object_id = m.member_id
    and p.job_title::int between ${from} and ${to}`.execute(db)

const join = (group: string, from: number, to: number) =>
  sql`insert into group_members select ${entra}::uuid, ${group}::uuid, object_id, 'user' from persons
    where job_title::int between ${from} and ${to} on conflict do nothing`.execute(db)

async function openHolds() {
  const { rows } = await sql`
    select h.direction, h.reason, h.size, h.of_total, d.name as deployment from holds h left join deployments d using (deployment_id)
    where h.status = 'open' order by h.direction, d.name`.execute(db)
  return rows
}

test('draining a group below the named one is held, and nothing downstream changes', async () => {
  const before = [
    await count('deployment_targets'),
    await count('target_changes'),
    await count('computer_targets'),
  ]
  await leave(platform, 31, 60)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 0, held: 30 })
  expect(await openHolds()).toEqual([
    { direction: 'unassign', reason: 'over_percent', size: 30, of_total: 60, deployment: 'AutoCAD' },
  ])
  expect([
    await count('deployment_targets'),
    await count('target_changes'),
    await count('computer_targets'),
  ]).toEqual(before)
  // Looked at again, whole or not, it is the same hold and no new one.
  await sql`insert into target_dirt (family_id, kind) values (${entra}, 'all')`.execute(db)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 0, held: 30 })
  expect(await openHolds()).toHaveLength(1)
})

test('what comes back leaves its hold by itself', async () => {
  await leave(platform, 31, 60)
  await resolve()
  await join(platform, 31, 40)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 0, held: 0 })
  expect(await openHolds()).toMatchObject([{ size: 20 }])
  await join(platform, 41, 60)
  await resolve()
  expect(await openHolds()).toEqual([])
  const { rows } = await sql`select status, closed_at is not null as closed from holds`.execute(db)
  expect(rows).toEqual([{ status: 'withdrawn', closed: true }])
})

test('an approved hold is applied, once; a rejected one stays as it is and is not held again', async () => {
  await leave(platform, 31, 60)
  await resolve()
  await sql`update holds set status = 'rejected', closed_at = now()`.execute(db)
  await sql`insert into target_dirt (family_id, kind) values (${entra}, 'all')`.execute(db)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 0, held: 30 })
  expect(await openHolds()).toEqual([])
  await sql`update holds set status = 'approved'`.execute(db)
  await sql`insert into target_dirt (family_id, kind) values (${entra}, 'all')`.execute(db)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 30, held: 0 })
})

test('what was rejected and was wanted again since is judged anew when it leaves again', async () => {
  await leave(platform, 31, 60)
  await resolve()
  await sql`update holds set status = 'rejected', closed_at = now(), closed_by = 'anna'`.execute(db)
  await join(platform, 31, 60)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 0, held: 0 })
  expect(await db.selectFrom('holds').select(['status', 'size', 'closed_by']).execute()).toEqual([
    { status: 'rejected', size: 0, closed_by: 'anna' },
  ])
  await leave(platform, 31, 33)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 3, held: 0 })
  await leave(platform, 34, 60)
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 27 })
  expect(await openHolds()).toMatchObject([{ size: 27 }])
})

test('targets that are held are wanted no more when an excluded group is gone, since nobody new gets the deployment then', async () => {
  const contractors = '00000004-0000-4000-8000-000000000003'
  await sql`insert into groups (entra_tenant_id, object_id, display_name, kind) values (${entra}, ${contractors}, 'Contractors', 'security')`.execute(
    db,
  )
  await sql`update deployments set excludes = jsonb_build_array(jsonb_build_object('type', 'group', 'group_id', ${contractors}::text)) where name = 'AutoCAD'`.execute(
    db,
  )
  await resolve()
  await join(engineering, 101, 200)
  expect(await resolve()).toMatchObject({ assigned: 0, held: 100 })
  await sql`update groups set deleted_at = now() where object_id = ${contractors}`.execute(db)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 0, held: 0 })
  expect(await openHolds()).toEqual([])
  await sql`update groups set deleted_at = null where object_id = ${contractors}`.execute(db)
  expect(await resolve()).toMatchObject({ assigned: 0, unassigned: 0, held: 100 })
})

test('a few who leave are believed; a drip over the day is not', async () => {
  await leave(engineering, 1, 3)
  expect(await resolve()).toMatchObject({ unassigned: 3, held: 0 })
  await leave(engineering, 4, 5)
  expect(await resolve()).toMatchObject({ unassigned: 2, held: 0 })
  // Three and two and three are eight of sixty.
  await leave(engineering, 6, 8)
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 3 })
})

test('a drip of the day before is forgotten', async () => {
  await leave(engineering, 1, 5)
  await resolve()
  await sql`update target_changes set at = at - interval '25 hours'`.execute(db)
  await leave(engineering, 6, 10)
  expect(await resolve()).toMatchObject({ unassigned: 5, held: 0 })
})

test('putting it on everybody is held as well', async () => {
  await join(engineering, 100, 600)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 0, held: 501 })
  expect(await openHolds()).toMatchObject([{ direction: 'assign', of_total: 600 }])
})

test('disabled accounts by the hundred empty no target unseen', async () => {
  await sql`update persons set account_enabled = false where job_title::int <= 300`.execute(db)
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 960 })
})

test('what one deployment is held for does not keep back the others', async () => {
  await leave(platform, 31, 60)
  await sql`update persons set account_enabled = false where job_title = '500'`.execute(db)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 3, held: 30 })
})

test('an operator’s change of a deployment is applied, however much it takes', async () => {
  await sql`delete from deployments where name = 'Mail 1'`.execute(db)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 600, held: 0 })
})

test('a state that turns from installed to uninstalled by data counts as taken', async () => {
  await sql`insert into deployments (name, item_id, scope, target_type, target, desired_state) values ('Away', ${autocad}, 'cross_tenant', 'tag', '{"tag": "away"}', 'uninstalled')`.execute(
    db,
  )
  await resolve()
  await sql`update persons set tags = '{away}' where job_title::int <= 40`.execute(db)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 0, held: 40 })
})

test('a group that is gone keeps its targets, and gives none', async () => {
  await sql`update groups set deleted_at = now() where object_id = ${engineering}`.execute(db)
  expect(await resolve()).toEqual({ assigned: 0, changed: 0, unassigned: 0, held: 0 })
  expect(await openHolds()).toEqual([])
  const { rows } = await sql`select code from deployment_warnings`.execute(db)
  expect(rows).toEqual([{ code: 'group_gone' }])
})

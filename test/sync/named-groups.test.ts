import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { judgeNamedGroup } from '../../src/sync/guard.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { log } from '../jobs/support.ts'
import {
  group,
  guid,
  member,
  numbers,
  removed,
  Script,
  scriptedContext,
  sku,
  syncOnce,
  user,
} from './scripted.ts'

const tenant = guid(1, 99)
const engineering = guid(1, 2)
const everyone = guid(2, 2)
let database: TestDatabase
let db: Kysely<Database>
let script: Script

/** 60 engineers among 5,000 memberships: what is much for the group is little for the Entra tenant. */
beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  await db.insertInto('entra_tenants').values({ entra_tenant_id: tenant, display_name: 'Contoso' }).execute()
  script = new Script(tenant)
  script.round('skus', [sku(1)]).round(
    'users',
    numbers(1000).map((n) => user(n)),
  )
  script.round('groups', [
    group(
      1,
      numbers(60).map((n) => member(n)),
    ),
    ...numbers(5, 2).map((n) =>
      group(
        n,
        numbers(988).map((user) => member(user)),
      ),
    ),
  ])
  await sync()
})
afterEach(() => database.drop())

const resolve = () =>
  resolveTargets(
    { db, guard: scriptedContext(db, script).guard, licenseGraceMs: 0, log },
    { trigger: 'test' },
  )
const sync = () => syncOnce(scriptedContext(db, script), tenant)
/** A group that these members have left. */
const left = (of: number, members: number[]) =>
  group(
    of,
    members.map((n) => member(n, true)),
  )
const leave = (of: number, ...members: number[]) => script.round('groups', [left(of, members)])
const holds = () =>
  db.selectFrom('holds').selectAll().where('status', '=', 'open').orderBy('created_at').execute()
const members = async (groupId: string) =>
  (
    await sql<{
      n: number
    }>`select count(*)::int as n from group_members where group_id = ${groupId}`.execute(db)
  ).rows[0]?.n

async function deploy(fields: { name?: string; groupId?: string; enabled?: boolean }): Promise<void> {
  const item = await sql<{ item_id: string }>`
    insert into maintenance_items (name) values ('AutoCAD') returning item_id`.execute(db)
  const made = await sql<{ tenant_id: string }>`
    insert into tenants (name, slug) values ('Contoso', 'contoso') returning tenant_id`.execute(db)
  const byName = fields.name !== undefined
  await sql`
    insert into deployments (name, item_id, scope, tenant_id, target_type, target, enabled)
    values ('AutoCAD', ${item.rows[0]?.item_id}, ${byName ? 'cross_tenant' : 'single_tenant'},
      ${byName ? null : made.rows[0]?.tenant_id}, ${byName ? 'group_name' : 'group'},
      ${JSON.stringify(byName ? { name: fields.name } : { group_id: fields.groupId })}::jsonb, ${fields.enabled ?? true})`.execute(
    db,
  )
}

test('a drained group that a deployment names is held, and the rest of the round applies', async () => {
  await deploy({ groupId: engineering })
  await sql`insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${tenant} from tenants`.execute(
    db,
  )
  await sql`select assign_tenants(${tenant})`.execute(db)
  expect(await resolve()).toMatchObject({ assigned: 60 })
  script.round('groups', [left(1, numbers(60)), left(2, [7, 8])])
  const run = await sync()
  expect(run).toMatchObject({ outcome: 'held', summary: { groups: { held: 60, unlinked: 2 } } })
  expect(run.summary['groups']?.notice).toContain(
    '60 membership removals held: empties_named_group (Group 1)',
  )
  expect(await members(engineering)).toBe(60)
  expect(await members(everyone)).toBe(986)
  expect(await holds()).toMatchObject([
    { kind: 'membership', reason: 'empties_named_group', size: 60, of_total: 60, group_id: engineering },
  ])
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 0 })
})

test('three leavers of sixty are applied; a drip of three a cycle is held when a day makes it too much', async () => {
  await deploy({ groupId: engineering })
  leave(1, 1, 2, 3)
  expect(await sync()).toMatchObject({ outcome: 'succeeded' })
  expect(await members(engineering)).toBe(57)
  leave(1, 4, 5, 6)
  expect(await sync()).toMatchObject({ outcome: 'succeeded' })
  leave(1, 7, 8, 9)
  expect(await sync()).toMatchObject({ outcome: 'held' })
  expect(await members(engineering)).toBe(54)
  expect(await holds()).toMatchObject([
    { kind: 'membership', reason: 'named_group_over_percent', size: 3, of_total: 54, group_id: engineering },
  ])
  await sql`update applied_removals set at = at - interval '25 hours'`.execute(db)
  leave(1, 10, 11, 12)
  expect(await sync()).toMatchObject({ outcome: 'succeeded' })
  expect(await members(engineering)).toBe(51)
})

test('a group that is gone from the directory is held as a whole, and comes back by itself', async () => {
  await deploy({ groupId: engineering })
  script.round('groups', [removed(engineering)])
  expect(await sync()).toMatchObject({ outcome: 'held' })
  expect(await holds()).toMatchObject([
    { kind: 'group', reason: 'empties_named_group', size: 1, of_total: 60, group_id: engineering },
  ])
  const live = () =>
    sql`select 1 from groups where object_id = ${engineering} and deleted_at is null`.execute(db)
  expect((await live()).rows).toHaveLength(1)
  script.round('groups', [group(1, [])])
  await sync()
  expect(await holds()).toEqual([])
})

test('what leaves is put back into the group: it leaves the hold', async () => {
  await deploy({ groupId: engineering })
  leave(1, ...numbers(60))
  await sync()
  script.round('groups', [
    group(
      1,
      numbers(60).map((n) => member(n)),
    ),
  ])
  expect(await sync()).toMatchObject({ outcome: 'succeeded' })
  expect(await holds()).toEqual([])
})

test.each([
  ['no deployment names it', async () => {}],
  ['the deployment is switched off', () => deploy({ groupId: engineering, enabled: false })],
])('a group is drained as before when %s', async (_, arrange) => {
  await arrange()
  leave(1, ...numbers(60))
  expect(await sync()).toMatchObject({ outcome: 'succeeded' })
  expect(await members(engineering)).toBe(0)
})

test('a group that is named by its name, or as an exclude, is one that a deployment names', async () => {
  await deploy({ name: 'group 1' })
  leave(1, ...numbers(30))
  expect(await sync()).toMatchObject({ outcome: 'held' })
  await sql`update deployments set target_type = 'everyone', target = '{}',
    excludes = ${JSON.stringify([{ type: 'group_name', name: 'group 2' }])}::jsonb`.execute(db)
  leave(2, ...numbers(120))
  expect(await sync()).toMatchObject({ outcome: 'held' })
  expect(await holds()).toMatchObject([
    { group_id: engineering, size: 30, of_total: 60 },
    { group_id: everyone, size: 120, of_total: 988 },
  ])
})

test('a full round that shows the group without its members holds them too', async () => {
  await deploy({ groupId: engineering })
  const people = numbers(988).map((n) => member(n))
  script.round(
    'users',
    numbers(1000).map((n) => user(n)),
  )
  script.round('groups', [group(1, []), ...numbers(5, 2).map((n) => group(n, people))])
  expect(await syncOnce(scriptedContext(db, script), tenant, { mode: 'full' })).toMatchObject({
    outcome: 'held',
    summary: { groups: { held: 60, removed: 0, unlinked: 0 } },
  })
  expect(await members(engineering)).toBe(60)
  expect(await holds()).toMatchObject([{ group_id: engineering, size: 60 }])
})

test.each([
  [{ count: 6, total: 6, recent: 0 }, 'empties_named_group'],
  [{ count: 5, total: 5, recent: 0 }, null],
  [{ count: 3, total: 3, recent: 3 }, 'empties_named_group'],
  [{ count: 6, total: 60, recent: 0 }, null],
  [{ count: 7, total: 60, recent: 0 }, 'named_group_over_percent'],
  [{ count: 1, total: 54, recent: 6 }, 'named_group_over_percent'],
  [{ count: 5001, total: 100_000, recent: 0 }, 'named_group_over_max'],
  [{ count: 5000, total: 100_000, recent: 0 }, null],
  [{ count: 0, total: 0, recent: 9 }, null],
])('%o of a named group: %s', (set, reason) => {
  expect(judgeNamedGroup(set, { holdMin: 5, holdPercent: 10, holdMax: 500 })).toBe(reason)
})

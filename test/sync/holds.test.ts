import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { holdHash } from '../../src/db/holds.ts'
import type { Database } from '../../src/db/tables.ts'
import { approveHold as approve, rejectHold } from '../../src/holds/decide.ts'
import { createLog } from '../../src/log.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
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
let database: TestDatabase
let db: Kysely<Database>
let script: Script

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  await db.insertInto('entra_tenants').values({ entra_tenant_id: tenant }).execute()
  script = new Script(tenant)
  script.round(
    'users',
    numbers(50).map((n) => user(n)),
  )
  script
    .round('groups', [
      group(
        1,
        numbers(40).map((n) => member(n)),
      ),
    ])
    .round('skus', [sku(1)])
  await syncOnce(scriptedContext(db, script), tenant)
})
afterEach(() => database.drop())

const log = createLog({ level: 'silent', pretty: false })
const approveHold = (decision: { holdId: string; hash: string; by: string }) =>
  approve({ db, guard: { holdMin: 5, holdPercent: 10, holdMax: 500 }, licenseGraceMs: 1, log }, decision)

const livePersons = async () =>
  (await sql<{ n: number }>`select count(*) as n from persons where deleted_at is null`.execute(db)).rows[0]
    ?.n
const holds = () => db.selectFrom('holds').selectAll().orderBy('created_at').execute()
const sync = () => syncOnce(scriptedContext(db, script), tenant)
const remove = (...which: number[]) =>
  script.round(
    'users',
    which.map((n) => removed(guid(n, 1))),
  )

const edges = async () =>
  (
    await sql<{
      n: number
    }>`select count(*) as n from group_members where member_id = ${guid(3, 1)}`.execute(db)
  ).rows[0]?.n

async function heldSix() {
  remove(...numbers(6))
  expect(await sync()).toMatchObject({ outcome: 'held', summary: { users: { removed: 0, held: 6 } } })
  const [hold] = await holds()
  if (hold === undefined) throw new Error('nothing held')
  return hold
}

test('six of fifty are held; the cursor moves on, and the next round does not hold them again', async () => {
  const hold = await heldSix()
  expect(hold).toMatchObject({
    kind: 'person',
    reason: 'over_percent',
    size: 6,
    of_total: 50,
    status: 'open',
  })
  expect(await livePersons()).toBe(50)
  remove(...numbers(6))
  expect(await sync()).toMatchObject({
    outcome: 'succeeded',
    summary: { users: { verdict: 'complete', held: 0 } },
  })
  expect(await holds()).toHaveLength(1)
})

test('approval removes exactly the set that was shown, once, and is on record', async () => {
  const hold = await heldSix()
  const shown = await holdHash(db, hold.hold_id)
  script.round('users', [user(1)])
  await sync()
  await expect(approveHold({ holdId: hold.hold_id, hash: shown, by: 'anna' })).rejects.toMatchObject({
    code: 'hold_changed',
  })
  expect(await livePersons()).toBe(50)
  const hash = await holdHash(db, hold.hold_id)
  expect(await approveHold({ holdId: hold.hold_id, hash, by: 'anna' })).toMatchObject({ applied: 5 })
  expect(await livePersons()).toBe(45)
  await expect(approveHold({ holdId: hold.hold_id, hash, by: 'anna' })).rejects.toMatchObject({
    code: 'hold_closed',
  })
  expect(await db.selectFrom('audit_log').select(['actor', 'action']).execute()).toEqual([
    { actor: 'anna', action: 'hold_approved' },
  ])
})

test('rejected items are neither removed nor held again, until they reappear or 30 days have passed', async () => {
  const hold = await heldSix()
  await rejectHold(db, { holdId: hold.hold_id, by: 'anna', reason: 'still here' })
  remove(1, 2)
  expect(await sync()).toMatchObject({ outcome: 'succeeded', summary: { users: { removed: 0, held: 0 } } })
  script.round('users', [user(1)])
  await sync()
  remove(1, 2)
  expect(await sync()).toMatchObject({ summary: { users: { removed: 1 } } })
  await sql`update holds set closed_at = now() - interval '31 days'`.execute(db)
  remove(2)
  expect(await sync()).toMatchObject({ summary: { users: { removed: 1 } } })
})

test('a slow drip over a day is one set', async () => {
  remove(1, 2, 3)
  expect(await sync()).toMatchObject({ summary: { users: { removed: 3 } } })
  remove(4, 5)
  expect(await sync()).toMatchObject({ summary: { users: { removed: 2 } } })
  remove(6)
  expect(await sync()).toMatchObject({ outcome: 'held', summary: { users: { removed: 0, held: 1 } } })
  await sql`update applied_removals set at = at - interval '25 hours'`.execute(db)
  remove(7)
  expect(await sync()).toMatchObject({ outcome: 'succeeded', summary: { users: { removed: 1 } } })
})

test('emptying a group that is all memberships there are is held, an edge less is not', async () => {
  script.round('groups', [
    group(
      1,
      numbers(40).map((n) => member(n, true)),
    ),
  ])
  expect(await sync()).toMatchObject({ outcome: 'held', summary: { groups: { unlinked: 0, held: 40 } } })
  script.round('groups', [group(1, [member(1)])])
  await sync()
  expect(await holds()).toMatchObject([
    { kind: 'membership', reason: 'empties_collection', size: 39, status: 'open' },
  ])
})

test('when too many tenants are held within an hour, every removal freezes', async () => {
  for (const other of numbers(4, 2)) {
    await db
      .insertInto('entra_tenants')
      .values({ entra_tenant_id: guid(other, 99) })
      .execute()
    await db
      .insertInto('holds')
      .values({
        entra_tenant_id: guid(other, 99),
        kind: 'person',
        reason: 'over_percent',
        size: 9,
        of_total: 10,
      })
      .execute()
  }
  remove(1)
  expect(await sync()).toMatchObject({ outcome: 'held' })
  expect((await holds()).at(-1)).toMatchObject({ entra_tenant_id: tenant, reason: 'fleet_frozen', size: 1 })
})

test('a purged user takes its edges along; a soft-deleted one keeps them until then', async () => {
  remove(3)
  await sync()
  expect(await edges()).toBe(1)
  script.round('users', [removed(guid(3, 1), 'deleted')])
  expect(await sync()).toMatchObject({ outcome: 'succeeded', summary: { users: { removed: 0, held: 0 } } })
  expect(await edges()).toBe(0)
})

test('what an operator has approved does not count against what comes after it', async () => {
  const hold = await heldSix()
  await approveHold({ holdId: hold.hold_id, hash: await holdHash(db, hold.hold_id), by: 'anna' })
  remove(7)
  expect(await sync()).toMatchObject({ outcome: 'succeeded', summary: { users: { removed: 1, held: 0 } } })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { holdHash } from '../../src/db/holds.ts'
import type { Database } from '../../src/db/tables.ts'
import { approveHold, previewHold, rejectHold } from '../../src/holds/decide.ts'
import { freezeFleet, unfreezeFleet } from '../../src/holds/freeze.ts'
import { setHoldLimits } from '../../src/holds/limits.ts'
import { listHolds } from '../../src/holds/list.ts'
import { readHoldSamples } from '../../src/holds/samples.ts'
import { createLog } from '../../src/log.ts'
import type { TargetContext } from '../../src/targets/context.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
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
} from '../sync/scripted.ts'

const entra = guid(1, 99)
const tenant = guid(1, 98)
const office = guid(1, 97)
const autocad = guid(2, 97)
const log = createLog({ level: 'silent', pretty: false })
let database: TestDatabase
let db: Kysely<Database>
let script: Script
let context: TargetContext

/** 50 persons, 40 of them in the group that AutoCAD is for; Office is for everybody. */
beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  context = { db, guard: { holdMin: 5, holdPercent: 10, holdMax: 500 }, licenseGraceMs: 1, log }
  await sql`insert into tenants (tenant_id, name, slug) values (${tenant}, 'Contoso', 'contoso')`.execute(db)
  await sql`insert into entra_tenants (entra_tenant_id, display_name) values (${entra}, 'Contoso')`.execute(
    db,
  )
  await sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${tenant}, ${entra})`.execute(db)
  await sql`insert into maintenance_items (item_id, name) values (${office}, 'Office'), (${autocad}, 'AutoCAD')`.execute(
    db,
  )
  await sql`insert into deployments (name, item_id, scope, target_type) values ('Office', ${office}, 'cross_tenant', 'everyone')`.execute(
    db,
  )
  await sql`insert into deployments (name, item_id, scope, target_type, target)
    values ('AutoCAD', ${autocad}, 'cross_tenant', 'group_name', '{"name": "Group 1"}')`.execute(db)
  script = new Script(entra)
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
  await sync()
  await resolve()
  expect(await targets()).toBe(90)
})
afterEach(() => database.drop())

const sync = () => syncOnce(scriptedContext(db, script), entra)
async function resolve() {
  const { assigned, changed, unassigned, held, failed } = await resolveTargets(context, { trigger: 'test' })
  expect(failed).toEqual([])
  return { assigned, changed, unassigned, held }
}
async function targets() {
  const { rows } = await sql<{ n: number }>`select count(*) as n from deployment_targets`.execute(db)
  return rows[0]?.n
}
const unassignedInFeed = () =>
  db.selectFrom('target_changes').select(['subject_id']).where('change', '=', 'unassigned').execute()

async function onlyHold() {
  const open = await listHolds(db)
  expect(open).toHaveLength(1)
  const [hold] = open
  if (hold === undefined) throw new Error('nothing is held')
  return { ...hold, hash: await holdHash(db, hold.holdId) }
}

async function sixLeave() {
  script.round(
    'users',
    numbers(6).map((n) => removed(guid(n, 1))),
  )
  expect(await sync()).toMatchObject({ outcome: 'held' })
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 0 })
  return onlyHold()
}

test('a hold shows the targets that it would take away, and takes none by being looked at', async () => {
  const hold = await sixLeave()
  const preview = await previewHold(context, hold.holdId, 5)
  expect(preview).toMatchObject({ applied: 6, frozen: null })
  expect(preview?.effect.persons).toEqual({ gain: 0, change: 0, lose: 6 })
  expect(preview?.effect.tenants[0]?.items.map(({ item, lose }) => [item, lose])).toEqual([
    ['AutoCAD', 6],
    ['Office', 6],
  ])
  expect(await readHoldSamples(db, hold, 2)).toHaveLength(2)
  expect(await targets()).toBe(90)
  expect(await onlyHold()).toMatchObject({ status: 'open', size: 6, hash: hold.hash })
})

test('what is approved takes its targets along: they are not held a second time, and do not count as a drip', async () => {
  const hold = await sixLeave()
  const done = await approveHold(context, { holdId: hold.holdId, hash: hold.hash.slice(0, 12), by: 'anna' })
  expect(done.applied).toBe(6)
  expect(done.effect.persons.lose).toBe(6)
  expect(await targets()).toBe(78)
  expect(await unassignedInFeed()).toHaveLength(12)
  expect(await listHolds(db)).toEqual([])
  expect(await listHolds(db, { closed: true })).toMatchObject([
    { status: 'approved', closedBy: 'anna', appliedAt: expect.any(Date) },
  ])
  script.round('users', [removed(guid(7, 1))])
  expect(await sync()).toMatchObject({ outcome: 'succeeded' })
  expect(await resolve()).toMatchObject({ unassigned: 2, held: 0 })
})

test('an approval lets through nothing that another hold keeps', async () => {
  await sql`delete from group_members where member_id in (select object_id from persons order by object_id limit 12)`.execute(
    db,
  )
  expect(await resolve()).toMatchObject({ unassigned: 0 })
  const kept = await listHolds(db)
  expect(kept).toMatchObject([{ kind: 'target', direction: 'unassign' }])
  script.round(
    'users',
    numbers(8).map((n) => removed(guid(51 - n, 1))),
  )
  await sync()
  const hold = (await listHolds(db)).find(({ kind }) => kind === 'person')
  if (hold === undefined) throw new Error('nothing is held')
  const hash = await holdHash(db, hold.holdId)
  await approveHold(context, { holdId: hold.holdId, hash, by: 'anna' })
  expect(await listHolds(db)).toMatchObject([{ kind: 'target', size: kept[0]?.size }])
})

test('a hold of targets is approved as it was shown, once; the same change a day later is held again', async () => {
  const drain = sql`delete from group_members where group_id = ${guid(1, 2)}`
  const { rows: members } = await sql<{ member_id: string }>`select member_id from group_members`.execute(db)
  await drain.execute(db)
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 40 })
  const hold = await onlyHold()
  expect(hold).toMatchObject({ kind: 'target', reason: 'over_percent' })
  await expect(
    approveHold(context, { holdId: hold.holdId, hash: 'f'.repeat(64), by: 'anna' }),
  ).rejects.toMatchObject({ code: 'hold_changed' })
  expect(
    (await approveHold(context, { holdId: hold.holdId, hash: hold.hash, by: 'anna' })).effect.persons.lose,
  ).toBe(40)
  expect(await targets()).toBe(50)
  await expect(
    approveHold(context, { holdId: hold.holdId, hash: hold.hash, by: 'otto' }),
  ).rejects.toMatchObject({ code: 'hold_closed', message: 'The hold is approved already by anna.' })
  // They come back (an operator lets them), and leave again: the old approval is used up.
  for (const { member_id } of members)
    await sql`insert into group_members values (${entra}, ${guid(1, 2)}, ${member_id}, 'user')`.execute(db)
  await resolve()
  const back = await onlyHold()
  await approveHold(context, { holdId: back.holdId, hash: back.hash, by: 'anna' })
  expect(await targets()).toBe(90)
  await drain.execute(db)
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 40 })
})

test('an approval of targets that are frozen waits for the thaw, and is none any more after 24 hours', async () => {
  await sql`delete from group_members`.execute(db)
  await resolve()
  const hold = await onlyHold()
  await sql`update entra_tenants set gone_at = now()`.execute(db)
  const done = await approveHold(context, { holdId: hold.holdId, hash: hold.hash, by: 'anna' })
  expect(done.frozen).toBe('gone')
  expect(await targets()).toBe(90)
  await sql`update entra_tenants set gone_at = null`.execute(db)
  await sql`update holds set closed_at = now() - interval '25 hours'`.execute(db)
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 40 })
  const again = await onlyHold()
  await sql`update entra_tenants set gone_at = now()`.execute(db)
  await approveHold(context, { holdId: again.holdId, hash: again.hash, by: 'anna' })
  await sql`update entra_tenants set gone_at = null`.execute(db)
  expect(await resolve()).toMatchObject({ unassigned: 40, held: 0 })
})

test('of two operators who decide opposite at once one is refused, and the set is either gone or kept', async () => {
  const hold = await sixLeave()
  const both = await Promise.allSettled([
    approveHold(context, { holdId: hold.holdId, hash: hold.hash, by: 'anna' }),
    rejectHold(db, { holdId: hold.holdId, by: 'otto', reason: 'they are there' }),
  ])
  expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  const [closed] = await listHolds(db, { closed: true })
  expect(await targets()).toBe(closed?.status === 'approved' ? 78 : 90)
})

test('while the fleet is frozen nothing is approved, removed or unassigned; the end of it judges what it kept back', async () => {
  const hold = await sixLeave()
  expect(await freezeFleet(db, { by: 'anna', reason: 'Microsoft has an outage' })).toEqual({ settled: true })
  await expect(freezeFleet(db, { by: 'otto', reason: 'again' })).rejects.toMatchObject({
    code: 'fleet_frozen',
  })
  await expect(
    approveHold(context, { holdId: hold.holdId, hash: hold.hash, by: 'anna' }),
  ).rejects.toMatchObject({ code: 'fleet_frozen' })
  script.round('users', [removed(guid(20, 1))]).round('groups', [group(1, [member(30, true)])])
  expect(await sync()).toMatchObject({ outcome: 'held' })
  await sql`delete from group_members where member_id = ${guid(31, 1)}`.execute(db)
  expect(await resolve()).toMatchObject({ unassigned: 0 })
  expect(await targets()).toBe(90)
  expect((await listHolds(db)).filter(({ reason }) => reason === 'fleet_frozen')).toHaveLength(3)
  expect(await unfreezeFleet(context, 'anna')).toEqual({
    wasFrozen: true,
    sets: 3,
    removed: 2,
    unassigned: 4,
    held: 0,
  })
  expect(await targets()).toBe(86)
  expect(await listHolds(db)).toMatchObject([{ holdId: hold.holdId }])
  expect(await unfreezeFleet(context, 'anna')).toMatchObject({ wasFrozen: false, sets: 0 })
})

test('what is too large by itself is held on when the freeze ends', async () => {
  await freezeFleet(db, { by: 'anna', reason: 'night' })
  script.round(
    'users',
    numbers(6).map((n) => removed(guid(n, 1))),
  )
  await sync()
  expect(await unfreezeFleet(context, 'anna')).toMatchObject({ sets: 1, removed: 0, held: 1 })
  expect(await onlyHold()).toMatchObject({ reason: 'over_percent', size: 6 })
})

test('too many tenants held within an hour freeze all removals until an operator ends it', async () => {
  for (const other of numbers(4, 2)) {
    const id = guid(other, 99)
    await db.insertInto('entra_tenants').values({ entra_tenant_id: id }).execute()
    await db
      .insertInto('holds')
      .values({ entra_tenant_id: id, kind: 'person', reason: 'over_percent', size: 9, of_total: 10 })
      .execute()
  }
  script.round('users', [removed(guid(1, 1))])
  expect(await sync()).toMatchObject({ outcome: 'held' })
  // The hour passes; what froze it has not been looked at.
  await sql`update holds set created_at = created_at - interval '2 hours'`.execute(db)
  script.round('users', [removed(guid(2, 1))])
  expect(await sync()).toMatchObject({ outcome: 'held' })
  expect(await db.selectFrom('audit_log').select(['actor', 'action']).execute()).toEqual([
    { actor: 'guard', action: 'fleet_frozen' },
  ])
  expect(await unfreezeFleet(context, 'anna')).toMatchObject({ wasFrozen: true, removed: 2, held: 0 })
  script.round('users', [removed(guid(3, 1))])
  expect(await sync()).toMatchObject({ outcome: 'succeeded', summary: { users: { removed: 1 } } })
})

test('limits of one Entra tenant, lasting or until a day, are for removals and targets alike', async () => {
  const until = new Date(Date.now() + 3_600_000)
  const by = { reason: 'they move out', by: 'anna' }
  await setHoldLimits(db, entra, { holdMin: 2, holdPercent: 2 }, { ...by, until: null })
  script.round(
    'users',
    numbers(3).map((n) => removed(guid(n, 1))),
  )
  expect(await sync()).toMatchObject({ outcome: 'held' })
  await setHoldLimits(db, entra, { holdPercent: 100 }, { ...by, until })
  script.round(
    'users',
    numbers(10, 11).map((n) => removed(guid(n, 1))),
  )
  expect(await sync()).toMatchObject({ outcome: 'succeeded', summary: { users: { removed: 10 } } })
  expect(await resolve()).toMatchObject({ unassigned: 20, held: 0 })
  await sql`update hold_limits set expires_at = now() - interval '1 second' where expires_at is not null`.execute(
    db,
  )
  script.round(
    'users',
    numbers(3, 31).map((n) => removed(guid(n, 1))),
  )
  expect(await sync()).toMatchObject({ outcome: 'held' })
})

test.each([
  [{}, null, 'limits_empty'],
  [{ holdPercent: 51 }, null, 'limits_too_large'],
  [{ holdMax: 10_001 }, null, 'limits_too_large'],
  [{ holdPercent: 100 }, new Date(Date.now() - 1000), 'override_too_long'],
  [{ holdPercent: 100 }, new Date(Date.now() + 8 * 86_400_000), 'override_too_long'],
])('limits %j until %s are refused: %s', async (limits, until, code) => {
  await expect(setHoldLimits(db, entra, limits, { until, reason: '', by: 'anna' })).rejects.toMatchObject({
    code,
  })
})

test('an approval that waits for a thaw lets nothing pass while the fleet is frozen, and is used when that ends', async () => {
  await sql`delete from group_members`.execute(db)
  await resolve()
  const hold = await onlyHold()
  await sql`update entra_tenants set gone_at = now()`.execute(db)
  await approveHold(context, { holdId: hold.holdId, hash: hold.hash, by: 'anna' })
  await freezeFleet(db, { by: 'otto', reason: 'stop everything' })
  await sql`update entra_tenants set gone_at = null`.execute(db)
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 40 })
  expect(await targets()).toBe(90)
  expect(await unfreezeFleet(context, 'otto')).toMatchObject({ unassigned: 40 })
  expect(await targets()).toBe(50)
  expect(await listHolds(db)).toEqual([])
})

test('what an unfreeze holds on is not new: it does not freeze the fleet again', async () => {
  const others = numbers(4, 2)
  for (const other of others) {
    const id = guid(other, 99)
    await db.insertInto('entra_tenants').values({ entra_tenant_id: id }).execute()
    await sql`insert into persons (entra_tenant_id, object_id, user_principal_name)
      select ${id}, gen_random_uuid(), n || '@t.example' from generate_series(1, 20) n`.execute(db)
  }
  await freezeFleet(db, { by: 'anna', reason: 'night' })
  for (const other of others) {
    const id = guid(other, 99)
    await sql`with hold as (
        insert into holds (entra_tenant_id, kind, reason, size, of_total) values (${id}, 'person', 'fleet_frozen', 9, 20) returning hold_id)
      insert into hold_items (hold_id, entra_tenant_id, kind, key)
      select hold_id, ${id}, 'person', array[object_id] from hold,
        (select object_id from persons where entra_tenant_id = ${id} limit 9) p`.execute(db)
  }
  script.round('users', [removed(guid(1, 1))])
  expect(await sync()).toMatchObject({ outcome: 'held' })
  expect(await unfreezeFleet(context, 'anna')).toMatchObject({ sets: 5, held: 4, removed: 1 })
  script.round('users', [removed(guid(2, 1))])
  expect(await sync()).toMatchObject({ outcome: 'succeeded', summary: { users: { removed: 1 } } })
  expect(await db.selectFrom('fleet_freezes').select('ended_by').execute()).toEqual([{ ended_by: 'anna' }])
})

test('a freeze is not settled while an approval that came before it is still removing', async () => {
  const hold = await sixLeave()
  const blocker = await db.startTransaction().execute()
  await sql`select from persons where object_id = ${guid(1, 1)} for update`.execute(blocker)
  const approving = approveHold(context, { holdId: hold.holdId, hash: hold.hash, by: 'anna' })
  await waiting(1)
  const freeze: { settled?: boolean } = {}
  const freezing = freezeFleet(db, { by: 'otto', reason: 'stop everything' }).then((done) =>
    Object.assign(freeze, done),
  )
  while (freeze.settled === undefined && (await locksWaitedFor()) < 2) await sleep(20)
  const early = freeze.settled
  await blocker.commit().execute()
  expect(early).toBeUndefined()
  expect(await approving).toMatchObject({ applied: 6 })
  await freezing
  expect(freeze.settled).toBe(true)
  expect(await targets()).toBe(78)
})

async function locksWaitedFor(): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(db)
  return rows[0]?.n ?? 0
}

async function waiting(locks: number): Promise<void> {
  while ((await locksWaitedFor()) < locks) await sleep(20)
}

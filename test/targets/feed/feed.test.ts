import { randomBytes } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../../src/db/tables.ts'
import { cutFeed, readChanges, readFeedEnds, readLastChanges } from '../../../src/db/target-feed.ts'
import { readSnapshot } from '../../../src/targets/snapshot.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { applyChange, changeOnce, snapshotOf, tenants, type Targets } from './world.ts'

let database: TestDatabase
let db: Kysely<Database>

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
})
afterEach(() => database.drop())

/** So many changes, each in a transaction of its own. */
async function changes(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await changeOnce(db, [{ subject: n % 3, item: n, dice: 2 * n + 1 }])
}

const age = (upTo: number, days: number) =>
  sql`update target_changes set at = now() - make_interval(days => ${days}) where seq <= ${upTo}`.execute(db)

test('an empty feed has an end, and its snapshot a seq', async () => {
  expect(await readChanges(db, { after: 0, max: 10 })).toEqual({ changes: [], next: 0, lastSeq: 0 })
  const { rows } = await sql`select seq, subject_id from read_target_snapshot()`.execute(db)
  expect(rows).toEqual([{ seq: 0, subject_id: null }])
  expect(await readSnapshot(db)).toEqual({ seq: 0, targets: [] })
})

test('pages lead from the beginning to the targets as they are', async () => {
  await changes(25)
  const targets: Targets = new Map()
  const seqs: number[] = []
  for (let after = 0; ;) {
    const page = await readChanges(db, { after, max: 7 })
    if (page.changes.length === 0) break
    for (const change of page.changes) applyChange(targets, change)
    seqs.push(...page.changes.map(({ seq }) => seq))
    after = page.next
  }
  const snapshot = await snapshotOf(db)
  expect(seqs).toEqual(Array.from({ length: snapshot.seq }, (_, n) => n + 1))
  expect(targets).toEqual(snapshot.targets)
  expect(targets.size).toBeGreaterThan(0)
})

test('a move is unassigned first, whichever tenant has the lower id', async () => {
  await changeOnce(db, [{ subject: 0, item: 0, dice: 1 }])
  for (const dice of [2, 5, 4]) await changeOnce(db, [{ subject: 0, item: 0, dice }])
  const { changes: all } = await readChanges(db, { after: 1, max: 100 })
  expect(all.map(({ change, tenantId }) => [change, tenants.indexOf(tenantId)])).toEqual([
    ['unassigned', 1],
    ['assigned', 0],
    ['unassigned', 0],
    ['assigned', 1],
    ['unassigned', 1],
    ['assigned', 0],
  ])
})

test('a reader of one tenant goes on behind what is of others', async () => {
  for (const dice of [1, 2, 4, 8]) await changeOnce(db, [{ subject: dice % 3, item: dice, dice }])
  const tenantId = tenants[1] as string
  const { lastSeq } = await readFeedEnds(db)
  const all = (await readChanges(db, { after: 0, max: 100 })).changes
  const own = all.filter((change) => change.tenantId === tenantId)
  expect(own.length).toBeGreaterThan(0)
  expect(await readChanges(db, { after: 0, max: 100, tenantId })).toEqual({
    changes: own,
    next: lastSeq,
    lastSeq,
  })
  expect(await readChanges(db, { after: 0, max: own.length, tenantId })).toMatchObject({
    next: own.at(-1)?.seq,
  })
  expect(await readLastChanges(db, { max: 1, tenantId })).toEqual({
    changes: own.slice(-1),
    next: lastSeq,
    lastSeq,
  })
})

test('the last ones come in commit order, and the reader goes on at the end', async () => {
  await changes(9)
  const { lastSeq } = await readFeedEnds(db)
  const { changes: last, next } = await readLastChanges(db, { max: 4 })
  expect(last.map(({ seq }) => seq)).toEqual([lastSeq - 3, lastSeq - 2, lastSeq - 1, lastSeq])
  expect(next).toBe(lastSeq)
})

test('what is cut off is told, and a snapshot leads on from there', async () => {
  await changes(20)
  await age(12, 91)
  expect([await cutFeed(db, 90, 5), await cutFeed(db, 90, 5), await cutFeed(db, 90, 5)]).toEqual([5, 5, 2])
  expect(await cutFeed(db, 90, 5)).toBe(0)
  expect((await readFeedEnds(db)).floorSeq).toBe(12)
  await expect(readChanges(db, { after: 11, max: 10 })).rejects.toMatchObject({
    kind: 'input',
    code: 'feed_truncated',
    message: 'Changes up to 12 are no longer kept, and 11 was asked for.',
    remedy: expect.stringContaining('--snapshot'),
  })
  const { changes: kept } = await readChanges(db, { after: 12, max: 100 })
  expect(kept[0]?.seq).toBe(13)
  const { seq, targets } = await snapshotOf(db)
  await changes(5)
  for (const change of (await readChanges(db, { after: seq, max: 100 })).changes) applyChange(targets, change)
  expect(targets).toEqual((await snapshotOf(db)).targets)
})

test('a feed cut whole keeps its end', async () => {
  await changes(3)
  const { lastSeq } = await readFeedEnds(db)
  await age(lastSeq, 200)
  await cutFeed(db, 90, 100)
  expect(await readFeedEnds(db)).toEqual({ lastSeq, floorSeq: lastSeq })
  expect(await readChanges(db, { after: lastSeq, max: 10 })).toMatchObject({ changes: [] })
  await changes(1)
  expect((await readChanges(db, { after: lastSeq, max: 10 })).changes[0]?.seq).toBe(lastSeq + 1)
})

test('a young change between old ones goes with them, never alone', async () => {
  await changes(6)
  await sql`update target_changes set at = now() - interval '91 days' where seq in (1, 2, 4)`.execute(db)
  expect(await cutFeed(db, 90, 100)).toBe(4)
  const kept = await readChanges(db, { after: 4, max: 100 })
  expect(kept.changes[0]?.seq).toBe(5)
})

test('two that cut at once leave the higher floor', async () => {
  await changes(40)
  await age(30, 91)
  await Promise.all(Array.from({ length: 8 }, (_, n) => cutFeed(db, 90, n + 3)))
  const { rows } = await sql<{ lowest: number }>`select min(seq) as lowest from target_changes`.execute(db)
  expect((await readFeedEnds(db)).floorSeq).toBe((rows[0]?.lowest ?? 0) - 1)
})

test('a reader who is ahead of the feed is told that the database was restored', async () => {
  await changes(2)
  await expect(readChanges(db, { after: 1000, max: 10 })).rejects.toMatchObject({
    kind: 'input',
    code: 'feed_rewound',
  })
  await expect(sql`select * from read_target_changes(1000)`.execute(db)).rejects.toMatchObject({
    code: 'ES002',
    message: expect.stringMatching(/^feed_rewound/),
    hint: expect.stringContaining('read_target_snapshot()'),
  })
  await age(1, 91)
  await cutFeed(db, 90, 10)
  await expect(sql`select * from read_target_changes(0)`.execute(db)).rejects.toMatchObject({
    code: 'ES001',
    message: expect.stringMatching(/^feed_truncated/),
  })
  await expect(sql`select * from read_target_changes(null)`.execute(db)).rejects.toMatchObject({
    code: '22004',
  })
})

test('a role that may only read reads changes and snapshot, and changes nothing', async () => {
  await changes(3)
  const role = `reader_${randomBytes(6).toString('hex')}`
  await sql`create role ${sql.id(role)}`.execute(db)
  try {
    await sql`grant usage on schema entra_sync to ${sql.id(role)}`.execute(db)
    await sql`grant select on all tables in schema entra_sync to ${sql.id(role)}`.execute(db)
    await db.connection().execute(async (connection) => {
      await sql`set role ${sql.id(role)}`.execute(connection)
      const { rows } = await sql`select seq from entra_sync.read_target_changes(0)`.execute(connection)
      expect(rows.length).toBeGreaterThanOrEqual(3)
      const snapshot = await sql`select * from entra_sync.read_target_snapshot()`.execute(connection)
      expect(snapshot.rows.length).toBeGreaterThan(0)
      await expect(
        sql`update entra_sync.target_feed set last_seq = 0`.execute(connection),
      ).rejects.toMatchObject({ code: '42501' })
      await sql`reset role`.execute(connection)
    })
  } finally {
    await sql`drop owned by ${sql.id(role)}`.execute(db)
    await sql`drop role ${sql.id(role)}`.execute(db)
  }
})

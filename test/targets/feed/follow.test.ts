import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connection.ts'
import { openFeedBell, type FeedBell } from '../../../src/db/feed-bell.ts'
import type { Database } from '../../../src/db/tables.ts'
import { cutFeed, readFeedEnds } from '../../../src/db/target-feed.ts'
import { createLog } from '../../../src/log.ts'
import { followChanges } from '../../../src/targets/follow.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { applyChange, changeOnce, snapshotOf, type Targets } from './world.ts'

const log = createLog({ level: 'silent', pretty: false })
const hour = 3_600_000
const mute: FeedBell = { subscribe: () => () => {}, ok: () => true, close: () => Promise.resolve() }
let database: TestDatabase
let db: Kysely<Database>
let stop: AbortController

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await database.drop()
})

let dice = 1
const change = (): Promise<void> => changeOnce(db, [{ subject: dice % 3, item: dice, dice: (dice += 2) }])

/** A reader from seq 0 that keeps what it was told; `until` waits for it to have so much. */
function reader(bell: FeedBell, lookMs: number, from: Kysely<Database> = db) {
  const targets: Targets = new Map()
  const told = { seq: 0 }
  let waiting = (): void => {}
  const ended = (async () => {
    for await (const page of followChanges(from, { bell, after: 0, signal: stop.signal, log, lookMs })) {
      for (const one of page) {
        expect(one.seq).toBe(told.seq + 1)
        told.seq = one.seq
        applyChange(targets, one)
      }
      waiting()
    }
  })()
  const failed = ended.then(() => Promise.reject(new Error('the reader has ended')))
  failed.catch(() => {})
  return {
    targets,
    ended,
    async until(wanted: number): Promise<void> {
      if (told.seq >= wanted) return
      await Promise.race([new Promise<void>((resolve) => (waiting = resolve)), failed])
      await this.until(wanted)
    },
  }
}

const end = async (): Promise<number> => (await readFeedEnds(db)).lastSeq

/** Ends the listening connection, as soon as there is one; answers its process. */
async function killListener(not = 0): Promise<number> {
  for (;;) {
    // Materialized: Postgres is free to kill before it looks whom.
    const { rows } = await sql<{ pid: number }>`
      with found as materialized (
        select pid from pg_stat_activity where datname = current_database() and application_name = 'entra-sync feed'
          and query like 'listen%' and pid <> ${not}::int
      )
      select pid, pg_terminate_backend(pid) from found`.execute(db)
    if (rows[0] !== undefined) return rows[0].pid
  }
}

/** Connections that listen to the feed. */
async function listeners(): Promise<number> {
  const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and application_name = 'entra-sync feed'`.execute(db)
  return rows[0]?.count ?? 0
}

test('a change comes by the bell alone', async () => {
  const bell = openFeedBell(database.url, log)
  const one = reader(bell, hour)
  for (let n = 0; n < 5; n++) {
    await change()
    await one.until(await end())
  }
  expect(one.targets).toEqual((await snapshotOf(db)).targets)
  stop.abort()
  await one.ended
  await bell.close()
})

test('a change comes by the clock alone', async () => {
  const one = reader(mute, 20)
  for (let n = 0; n < 3; n++) {
    await change()
    await one.until(await end())
  }
  expect(one.targets).toEqual((await snapshotOf(db)).targets)
})

test('what is committed while nobody listens comes when the bell listens again', async () => {
  const bell = openFeedBell(database.url, log)
  const one = reader(bell, hour)
  await change()
  await one.until(await end())
  let killed = 0
  for (let n = 0; n < 2; n++) {
    killed = await killListener(killed)
    await change()
    await one.until(await end())
  }
  expect(one.targets).toEqual((await snapshotOf(db)).targets)
  stop.abort()
  await one.ended
  await bell.close()
})

test('a reader whose own connections are killed misses nothing and reads nothing twice', async () => {
  const own = openDatabase(database.url, { max: 2, applicationName: 'the reader', onError: () => {} })
  const one = reader(mute, 5, own)
  for (let n = 0; n < 20; n++) {
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'the reader'`.execute(db)
    await change()
    if (n % 4 === 0) await one.until(await end())
  }
  await one.until(await end())
  expect(one.targets).toEqual((await snapshotOf(db)).targets)
  stop.abort()
  await one.ended
  await own.destroy()
})

test('a fault that will not pass by itself ends the reader', async () => {
  await sql`alter function read_target_changes rename to away`.execute(db)
  await expect(reader(mute, 5).ended).rejects.toMatchObject({ code: '42883' })
})

test('a reader that is too far back is told', async () => {
  await change()
  await sql`update target_changes set at = now() - interval '91 days'`.execute(db)
  await cutFeed(db, 90, 10)
  await expect(reader(mute, 5).ended).rejects.toMatchObject({ code: 'feed_truncated' })
})

test('all readers of a bell share one connection, which ends with the last of them', async () => {
  const bell = openFeedBell(database.url, log)
  const readers = [reader(bell, hour), reader(bell, hour), reader(bell, hour)]
  await change()
  const last = await end()
  await Promise.all(readers.map((one) => one.until(last)))
  expect(await listeners()).toBe(1)
  stop.abort()
  await Promise.all(readers.map((one) => one.ended))
  await bell.close()
  await expect.poll(listeners).toBe(0)
})

test('a bell that is closed while it connects, or can not connect, leaves nothing behind', async () => {
  const nowhere = openFeedBell('postgres://nobody@127.0.0.1:9/nowhere', log)
  nowhere.subscribe(() => {})()
  await nowhere.close()
  for (let n = 0; n < 5; n++) {
    const bell = openFeedBell(database.url, log)
    bell.subscribe(() => {})
    await bell.close()
  }
  await expect.poll(listeners).toBe(0)
})

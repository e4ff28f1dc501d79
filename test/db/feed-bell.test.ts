import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { openFeedBell } from '../../src/db/feed-bell.ts'
import { createLog } from '../../src/log.ts'
import { testDatabase } from '../harness/database.ts'
import { halfOpenWay } from '../harness/half-open.ts'
import { until } from '../jobs/support.ts'

const log = createLog({ level: 'silent', pretty: false })

async function heardBell() {
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const way = await halfOpenWay(database.url)
  onTestFinished(() => way.close())
  const bell = openFeedBell(way.url, log, { echoMs: 50, echoWaitMs: 200, reconnectMs: 20, deafMs: 600 })
  onTestFinished(() => bell.close())
  let rings = 0
  bell.subscribe(() => (rings += 1))
  const listeners = async () => {
    const { rows } = await sql<{ pid: number }>`
      select pid from pg_stat_activity where application_name = 'entra-sync feed' and datname = current_database()`.execute(
      database.db,
    )
    return rows.map(({ pid }) => pid)
  }
  /** Rings from outside until the bell has heard it. */
  const hears = () =>
    until('a ring', async () => {
      const before = rings
      await sql`select pg_notify('entra_sync_target_changes', '1')`.execute(database.db)
      await new Promise((resolve) => setTimeout(resolve, 20))
      return rings > before
    })
  await hears()
  return { db: database.db, way, bell, hears, listeners }
}

test('a connection that is killed is replaced, and the bell rings again', async () => {
  const { db, bell, hears, listeners } = await heardBell()
  for (const pid of await listeners()) await sql`select pg_terminate_backend(${pid})`.execute(db)
  await hears()
  // It rings as soon as it listens, and knows that it hears with the first echo.
  await until('the bell to know that it hears', async () => bell.ok())
})

test('a connection that fell silent without ending is found by its missing echo, and replaced', async () => {
  const { way, bell, hears, listeners } = await heardBell()
  const [before] = await listeners()
  way.silence()
  await until('a new connection', async () => (await listeners()).some((pid) => pid !== before))
  await hears()
  // It rings as soon as it listens, and knows that it hears with the first echo.
  await until('the bell to know that it hears', async () => bell.ok())
})

test('while nothing can be heard it says so, and hears again when that ends', async () => {
  const { way, bell, hears } = await heardBell()
  way.silence(true)
  await until('the bell to be deaf', async () => !bell.ok())
  way.mend()
  await hears()
  // It rings as soon as it listens, and knows that it hears with the first echo.
  await until('the bell to know that it hears', async () => bell.ok())
})

test('nobody who subscribes, nothing to hear: that is no fault', async () => {
  const bell = openFeedBell('postgres://127.0.0.1:9/none', log, { deafMs: 0 })
  onTestFinished(() => bell.close())
  expect(bell.ok()).toBe(true)
  const leave = bell.subscribe(() => {})
  await until('it to be deaf', async () => !bell.ok())
  leave()
  expect(bell.ok()).toBe(true)
})

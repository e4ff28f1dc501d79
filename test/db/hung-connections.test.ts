import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { openDatabase } from '../../src/db/connection.ts'
import { testDatabase } from '../harness/database.ts'
import { halfOpenWay } from '../harness/half-open.ts'

async function open() {
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const way = await halfOpenWay(database.url)
  onTestFinished(() => way.close())
  const errors: string[] = []
  const db = openDatabase(way.url, {
    max: 2,
    hung: { lookMs: 50, hungMs: 300 },
    onError: (error) => errors.push(error.message),
  })
  onTestFinished(() => db.destroy())
  const both = () => Promise.allSettled([sql`select 1`.execute(db), sql`select 1`.execute(db)])
  expect(await both()).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }])
  return { way, db, direct: database.db, both, errors }
}

test('connections that fell silent are ended, and what comes after works', async () => {
  const { way, both, errors } = await open()
  way.silence()
  expect(await both()).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }])
  expect(errors).toContain('a connection whose answer was lost on the way is ended')
  expect(await both()).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }])
})

test('a transaction whose way fell silent is ended, and its locks with it', async () => {
  const { way, db, direct } = await open()
  const work = db.transaction().execute(async (trx) => {
    await sql`set local idle_in_transaction_session_timeout = 200`.execute(trx)
    await sql`lock table tenants`.execute(trx)
    way.silence()
    await sql`select 1`.execute(trx)
  })
  await expect(work).rejects.toThrow()
  await sql`select from tenants`.execute(direct)
})

test('with nothing to be heard at all it waits until there is, then goes on', async () => {
  const { way, both } = await open()
  way.silence(true)
  const waiting = both()
  let settled = false
  void waiting.then(() => (settled = true))
  await new Promise((resolve) => setTimeout(resolve, 600))
  expect(settled).toBe(false)
  way.mend()
  await waiting
  expect(await both()).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }])
})

test('a long statement is none, however long', async () => {
  const { db } = await open()
  expect(await sql`select pg_sleep(1.5)`.execute(db)).toMatchObject({ rows: [{}] })
})

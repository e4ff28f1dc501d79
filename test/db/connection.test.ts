import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { openDatabase } from '../../src/db/connection.ts'
import { testDatabase } from '../harness/database.ts'

test('a connection that the server ends in a transaction fails its query, not the process', async () => {
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const heard: Error[] = []
  const db = openDatabase(database.url, { onError: (error) => heard.push(error) })
  onTestFinished(() => db.destroy())

  const failing = db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx)
    await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(database.db)
    // The server's farewell arrives while nothing is asked of this connection.
    await new Promise((resolve) => setTimeout(resolve, 200))
    await sql`select 1`.execute(trx)
  })
  await expect(failing).rejects.toThrow(/terminat|not queryable|closed/)
  expect(heard.length).toBeGreaterThan(0)
  await expect(sql<{ one: number }>`select 1 as one`.execute(db)).resolves.toMatchObject({
    rows: [{ one: 1 }],
  })
})

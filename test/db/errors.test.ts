import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'
import { openDatabase } from '../../src/db/connection.ts'
import { databaseError } from '../../src/db/errors.ts'
import { verdictOfError } from '../../src/jobs/verdicts.ts'
import { testDatabase } from '../harness/database.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function thrownBy(url: string, statement = 'select 1'): Promise<unknown> {
  const db = openDatabase(url, { onError: () => {} })
  closers.push(() => db.destroy())
  return sql
    .raw(statement)
    .execute(db)
    .catch((error: unknown) => error)
}

/** A port that treats each connection so; without a treatment nobody listens there. */
async function portOf(treat?: (socket: Socket) => void): Promise<string> {
  const server = createServer(treat)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()))
  if (treat === undefined) await close()
  else closers.push(close)
  return `postgres://nobody@127.0.0.1:${port}/none`
}

test('Postgres that refuses a statement', async () => {
  const database = await testDatabase()
  closers.push(() => database.drop())
  expect(databaseError(await thrownBy(database.url, 'select 1/0'))).toMatchObject({
    kind: 'database',
    code: 'postgres_22012',
    message: 'Postgres: division by zero',
  })
})

test.each([
  ['nobody listens', undefined, 'postgres_econnrefused'],
  [
    'the server goes in the middle',
    (socket: Socket) => void socket.once('data', () => socket.destroy()),
    'postgres_connection_lost',
  ],
])('Postgres is away (%s): no fault of ours, and tried again', async (_, treat, code) => {
  const thrown = await thrownBy(await portOf(treat))
  expect(databaseError(thrown)).toMatchObject({ kind: 'database', code })
  expect(verdictOfError(thrown)).toMatchObject({
    job: 'failed',
    error: { kind: 'database', code },
    again: 'back-off',
  })
})

test.each([new Error('x is not a function'), new TypeError('no entry'), 'text', null])(
  '%s is none',
  (thrown) => {
    expect(databaseError(thrown)).toBeNull()
  },
)

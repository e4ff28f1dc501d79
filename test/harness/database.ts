import { randomBytes } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import pg from 'pg'
import { openDatabase } from '../../src/db/connection.ts'
import type { Database } from '../../src/db/tables.ts'

export interface TestDatabase {
  url: string
  db: Kysely<Database>
  drop(): Promise<void>
}

/** A database of its own, freshly migrated. */
export async function testDatabase(): Promise<TestDatabase> {
  const database = await copyOf('entra_sync_template')
  // A copy is otherwise the same database to whoever watches for restores.
  await sql`update restore_witness set database_id = gen_random_uuid()`.execute(database.db)
  return database
}

/** An empty database, without our schema. */
export async function emptyDatabase(): Promise<TestDatabase> {
  return copyOf('template0')
}

async function copyOf(template: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`
  await asAdmin(`create database ${name} template ${template}`)
  const url = new URL(serverUrl())
  url.pathname = `/${name}`
  // What a test does to all sessions of the database from now on (a failover to a replica) is not done to its own.
  const own = new URL(url)
  own.searchParams.set('options', '-c search_path=entra_sync -c default_transaction_read_only=off')
  const db = openDatabase(own.href, { max: 10, applicationName: 'tests of entra-sync', onError: () => {} })
  return {
    url: url.href,
    db,
    async drop() {
      await db.destroy()
      await asAdmin(`drop database ${name} with (force)`)
    },
  }
}

/** A file-level copy of a database as it is; whoever is connected loses the connection. `restore` puts that in its place. */
export async function backUp({ url }: TestDatabase): Promise<{ restore(): Promise<void> }> {
  const name = new URL(url).pathname.slice(1)
  const copy = `${name}_backup`
  await alone(name, () => asAdmin(`create database ${copy} template ${name}`))
  return {
    restore: () =>
      alone(name, async () => {
        await asAdmin(`alter database ${name} rename to ${name}_lost`)
        await asAdmin(`create database ${name} template ${copy}`)
        await asAdmin(`drop database ${copy}`)
        await asAdmin(`drop database ${name}_lost`)
      }),
  }
}

/** Keeps everybody else out for as long as it takes. */
async function alone(name: string, act: () => Promise<void>): Promise<void> {
  await asAdmin(`alter database ${name} allow_connections false`)
  await asAdmin(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
  await act()
  await asAdmin(`alter database ${name} allow_connections true`)
}

async function asAdmin(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl() })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

function serverUrl(): string {
  const url = process.env.ENTRA_SYNC_TEST_POSTGRES
  if (!url) throw new Error('Run the tests through vitest: its global setup starts Postgres.')
  return url
}

import { randomBytes } from 'node:crypto'
import type { Kysely } from 'kysely'
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
  return copyOf('entra_sync_template')
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
  const db = openDatabase(url.href, { max: 10, applicationName: 'tests of entra-sync', onError: () => {} })
  return {
    url: url.href,
    db,
    async drop() {
      await db.destroy()
      await asAdmin(`drop database ${name} with (force)`)
    },
  }
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

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { sql, type Kysely } from 'kysely'
import pg from 'pg'
import { EntraSyncError } from '../errors.ts'
import type { Database } from './tables.ts'

interface Migration {
  version: number
  name: string
  checksum: string
  text: string
}

/** Any constant, as long as it stays the same: all migrators of all versions wait for one another by it. */
const lockKey = 6_210_387_041

const folder = new URL('migrations/', import.meta.url)

/** The migrations of this version of the code, oldest first. Released files are never edited. */
export async function knownMigrations(): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async (file) => {
      const text = await readFile(new URL(file, folder), 'utf8')
      const checksum = createHash('sha256').update(text).digest('hex')
      return { version: Number(file.slice(0, 4)), name: file.slice(5, -4), checksum, text }
    }),
  )
}

/**
 * Brings schema `entra_sync` up to date, each migration in one transaction of its own. Two migrators at once wait for
 * each other; one that meets a lock for 10 s gives up and says so, rather than queueing everybody behind it.
 * @throws kind `database` (unreachable, locked), kind `config` (a schema that this version does not know)
 */
export async function migrate(url: string): Promise<{ applied: string[] }> {
  const migrations = await knownMigrations()
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'entra-sync migrate',
  })
  client.on('error', () => {})
  const applied: string[] = []
  try {
    await client.connect()
    for (const migration of migrations) {
      if (await applyOne(client, migrations, migration))
        applied.push(`${pad(migration.version)}_${migration.name}`)
    }
  } catch (error) {
    throw error instanceof EntraSyncError ? error : migrationFailed(error)
  } finally {
    await client.end().catch(() => {})
  }
  return { applied }
}

async function applyOne(client: pg.Client, known: Migration[], migration: Migration): Promise<boolean> {
  await client.query('begin')
  try {
    await client.query("set local lock_timeout = '10s'")
    await client.query('select pg_advisory_xact_lock($1)', [lockKey])
    await client.query('create schema if not exists entra_sync')
    await client.query('set local search_path = entra_sync')
    await client.query(
      `create table if not exists schema_migrations (version int primary key, name text not null, checksum text not null,
         applied_at timestamptz not null default now())`,
    )
    const { rows } = await client.query<{ version: number; checksum: string }>(
      'select version, checksum from schema_migrations',
    )
    compareSchema(rows, known)
    const isNew = !rows.some((row) => row.version === migration.version)
    if (isNew) {
      await client.query(migration.text)
      await client.query('insert into schema_migrations (version, name, checksum) values ($1, $2, $3)', [
        migration.version,
        migration.name,
        migration.checksum,
      ])
    }
    await client.query('commit')
    return isNew
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

/** @throws kind `config` when the database holds a migration that this version does not know, or knows otherwise */
function compareSchema(rows: { version: number; checksum: string }[], known: Migration[]): void {
  for (const row of rows) {
    const ours = known.find((migration) => migration.version === row.version)
    if (!ours) {
      throw new EntraSyncError(
        'config',
        `The database holds migration ${pad(row.version)}, which this version does not know.`,
        {
          code: 'schema_newer',
          remedy: 'Run a version of entra-sync at least as new as the one that migrated it.',
        },
      )
    }
    if (ours.checksum !== row.checksum) {
      throw new EntraSyncError(
        'config',
        `Migration ${pad(row.version)} differs from the one the database was built with.`,
        {
          code: 'schema_changed',
          remedy: 'Restore the released migration file; changes belong into a new one.',
        },
      )
    }
  }
}

/**
 * Refuses a schema that is missing, older or newer than this code.
 * @throws kind `config` with the command to run, kind `database` when Postgres does not answer
 */
export async function assertSchema(db: Kysely<Database>): Promise<void> {
  const known = await knownMigrations()
  let rows: { version: number; checksum: string }[] = []
  try {
    const { rows: found } = await sql<{ present: boolean }>`
      select to_regclass('entra_sync.schema_migrations') is not null as present`.execute(db)
    if (found[0]?.present) {
      rows = await db.selectFrom('schema_migrations').select(['version', 'checksum']).execute()
    }
  } catch (error) {
    throw migrationFailed(error)
  }
  compareSchema(rows, known)
  const missing = known.filter((migration) => !rows.some((row) => row.version === migration.version))
  if (missing.length > 0) {
    throw new EntraSyncError(
      'config',
      rows.length === 0
        ? 'The database has no entra-sync schema yet.'
        : `The database lacks ${missing.length} migrations.`,
      { code: 'schema_older', remedy: 'Run `entra-sync migrate`, then start again.' },
    )
  }
}

function migrationFailed(error: unknown): EntraSyncError {
  const code = error instanceof pg.DatabaseError ? error.code : undefined
  if (code === '55P03') {
    return new EntraSyncError(
      'database',
      'A lock in the database was not free within 10 s, so nothing was migrated.',
      {
        code: 'migration_locked',
        remedy: 'Find the holder in pg_stat_activity, let it end, and run `entra-sync migrate` again.',
        cause: error,
      },
    )
  }
  const reason =
    error instanceof AggregateError
      ? error.errors.map((each) => (each as Error).message).join(', ')
      : (error as Error).message
  return new EntraSyncError('database', `Postgres did not answer as needed: ${reason}`, {
    code: code ? 'migration_failed' : 'database_unreachable',
    remedy: code
      ? 'Nothing of this migration was kept. Mend the cause and run `entra-sync migrate` again.'
      : 'Start Postgres, or correct DATABASE_URL.',
    cause: error,
  })
}

function pad(version: number): string {
  return String(version).padStart(4, '0')
}

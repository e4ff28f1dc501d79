import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Kysely } from 'kysely'
import pg from 'pg'
import { EntraSyncError } from '../errors.ts'
import { advisoryLocks } from './advisory-locks.ts'
import { isLockTimeout, locked, watchLocks, type LockWatch } from './lock-watch.ts'
import type { Database } from './tables.ts'

interface Migration {
  version: number
  name: string
  checksum: string
  text: string
  /** The version before this one works on with the schema that it makes: an upgrade needs no stop, and can be taken back. */
  compatible: boolean
}

export interface MigrateOptions {
  /** How long one try waits for a lock; whoever comes after us waits as long. */
  lockTimeoutMs?: number
  tries?: number
  /** Between tries, so that those who waited behind us come through. */
  pauseMs?: number
}

const defaults = { lockTimeoutMs: 10_000, tries: 3, pauseMs: 5000 }

const folder = new URL('migrations/', import.meta.url)

/**
 * The migrations of this version of the code, oldest first. Released files are never edited. From 0020 on a file's first
 * line says whether the version before it works on with it: `-- compatible: why`, or `-- breaking: why`.
 */
export async function knownMigrations(): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async (file) => {
      const text = await readFile(new URL(file, folder), 'utf8')
      const checksum = createHash('sha256').update(text).digest('hex')
      const compatible = text.startsWith('-- compatible: ')
      return { version: Number(file.slice(0, 4)), name: file.slice(5, -4), checksum, text, compatible }
    }),
  )
}

/**
 * Brings schema `entra_sync` up to date, each migration in one transaction of its own. Two migrators at once wait for
 * each other; one that meets a lock lets go after 10 s, so that nobody queues behind it for longer, tries it twice more
 * and then gives up and names who holds it.
 * @throws kind `database` (unreachable, locked), kind `config` (a schema that this version does not know)
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<{ applied: string[] }> {
  const { tries, pauseMs, lockTimeoutMs } = { ...defaults, ...options }
  const migrations = await knownMigrations()
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'entra-sync migrate',
  })
  client.on('error', () => {})
  const applied: string[] = []
  let watch: LockWatch | undefined
  try {
    await client.connect()
    watch = await watchLocks(url, client)
    for (const migration of migrations) {
      for (let attempt = 1; ; attempt++) {
        try {
          if (await applyOne(client, migrations, migration, lockTimeoutMs))
            applied.push(`${pad(migration.version)}_${migration.name}`)
          break
        } catch (error) {
          if (!isLockTimeout(error) || attempt >= tries) throw error
          await sleep(pauseMs)
        }
      }
    }
  } catch (error) {
    if (error instanceof EntraSyncError) throw error
    throw isLockTimeout(error) ? locked(error, watch?.holders() ?? [], tries) : migrationFailed(error)
  } finally {
    await watch?.stop()
    await client.end().catch(() => {})
  }
  return { applied }
}

async function applyOne(
  client: pg.Client,
  known: Migration[],
  migration: Migration,
  lockTimeoutMs: number,
): Promise<boolean> {
  await client.query('begin')
  try {
    await client.query("select set_config('lock_timeout', $1, true)", [`${lockTimeoutMs}ms`])
    await client.query('select pg_advisory_xact_lock($1)', [advisoryLocks.migrating])
    await client.query('create schema if not exists entra_sync')
    await client.query('set local search_path = entra_sync')
    await client.query(
      `create table if not exists schema_migrations (version int primary key, name text not null, checksum text not null,
         applied_at timestamptz not null default now())`,
    )
    await client.query(
      `do $$ begin
         if not exists (select from pg_attribute where attrelid = 'schema_migrations'::regclass and attname = 'compatible') then
           alter table schema_migrations add column compatible boolean not null default false;
         end if;
       end $$`,
    )
    const { rows } = await client.query<AppliedMigration>(
      'select version, checksum, compatible from schema_migrations',
    )
    compareSchema(rows, known)
    const isNew = !rows.some((row) => row.version === migration.version)
    if (isNew) {
      await client.query(migration.text)
      await client.query(
        'insert into schema_migrations (version, name, checksum, compatible) values ($1, $2, $3, $4)',
        [migration.version, migration.name, migration.checksum, migration.compatible],
      )
    }
    await client.query('commit')
    return isNew
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

interface AppliedMigration {
  version: number
  checksum: string
  compatible: boolean
}

/**
 * A newer migration that is compatible is none of this version's business: that is how two versions run side by side
 * while one takes the other's place, and how the older one comes back.
 * @throws kind `config` when the database holds another one that this version does not know, or knows otherwise
 */
function compareSchema(rows: readonly AppliedMigration[], known: Migration[]): void {
  for (const row of rows) {
    const ours = known.find((migration) => migration.version === row.version)
    if (!ours && row.compatible) continue
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
  let rows: AppliedMigration[] = []
  try {
    const { rows: found } = await sql<{ present: boolean }>`
      select to_regclass('entra_sync.schema_migrations') is not null as present`.execute(db)
    if (found[0]?.present) {
      // As JSON: a schema from before the column `compatible` lacks it, and is to be told to migrate, not that it broke.
      const all = await sql<{ row: Partial<AppliedMigration> }>`
        select to_jsonb(m) as row from entra_sync.schema_migrations m`.execute(db)
      rows = all.rows.map(({ row: { version = 0, checksum = '', compatible = false } }) => ({
        version,
        checksum,
        compatible,
      }))
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

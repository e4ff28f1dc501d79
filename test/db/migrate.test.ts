import { sql } from 'kysely'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { assertSchema, knownMigrations, migrate } from '../../src/db/migrate.ts'
import { emptyDatabase, testDatabase, type TestDatabase } from '../harness/database.ts'

describe('migrate', () => {
  let database: TestDatabase
  beforeEach(async () => void (database = await emptyDatabase()))
  afterEach(() => database.drop())

  test('applies every migration once', async () => {
    const names = (await knownMigrations()).map(
      ({ version, name }) => `${String(version).padStart(4, '0')}_${name}`,
    )
    expect(await migrate(database.url)).toEqual({ applied: names })
    expect(await migrate(database.url)).toEqual({ applied: [] })
    await assertSchema(database.db)
  })

  test('of migrators at once, one migrates and the others wait for it', async () => {
    const results = await Promise.all([1, 2, 3, 4].map(() => migrate(database.url)))
    expect(results.flatMap(({ applied }) => applied)).toHaveLength((await knownMigrations()).length)
  })

  test('a schema that was never made says what to run', async () => {
    await expect(assertSchema(database.db)).rejects.toMatchObject({
      code: 'schema_older',
      remedy: expect.stringContaining('entra-sync migrate') as string,
    })
  })

  test('a failing migration leaves nothing behind', async () => {
    await sql`create schema entra_sync`.execute(database.db)
    await sql`create table entra_sync.problems (stranger int)`.execute(database.db)
    await expect(migrate(database.url)).rejects.toMatchObject({ kind: 'database', code: 'migration_failed' })
    const { rows } = await sql<{ name: string }>`
      select table_name as name from information_schema.tables where table_schema = 'entra_sync'`.execute(
      database.db,
    )
    expect(rows).toEqual([{ name: 'problems' }])
  })
})

describe('a schema that this version does not know', () => {
  let database: TestDatabase
  beforeEach(async () => void (database = await testDatabase()))
  afterEach(() => database.drop())

  const expectBothRefuse = async (code: string): Promise<void> => {
    await expect(assertSchema(database.db)).rejects.toMatchObject({ kind: 'config', code })
    await expect(migrate(database.url)).rejects.toMatchObject({ kind: 'config', code })
  }

  test('newer: refused by the daemon and by the migrator', async () => {
    await sql`insert into schema_migrations (version, name, checksum) values (9999, 'tomorrow', '-')`.execute(
      database.db,
    )
    await expectBothRefuse('schema_newer')
  })

  test('newer and marked compatible: the daemon runs, the migrator has nothing to do', async () => {
    await sql`insert into schema_migrations (version, name, checksum, compatible) values (9999, 'tomorrow', '-', true)`.execute(
      database.db,
    )
    await assertSchema(database.db)
    expect(await migrate(database.url)).toEqual({ applied: [] })
  })

  test('of a time without that mark: told to migrate', async () => {
    await sql`alter table schema_migrations drop column compatible`.execute(database.db)
    await sql`delete from schema_migrations where version >= 20`.execute(database.db)
    await expect(assertSchema(database.db)).rejects.toMatchObject({ kind: 'config', code: 'schema_older' })
  })

  test('built from an edited file: refused', async () => {
    await sql`update schema_migrations set checksum = 'edited' where version = 1`.execute(database.db)
    await expectBothRefuse('schema_changed')
  })

  test('lacking a migration: the daemon says which command brings it', async () => {
    await sql`delete from schema_migrations where version = 1`.execute(database.db)
    await expect(assertSchema(database.db)).rejects.toMatchObject({ kind: 'config', code: 'schema_older' })
  })
})

test('a lock that somebody keeps: the migrator gives up after its tries, names the holder and lets readers through', async () => {
  const database = await emptyDatabase()
  onTestFinished(() => database.drop())
  // As an older version has left it: the migrator has a column to add, and somebody has read the table and not ended.
  await sql`create schema entra_sync`.execute(database.db)
  await sql`create table entra_sync.schema_migrations (version int primary key, name text not null,
    checksum text not null, applied_at timestamptz not null default now())`.execute(database.db)
  const holder = new pg.Client({ connectionString: database.url, application_name: 'a report' })
  await holder.connect()
  onTestFinished(() => holder.end())
  await holder.query('begin')
  await holder.query('select count(*) from entra_sync.schema_migrations')

  const migrating = migrate(database.url, { lockTimeoutMs: 1200, tries: 3, pauseMs: 300 })
  migrating.catch(() => {})
  let reads = 0
  const over = new AbortController()
  const reading = (async () => {
    for (; !over.signal.aborted; reads++)
      await sql`select count(*) from schema_migrations`.execute(database.db)
  })()
  await expect(migrating).rejects.toMatchObject({
    kind: 'database',
    code: 'migration_locked',
    message: expect.stringMatching(
      /not free in 3 tries.*held by session \d+ \(a report, .*idle in transaction.*\): select count\(\*\) from entra_sync\.schema_migrations/,
    ),
    remedy: expect.stringContaining('pg_terminate_backend('),
  })
  over.abort()
  await reading
  expect(reads).toBeGreaterThan(0)
  await holder.query('rollback')
  expect((await migrate(database.url)).applied).toHaveLength((await knownMigrations()).length)
})

test('a database that does not answer is told apart from one that refuses', async () => {
  await expect(migrate('postgres://nobody:x@127.0.0.1:1/none')).rejects.toMatchObject({
    kind: 'database',
    code: 'database_unreachable',
  })
})

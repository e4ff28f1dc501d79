import { readFile } from 'node:fs/promises'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { startApp } from '../../src/app.ts'
import { compareCloud } from '../../src/cli/demo-truth.ts'
import { loadConfig } from '../../src/config.ts'
import { migrate } from '../../src/db/migrate.ts'
import { runCommand } from '../cli/run-command.ts'
import { testCa } from '../harness/ca.ts'
import { emptyDatabase, testDatabase, type TestDatabase } from '../harness/database.ts'
import { log, quickWorker, until } from '../jobs/support.ts'

const script = await readFile(new URL('../../deploy/postgres-roles.sql', import.meta.url), 'utf8')
type Role = 'migrator' | 'daemon' | 'reader'

/** The roles are the server's, so that tests share them; each run brings its database under them. */
async function giveRoles(database: TestDatabase): Promise<(role: Role) => string> {
  const admin = new pg.Client({ connectionString: database.url })
  await admin.connect()
  try {
    await admin.query(script)
    for (const role of ['migrator', 'daemon', 'reader'])
      await admin.query(`alter role entra_sync_${role} password 'of-the-tests'`)
  } finally {
    await admin.end()
  }
  return (role) => {
    const url = new URL(database.url)
    url.username = `entra_sync_${role}`
    url.password = 'of-the-tests'
    return url.href
  }
}

/** What Postgres says to a statement of a role: `ok`, or the error's code. */
async function ask(url: string, statement: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
    return 'ok'
  } catch (error) {
    return error instanceof pg.DatabaseError ? (error.code ?? '?') : String(error)
  } finally {
    await client.end()
  }
}

const refused = '42501'

describe('a database that its migrator made', () => {
  let database: TestDatabase
  let as: (role: Role) => string
  beforeAll(async () => {
    database = await emptyDatabase()
    as = await giveRoles(database)
    await migrate(as('migrator'))
    // As after each upgrade: what is new is granted, and nothing else changes.
    await giveRoles(database)
  })
  afterAll(() => database.drop())

  test.each([
    'create table entra_sync.x (n int)',
    'create table public.x (n int)',
    'create schema x',
    'alter table entra_sync.persons add column x int',
    'drop table entra_sync.persons',
    'truncate entra_sync.persons',
    'create or replace function entra_sync.dirty_persons() returns trigger language plpgsql as $$ begin return null; end $$',
    'alter table entra_sync.persons disable trigger all',
    "insert into entra_sync.schema_migrations (version, name, checksum) values (1000, 'x', 'x')",
    'delete from entra_sync.audit_log',
    "update entra_sync.audit_log set actor = 'nobody'",
    'create role x',
    "copy (select 1) to program 'true'",
  ])('the daemon may not: %s', async (statement) => {
    expect(await ask(as('daemon'), statement)).toBe(refused)
  })

  test.each([
    'select * from entra_sync.persons',
    'select * from entra_sync.tenant_status',
    'select * from entra_sync.computer_targets',
    'select * from entra_sync.deployment_warnings',
    'select * from entra_sync.read_target_changes(0)',
    'select * from entra_sync.read_target_snapshot()',
    'listen entra_sync_target_changes',
  ])('the reader may: %s', async (statement) => {
    expect(await ask(as('reader'), statement)).toBe('ok')
  })

  test('the reader reads no secret and no table that nobody has thought of, and writes nowhere', async () => {
    const { rows } = await sql<{ name: string }>`
      select relname as name from pg_class where relnamespace = 'entra_sync'::regnamespace and relkind in ('r', 'v')`.execute(
      database.db,
    )
    expect(rows.length).toBeGreaterThan(50)
    for (const { name } of rows) {
      const wanted = script.includes(`'${name}'`) && !['schema_migrations', 'audit_log'].includes(name)
      const read = await ask(as('reader'), `select * from entra_sync.${name} limit 1`)
      expect({ name, read }).toEqual({ name, read: wanted ? 'ok' : refused })
      // Some views cannot be written by anybody (55000), which is found out first.
      expect([refused, '55000']).toContain(await ask(as('reader'), `delete from entra_sync.${name}`))
    }
    const { rows: sealed } = await sql<{ name: string; column: string }>`
      select table_name as name, column_name as "column" from information_schema.columns
      where table_schema = 'entra_sync' and column_name ~ 'sealed|secret|state_hash|token|link$'`.execute(
      database.db,
    )
    expect(sealed.length).toBeGreaterThan(4)
    for (const { name, column } of sealed)
      expect({ column, read: await ask(as('reader'), `select ${column} from entra_sync.${name}`) }).toEqual({
        column,
        read: refused,
      })
  })

  test('a table of a later migration is the daemon’s to fill and not the reader’s to read', async () => {
    expect(
      await ask(as('migrator'), 'create table entra_sync.later (n int generated always as identity)'),
    ).toBe('ok')
    expect(await ask(as('daemon'), 'insert into entra_sync.later default values')).toBe('ok')
    expect(await ask(as('reader'), 'select * from entra_sync.later')).toBe(refused)
  })

  test('nobody else comes in', async () => {
    const admin = new pg.Client({ connectionString: database.url })
    await admin.connect()
    await admin.query(`do $$ begin if not exists (select from pg_roles where rolname = 'entra_sync_stranger') then
      create role entra_sync_stranger login password 'of-the-tests'; end if; end $$`)
    await admin.end()
    const stranger = as('reader').replace('entra_sync_reader', 'entra_sync_stranger')
    await expect(ask(stranger, 'select 1')).rejects.toThrow('permission denied for database')
  })
})

test.each(['redis', 'postgres'] as const)(
  'the whole daemon runs as its role, on a database handed over by its old owner, on %s',
  async (backend) => {
    const cloud: Cloud = await startCloud({ seed: 2, sizes: [30, 15], customers: 1, ca: testCa() })
    onTestFinished(() => cloud.close())
    const database = await testDatabase()
    onTestFinished(() => database.drop())
    const as = await giveRoles(database)
    expect(await runCommand(['migrate'], { DATABASE_URL: as('migrator') })).toMatchObject({ code: 0 })
    const dataDir = await mkdtemp(join(tmpdir(), 'entra-sync-roles-'))
    onTestFinished(() => rm(dataDir, { recursive: true }))
    const { db } = database
    await db
      .insertInto('entra_tenants')
      .values(cloud.tenants.map((tenant) => ({ entra_tenant_id: tenant.id })))
      .execute()
    await sql`insert into tenants (name, slug) values ('Contoso', 'contoso')`.execute(db)
    await sql`insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${cloud.tenants[0]?.id} from tenants`.execute(
      db,
    )
    await sql`with i as (insert into maintenance_items (name) values ('Office') returning item_id)
      insert into deployments (name, item_id, scope, target_type) select 'Office', item_id, 'cross_tenant', 'everyone' from i`.execute(
      db,
    )
    const env = {
      DATABASE_URL: as('daemon'),
      ...(backend === 'redis' && { QUEUE_URL: process.env['ENTRA_SYNC_TEST_REDIS'] ?? '' }),
      DATA_DIR: dataDir,
      HTTP_PORT: '0',
      OPS_TOKEN: 'a-token-long-enough-for-this',
      MICROSOFT_CLOUD: 'custom',
      LOGIN_URL: cloud.origin,
      GRAPH_URL: cloud.origin,
      PARTNER_CENTER_URL: cloud.origin,
      DEFAULT_APP_CLIENT_ID: cloud.clientId,
      DEFAULT_APP_CLIENT_SECRET: cloud.clientSecret,
    }
    const app = await startApp(loadConfig(env), {
      log,
      timings: {
        worker: quickWorker,
        scheduler: { tickMs: 200, assertMs: 500, healAfterMs: 300, housekeepingMs: 500 },
      },
      queuePrefix: `roles-${cloud.clientId}`,
    })
    onTestFinished(() => app.stop())
    await until('all of it to be resolved', async () => {
      const { rows } = await sql<{ n: number }>`select count(*) as n from deployment_targets`.execute(db)
      return (rows[0]?.n ?? 0) > 0
    })
    await until('housekeeping', async () =>
      (await app.queues.control.getCompleted()).some((job) => job.name === 'housekeeping'),
    )
    expect(await app.queues.control.getFailed()).toEqual([])
    expect(
      await compareCloud(db, cloud.controlUrl, cloud.tenants, { devices: false, sources: false }),
    ).toEqual([])
    expect((await fetch(`${app.url}/readyz`)).status).toBe(200)
    const frozen = await runCommand(['holds', 'freeze', '--reason', 'test'], env)
    expect(frozen).toMatchObject({ code: 0 })
    expect((await runCommand(['doctor'], { ...env, DATABASE_URL: database.url })).stdout).toContain(
      'more rights than it needs',
    )
    expect((await runCommand(['doctor'], env)).stdout).not.toContain('more rights than it needs')
  },
)

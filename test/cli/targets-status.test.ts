import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { log, quickWorker } from '../jobs/support.ts'
import { runCommand } from './run-command.ts'

const contoso = '11111111-0000-4000-8000-000000000001'
const fabrikam = '11111111-0000-4000-8000-000000000002'
const engineering = '22222222-0000-4000-8000-000000000001'
let database: TestDatabase
let env: Record<string, string>

/** Two tenants that AutoCAD goes to by group; then Contoso's group is drained, and Fabrikam's sync is not whole. */
beforeAll(async () => {
  database = await testDatabase()
  env = { DATABASE_URL: database.url }
  const { db } = database
  for (const [id, name, persons] of [
    [contoso, 'Contoso', 60],
    [fabrikam, 'Fabrikam', 3],
  ] as const) {
    await sql`insert into entra_tenants (entra_tenant_id, display_name, default_domain, last_synced_at)
      values (${id}, ${name}, ${`${name.toLowerCase()}.com`}, now())`.execute(db)
    await sql`with t as (insert into tenants (name, slug) values (${`${name} Ltd`}, ${name.toLowerCase()}) returning tenant_id)
      insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${id} from t`.execute(db)
    await sql`insert into groups (entra_tenant_id, object_id, kind, display_name)
      values (${id}, ${engineering}, 'security', 'Engineering')`.execute(db)
    await sql`with p as (
        insert into persons (entra_tenant_id, object_id, user_principal_name, tenant_id)
        select ${id}, gen_random_uuid(), 'user' || lpad(n::text, 2, '0') || ${`@${name.toLowerCase()}.com`}, l.tenant_id
        from generate_series(1, ${persons}::int) n, tenant_links l where l.entra_tenant_id = ${id} returning object_id)
      insert into group_members select ${id}, ${engineering}, object_id, 'user' from p`.execute(db)
  }
  await sql`with i as (insert into maintenance_items (name) values ('AutoCAD') returning item_id)
    insert into deployments (name, item_id, scope, target_type, target)
    select 'CAD for engineers', item_id, 'cross_tenant', 'group_name', '{"name": "Engineering"}' from i`.execute(
    db,
  )
  await resolve()
  await sql`delete from group_members where entra_tenant_id = ${contoso}`.execute(db)
  await sql`insert into sync_runs (entra_tenant_id, mode, finished_at, outcome) values (${fabrikam}, 'delta', now(), 'partial')`.execute(
    db,
  )
  await sql`update persons set department = 'Sales' where entra_tenant_id = ${fabrikam}`.execute(db)
  await resolve()
})
afterAll(() => database.drop())

async function resolve(): Promise<void> {
  const guard = { holdMin: 5, holdPercent: 10, holdMax: 500 }
  await resolveTargets({ db: database.db, guard, licenseGraceMs: 0, log }, { trigger: 'test' })
}

describe('status', () => {
  test('counts targets, and says what is held and frozen', async () => {
    const { code, stdout } = await runCommand(['status'], env)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^Contoso .* 60 \(60 held\)/m)
    expect(stdout).toMatch(/^Fabrikam .* 3 \(frozen\)/m)
    expect(stdout).toMatch(/^Targets: 63, 60 held, 1 frozen$/m)
    expect(stdout).toMatch(
      /^ {2}Contoso Ltd: 60 of 60 targets would go, through CAD for engineers \[empties_deployment, for \d+ s, [0-9a-f-]{36}\]$/m,
    )
    expect(stdout).toMatch(/^ {4}user01@contoso\.com: AutoCAD, CAD for engineers → nothing$/m)
    expect(stdout).toMatch(/^ {4}and 55 more$/m)
  })

  test('of one: how many, when resolved, what waits', async () => {
    const { stdout } = await runCommand(['status', 'fabrikam'], env)
    expect(stdout).toMatch(/^Targets +3$/m)
    expect(stdout).toMatch(
      /^Resolved +\d+ s ago; frozen, since its last sync was not whole; changes wait for \d+ s$/m,
    )
    const { stdout: json } = await runCommand(['status', contoso, '--json'], env)
    expect(JSON.parse(json)).toMatchObject({
      targets: { targets: 60, held: 60, frozen: null, dirty: false },
      targetHolds: [
        {
          tenant: 'Contoso Ltd',
          deployments: ['CAD for engineers'],
          direction: 'unassign',
          size: 60,
          samples: [
            { subject: 'user01@contoso.com', item: 'AutoCAD', now: 'CAD for engineers', wanted: null },
            {},
            {},
            {},
            {},
          ],
        },
      ],
    })
  })

  test('a family that could not be resolved is told with the reason, until it can', async () => {
    await sql`insert into target_failures (family_id, code, message, failures, retry_at)
      values (${contoso}, 'postgres_57014', 'Postgres: canceled', 2, '2030-01-01')`.execute(database.db)
    const all = await runCommand(['status'], env)
    expect(all.stdout).toMatch(/^Contoso .* 60 \(60 held, failing\)/m)
    expect(all.stdout).toContain(
      '  Contoso: Resolving failed: Postgres: canceled (2 times running); tried again at 2030-01-01T00:00:00.000Z',
    )
    const doctor = await runCommand(['doctor'], env)
    expect(doctor.stdout).toMatch(/^warn {2}targets: .*1 failed when last resolved/m)
    await sql`delete from target_failures`.execute(database.db)
  })
})

describe('resolve', () => {
  test('asks for the targets of a tenant, and says that no worker is there', async () => {
    const { code, stdout, stderr } = await runCommand(['resolve', 'contoso', '--json'], env)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ requested: [{ familyId: contoso, name: 'Contoso' }], frozen: [] })
    expect(stderr).toContain('No worker is running.')
    const { rows } = await sql`select kind, deliberate from target_dirt where family_id = ${contoso}`.execute(
      database.db,
    )
    expect(rows).toEqual([{ kind: 'all', deliberate: false }])
    const waited = await runCommand(['resolve', '--all', '--wait'], env)
    expect(waited.code).toBe(1)
    expect(waited.stderr).toContain('The targets of Fabrikam are frozen (sync_not_whole)')
    expect(waited.stderr).toContain('No worker is running.')
  })

  test.each([
    [['resolve', 'fabrikam'], 1, 'The targets of Fabrikam are frozen: sync_not_whole.'],
    [['resolve', 'nobody'], 1, 'No tenant is known as "nobody"'],
    [['resolve'], 2, 'give ids, or --all'],
  ])('%j is refused', async (args, code, message) => {
    const ended = await runCommand(args, env)
    expect(ended.code).toBe(code)
    expect(ended.stderr).toContain(message)
  })

  test('--wait watches until a worker has done it; 3 when something is held', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'entra-sync-resolve-'))
    const config = loadConfig({ ...env, DATA_DIR: folder, OPS_TOKEN: 'a-token-long-enough-for-this' })
    const app = await startApp(config, {
      log,
      only: ['worker'],
      timings: { worker: quickWorker, stopMs: 5000 },
    })
    try {
      const { code, stdout } = await runCommand(['resolve', 'contoso', '--wait'], env)
      expect(stdout).toMatch(/^Contoso +held +0 +0 +0 +60 +60$/m)
      expect(code).toBe(3)
      await sql`insert into group_members select ${contoso}, ${engineering}, object_id, 'user' from persons
        where entra_tenant_id = ${contoso}`.execute(database.db)
      const again = await runCommand(['resolve', '--all', '--wait', '--json'], env)
      expect(again.code).toBe(0)
      expect(JSON.parse(again.stdout)).toMatchObject({
        families: [{ familyId: contoso, outcome: 'resolved', held: 0, targets: 60 }],
        frozen: [{ familyId: fabrikam, reason: 'sync_not_whole' }],
      })
    } finally {
      await app.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

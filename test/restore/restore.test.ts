import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Kysely } from 'kysely'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { readChanges } from '../../src/db/target-feed.ts'
import type { Database } from '../../src/db/tables.ts'
import { EntraSyncError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { restoredBy } from '../../src/restore/restored.ts'
import { openWitness } from '../../src/restore/witness.ts'
import type { TargetContext } from '../../src/targets/context.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { runCommand } from '../cli/run-command.ts'
import { startFleet } from '../crash/fleet.ts'
import { backUp, testDatabase, type TestDatabase } from '../harness/database.ts'
import {
  group,
  guid,
  member,
  numbers,
  removed,
  Script,
  scriptedContext,
  sku,
  syncOnce,
  user,
} from '../sync/scripted.ts'

const entra = guid(1, 99)
const tenant = guid(1, 98)
const item = guid(1, 97)
const log = createLog({ level: 'silent', pretty: false })

describe('a restored database', () => {
  let database: TestDatabase
  let db: Kysely<Database>
  let script: Script
  let context: TargetContext

  beforeEach(async () => {
    database = await testDatabase()
    onTestFinished(() => database.drop())
    db = database.db
    context = { db, guard: { holdMin: 5, holdPercent: 10, holdMax: 500 }, licenseGraceMs: 1, log }
    for (const statement of [
      sql`insert into tenants (tenant_id, name, slug) values (${tenant}, 'Contoso', 'contoso')`,
      sql`insert into entra_tenants (entra_tenant_id, display_name) values (${entra}, 'Contoso')`,
      sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${tenant}, ${entra})`,
      sql`insert into maintenance_items (item_id, name) values (${item}, 'Office')`,
      sql`insert into deployments (name, item_id, scope, target_type) values ('Office', ${item}, 'cross_tenant', 'everyone')`,
    ])
      await statement.execute(db)
    script = new Script(entra)
    script.round(
      'users',
      numbers(60).map((n) => user(n)),
    )
    script
      .round('groups', [
        group(
          1,
          numbers(40).map((n) => member(n)),
        ),
      ])
      .round('skus', [sku(1)])
    await sync()
    await resolve()
    expect(await targets()).toBe(60)
  })
  const sync = () => syncOnce(scriptedContext(db, script), entra)
  const resolve = () => resolveTargets(context, { trigger: 'test' })
  const targets = async () =>
    (await sql<{ n: number }>`select count(*) as n from deployment_targets`.execute(db)).rows[0]?.n
  const facts = () =>
    db.selectFrom('entra_tenants').select(['restored_at', 'last_synced_at']).executeTakeFirstOrThrow()

  test('is read whole before anything is removed, its targets are frozen until then, readers start from a snapshot', async () => {
    const before = await db.selectFrom('target_feed').selectAll().executeTakeFirstOrThrow()
    expect(await restoredBy(db, 'anna')).toMatchObject({ entraTenants: 1, holds: 0 })
    expect(await facts()).toMatchObject({ restored_at: expect.any(Date), last_synced_at: expect.any(Date) })
    await expect(readChanges(db, { after: before.last_seq + 500, max: 10 })).rejects.toMatchObject({
      code: 'feed_truncated',
    })

    // Groups cannot be read: the Entra tenant was not read whole, and one person who is gone keeps the targets.
    script.round(
      'users',
      numbers(59, 2).map((n) => user(n)),
    )
    script.round('groups', new EntraSyncError('transient', 'Graph is away', { code: 'graph_503' }))
    expect(await sync()).toMatchObject({ outcome: 'failed', summary: { users: { mode: 'full' } } })
    await resolve()
    expect(await targets()).toBe(60)
    expect((await facts()).restored_at).not.toBeNull()

    script.round(
      'users',
      numbers(59, 2).map((n) => user(n)),
    )
    script.round('groups', [
      group(
        1,
        numbers(39, 2).map((n) => member(n)),
      ),
    ])
    expect(await sync()).toMatchObject({ outcome: 'succeeded', summary: { groups: { mode: 'full' } } })
    expect((await facts()).restored_at).toBeNull()
    await resolve()
    expect(await targets()).toBe(59)
    const after = await db.selectFrom('target_feed').selectAll().executeTakeFirstOrThrow()
    expect(after.last_seq).toBeGreaterThan(after.floor_seq)
    expect((await readChanges(db, { after: after.floor_seq, max: 10 })).changes).toMatchObject([
      { change: 'unassigned', seq: after.floor_seq + 1 },
    ])
  })

  test('voids open holds, unused approvals and sign-ins under way, and fences whoever still works', async () => {
    script.round(
      'users',
      numbers(10).map((n) => removed(guid(n, 1))),
    )
    expect(await sync()).toMatchObject({ outcome: 'held' })
    await sql`insert into holds (entra_tenant_id, tenant_id, kind, reason, size, of_total, status, closed_at)
      values (${entra}, ${tenant}, 'target', 'over_percent', 9, 9, 'approved', now())`.execute(db)
    await sql`insert into consent_requests (state_hash, entra_tenant_id, app_id, requested_by, browser_hash, expires_at)
      values ('\\x01', ${entra}, ${item}, 'anna', '\\x02', now() + interval '1 day')`.execute(db)
    const seq = async () =>
      (await db.selectFrom('sync_leases').select('run_seq').executeTakeFirstOrThrow()).run_seq
    const lease = await seq()
    expect(await restoredBy(db, 'anna')).toMatchObject({ holds: 1 })
    expect(await seq()).toBeGreaterThan(lease + 1_000_000)
    expect(await db.selectFrom('consent_requests').selectAll().execute()).toEqual([])
    const holds = await db
      .selectFrom('holds')
      .select(['kind', 'status', 'applied_at'])
      .orderBy('kind')
      .execute()
    expect(holds).toEqual([
      { kind: 'person', status: 'withdrawn', applied_at: null },
      { kind: 'target', status: 'approved', applied_at: expect.any(Date) },
    ])
    // What is gone indeed is found, and held, again.
    script.round(
      'users',
      numbers(50, 11).map((n) => user(n)),
    )
    script.round('groups', [
      group(
        1,
        numbers(40).map((n) => member(n)),
      ),
    ])
    expect(await sync()).toMatchObject({ outcome: 'held', summary: { users: { held: 10 } } })
  })

  test('is told while a tick takes what is due: neither waits for the other in a circle', async () => {
    const tick = await db.startTransaction().execute()
    await sql`select from entra_tenants for no key update`.execute(tick)
    const telling = restoredBy(db, 'anna')
    while (
      (
        await sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
          db,
        )
      ).rows.length === 0
    )
      await sleep(20)
    const asked = requestSync(tick, { entraTenantId: entra, requestedBy: 'schedule', priority: 20 }).then(
      () => tick.commit().execute(),
    )
    expect(await Promise.allSettled([asked, telling])).toMatchObject([
      { status: 'fulfilled' },
      { status: 'fulfilled' },
    ])
  })

  test('the command says what happens now', async () => {
    const { code, stdout } = await runCommand(['restored'], { DATABASE_URL: database.url })
    expect(code).toBe(0)
    expect(stdout).toContain('All 1 Entra tenants are read whole')
    expect((await runCommand(['status', 'contoso'], { DATABASE_URL: database.url })).stdout).toContain(
      'the database was restored',
    )
    const { stdout: json } = await runCommand(['restored', '--json'], { DATABASE_URL: database.url })
    expect(JSON.parse(json)).toMatchObject({ entraTenants: 1, holds: 0 })
  })
})

describe('the witness', () => {
  async function witnessed() {
    const database = await testDatabase()
    onTestFinished(() => database.drop())
    const folder = await mkdtemp(join(tmpdir(), 'entra-sync-witness-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'data', 'witness.json')
    const witness = openWitness(database.db, file, log)
    onTestFinished(() => witness.stop())
    await database.db.insertInto('entra_tenants').values({ entra_tenant_id: entra }).execute()
    const rewind = (beats: number, ago: string) =>
      sql`update restore_witness set beats = ${beats}, beat_at = now() - ${ago}::interval`.execute(
        database.db,
      )
    return { db: database.db, witness, file, rewind }
  }

  test('finds nothing as long as the count goes on, nor in a file that is none', async () => {
    const { witness, file } = await witnessed()
    expect(await witness.beat()).toEqual({ what: 'nothing' })
    expect(await witness.beat()).toEqual({ what: 'nothing' })
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ beats: 2 })
    await writeFile(file, '{"beats": "many"}')
    expect(await witness.beat()).toEqual({ what: 'nothing' })
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ beats: 3 })
  })

  test('a database of last week is a restore, noted once', async () => {
    const { db, witness, rewind } = await witnessed()
    for (let n = 0; n < 3; n++) await witness.beat()
    await rewind(1, '7 days')
    expect(await witness.beat()).toMatchObject({ what: 'restored', restored: { entraTenants: 1 } })
    expect(await witness.beat()).toEqual({ what: 'nothing' })
    expect(await db.selectFrom('audit_log').select(['actor', 'action']).execute()).toEqual([
      { actor: 'daemon', action: 'restored' },
    ])
  })

  test('a replica that lacked the last seconds costs readers a snapshot, and nothing else', async () => {
    const { db, witness, rewind } = await witnessed()
    for (let n = 0; n < 3; n++) await witness.beat()
    await rewind(2, '30 seconds')
    const seq = async () =>
      (await sql<{ seq: number }>`select run_seq as seq from sync_leases`.execute(db)).rows[0]?.seq
    await sql`insert into sync_leases (entra_tenant_id, run_seq) values (${entra}, 7)`.execute(db)
    expect(await witness.beat()).toMatchObject({ what: 'rewound' })
    // The next worker must not get the number that one has who took the lease in the seconds that were lost.
    expect(await seq()).toBeGreaterThan(1_000_000)
    expect(await db.selectFrom('entra_tenants').select('restored_at').execute()).toEqual([
      { restored_at: null },
    ])
    expect(await witness.beat()).toEqual({ what: 'nothing' })
  })

  test('another database is none of its business', async () => {
    const { db, witness, rewind } = await witnessed()
    await witness.beat()
    await rewind(0, '7 days')
    await sql`update restore_witness set database_id = gen_random_uuid()`.execute(db)
    expect(await witness.beat()).toEqual({ what: 'nothing' })
  })
})

test.each(['redis', 'postgres'] as const)(
  'daemons that run while the database is restored notice it, and the tables equal the truth again, on %s',
  async (backend) => {
    const fleet = await startFleet(backend, 2, { seed: 3, sizes: [40, 20], customers: 1, latencyMs: 2 })
    onTestFinished(() => fleet.close())
    const { db } = fleet.database
    const mutate = async (seed: number) => {
      for (const one of fleet.cloud.tenants) {
        const answer = await fetch(`${fleet.cloud.controlUrl}/mutate`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ tenantId: one.id, count: 20, seed }),
        })
        expect(answer.status).toBe(200)
      }
      await fleet.settle()
    }
    await fleet.settle()
    const backup = await backUp(fleet.database)
    await mutate(1)
    await mutate(2)
    expect(await fleet.differences()).toEqual([])
    // A file-level copy lacks the time that a week would have put between: the count that daemons saw is put ahead.
    await sql`update restore_witness set beats = beats + 100`.execute(db)
    await fleet.restartWorkers()
    await backup.restore()
    await sql`update restore_witness set beat_at = now() - interval '7 days'`.execute(db)
    await fleet.restartWorkers()
    while ((await sql`select 1 from audit_log where action = 'restored'`.execute(db)).rows.length === 0)
      await sleep(50)
    await fleet.settle()
    expect(await fleet.differences()).toEqual([])
    const frozen = await sql`select 1 from entra_tenants where restored_at is not null`.execute(db)
    expect(frozen.rows).toEqual([])
  },
)

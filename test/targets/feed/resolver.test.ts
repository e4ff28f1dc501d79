import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connection.ts'
import { databaseError } from '../../../src/db/errors.ts'
import type { Database } from '../../../src/db/tables.ts'
import { readChanges } from '../../../src/db/target-feed.ts'
import { createLog } from '../../../src/log.ts'
import { changeDeliberately } from '../../../src/targets/deliberate.ts'
import { resolveTargets } from '../../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { applyChange, snapshotOf, type Targets } from './world.ts'

const log = createLog({ level: 'silent', pretty: false })
const guard = { holdMin: 1_000_000, holdPercent: 100, holdMax: 10_000_000 }
const familyIds = Array.from({ length: 6 }, () => randomUUID())
let database: TestDatabase
let db: Kysely<Database>

/** Six customers of ten persons, some tagged, each with a tenant of its own and one that shares it. */
beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  for (const [n, family] of familyIds.entries()) {
    await sql`insert into entra_tenants (entra_tenant_id, last_synced_at) values (${family}, now())`.execute(
      db,
    )
    const { rows } = await sql<{ id: string }>`
      insert into tenants (name, slug) values (${`T${n}`}, ${`t${n}`}) returning tenant_id as id`.execute(db)
    const tenant = rows[0]?.id ?? ''
    await sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${tenant}, ${family})`.execute(db)
    await sql`
      insert into persons (entra_tenant_id, object_id, tenant_id, user_principal_name, account_enabled, tags)
      select ${family}, gen_random_uuid(), ${tenant}, 'p' || n || '@x', true, case when n % 2 = 0 then '{cad}'::text[] else '{}' end
      from generate_series(1, 10) n`.execute(db)
  }
  await sql`
    with item as (insert into maintenance_items (name) values ('AutoCAD'), ('Teams') returning item_id, name)
    insert into deployments (name, item_id, scope, target_type, target)
    select name, item_id, 'cross_tenant', case name when 'Teams' then 'everyone' else 'tag' end,
      case name when 'Teams' then '{}' else '{"tag": "cad"}' end::jsonb from item`.execute(db)
})
afterEach(() => database.drop())

const contextOf = (own: Kysely<Database>) => ({ db: own, guard, licenseGraceMs: 0, log })

/** Others tag and untag, disable and delete, one family after the other, as syncs do. */
async function changePersons(round: number): Promise<void> {
  for (const [n, family] of familyIds.entries()) {
    await sql`
      update persons set
        tags = case when hashtext(object_id::text || ${String(round)}) % 3 = 0 then '{cad}'::text[] else '{}' end,
        deleted_at = case when hashtext(object_id::text) % 7 = ${(round + n) % 7} then now() end
      where entra_tenant_id = ${family}`.execute(db)
  }
}

/** Kills the connection of a resolution while its transaction is open; answers how many times, until it has ended. */
async function killInTransaction(victim: Promise<unknown>): Promise<number> {
  const state = { ended: false, kills: 0 }
  const end = victim.finally(() => (state.ended = true))
  while (!state.ended && state.kills === 0) {
    // Materialized: Postgres is free to kill before it looks whom.
    const { rows } = await sql`
      with found as materialized (
        select pid from pg_stat_activity
        where datname = current_database() and application_name = 'to be killed' and xact_start is not null
          and query ~ 'resolving|target_changes'
      )
      select pg_terminate_backend(pid) from found`.execute(db)
    state.kills += rows.length
  }
  await end
  return state.kills
}

test('resolutions side by side, deliberate changes and a killed one leave a feed that leads to the targets', async () => {
  const context = contextOf(db)
  await resolveTargets(context, { trigger: 'first' })
  const start = await snapshotOf(db)
  expect(start.targets.size).toBe(6 * 15)
  const own = openDatabase(database.url, { max: 2, applicationName: 'to be killed', onError: () => {} })
  let kills = 0
  for (let round = 0; round < 6; round++) {
    await changePersons(round)
    const version = `${round}.0`
    const victim = resolveTargets(contextOf(own), { trigger: 'killed' }).catch(
      // Its look for what is dirty is outside what a failed family is told by.
      (error: unknown) => expect(databaseError(error)).not.toBeNull(),
    )
    const [killed] = await Promise.all([
      killInTransaction(victim),
      ...familyIds.map((id) => resolveTargets(context, { trigger: 'test', familyIds: [id] })),
      changeDeliberately(context, {
        trigger: 'test',
        keep: round % 2 === 0,
        write: async (trx) =>
          void (await sql`update deployments set version = ${version} where name = 'Teams'`.execute(trx)),
      }),
      changePersons(round + 100),
    ])
    kills += killed
  }
  expect(kills).toBeGreaterThan(0)
  await own.destroy()
  const rest = await resolveTargets(context, { trigger: 'last' })
  expect(rest.failed).toEqual([])

  const { changes, lastSeq } = await readChanges(db, { after: 0, max: 1_000_000 })
  expect(changes.map(({ seq }) => seq)).toEqual(Array.from({ length: lastSeq }, (_, n) => n + 1))
  expect(changes.filter(({ change }) => change === 'changed').length).toBeGreaterThan(0)
  expect(changes.filter(({ change }) => change === 'unassigned').length).toBeGreaterThan(0)
  const replayed: Targets = new Map()
  for (const change of changes) {
    applyChange(replayed, change)
    if (change.seq === start.seq) expect(replayed).toEqual(start.targets)
    if (change.seq > start.seq) applyChange(start.targets, change)
  }
  const table = await snapshotOf(db)
  expect(replayed).toEqual(table.targets)
  expect(start.targets).toEqual(table.targets)
})

test('persons who move to another tenant are unassigned there before they are assigned here', async () => {
  const context = contextOf(db)
  await resolveTargets(context, { trigger: 'first' })
  const [family] = familyIds
  for (let n = 0; n < 4; n++) {
    const { rows } = await sql<{ id: string }>`
      insert into tenants (name, slug) values (${`Moved ${n}`}, ${`moved${n}`}) returning tenant_id as id`.execute(
      db,
    )
    await sql`update tenant_links set tenant_id = ${rows[0]?.id} where entra_tenant_id = ${family}`.execute(
      db,
    )
    await sql`update persons set tenant_id = ${rows[0]?.id} where entra_tenant_id = ${family}`.execute(db)
    await resolveTargets(context, { trigger: 'moved' })
  }
  const { changes } = await readChanges(db, { after: 0, max: 1_000_000 })
  const moved = changes.filter(({ reason }) => reason['by'] === 'moved')
  expect(moved.length).toBe(4 * 2 * 15)
  const replayed: Targets = new Map()
  for (const change of changes) applyChange(replayed, change)
  expect(replayed).toEqual((await snapshotOf(db)).targets)
})

import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { takeRequest } from '../../src/db/requests.ts'
import { insertRun } from '../../src/db/runs.ts'
import type { Database } from '../../src/db/tables.ts'
import { runTick } from '../../src/scheduler/tick.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { openTestQueues, until, type TestQueues } from '../jobs/support.ts'
import { guid, Script, scriptedContext, sku, syncOnce, user } from '../sync/scripted.ts'

// Who takes several rows of one Entra tenant takes them in one order, or Postgres ends one of two that wait for each other.

const tenant = guid(1, 99)
let database: TestDatabase
let db: Kysely<Database>
let queues: TestQueues

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  queues = await openTestQueues('postgres', database.url)
  await db.insertInto('entra_tenants').values({ entra_tenant_id: tenant }).execute()
  await sql`update entra_tenants set next_sync_at = now() - interval '1 second'`.execute(db)
})
afterEach(async () => {
  await queues.close()
  await database.drop()
})

const tick = () => runTick({ db, queues, intervals: { syncMs: 1_800_000, discoveryMs: 21_600_000 } })

const waits = (type: string, event?: string) => async () => {
  const { rows } = await sql`select 1 from pg_stat_activity where datname = current_database()
    and wait_event_type = ${type} ${event === undefined ? sql`` : sql`and wait_event = ${event}`}`.execute(db)
  return rows.length > 0
}

test('a tick and a claim of the same Entra tenant do not wait for each other', async () => {
  await requestSync(db, { entraTenantId: tenant, requestedBy: 'anna', priority: 10 })
  const ticked = await db.transaction().execute(async (trx) => {
    await takeRequest(trx, tenant)
    const ticking = tick()
    await until('the tick meets the lock', waits('Lock'))
    await insertRun(trx, { entraTenantId: tenant, trigger: ['anna'], mode: 'delta' })
    return { ticking }
  })
  expect(await ticked.ticking).toMatchObject({ due: 1 })
})

test('a tick and the end of a run of the same Entra tenant do not wait for each other', async () => {
  await sql`create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(1); return null; end $$`.execute(
    db,
  )
  await sql`create trigger slow after update on sync_requests for each row
    when (old.serving_seq is not null and new.serving_seq is null) execute function slow()`.execute(db)
  const script = new Script(tenant).round('users', [user(1)]).round('skus', [sku(1)])
  const running = syncOnce(scriptedContext(db, script), tenant)
  await until('the run ends', waits('Timeout', 'PgSleep'))
  const [run, ticked] = await Promise.allSettled([running, tick()])
  expect(run).toMatchObject({ status: 'fulfilled', value: { outcome: 'succeeded' } })
  expect(ticked.status).toBe('fulfilled')
})

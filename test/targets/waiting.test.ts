import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { EntraSyncError } from '../../src/errors.ts'
import { isPassing, noteFailures, restingFamilies, restMs } from '../../src/targets/failures.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { dirtyDaily, forgetGoneFamilies, forgottenFamilies, oldestDirt } from '../../src/targets/waiting.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { log } from '../jobs/support.ts'

const contoso = '11111111-0000-4000-8000-000000000001'
let database: TestDatabase
let db: Kysely<Database>

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  await sql`insert into entra_tenants (entra_tenant_id, display_name, last_synced_at) values (${contoso}, 'Contoso', now())`.execute(
    db,
  )
  await sql`with t as (insert into tenants (name, slug) values ('Contoso', 'contoso') returning tenant_id)
    insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${contoso} from t`.execute(db)
  await resolve()
})
afterEach(() => database.drop())

const resolve = () =>
  resolveTargets(
    { db, guard: { holdMin: 5, holdPercent: 10, holdMax: 500 }, licenseGraceMs: 0, log },
    { trigger: 'test' },
  )
const person = () =>
  sql`insert into persons (entra_tenant_id, user_principal_name) values (${contoso}, gen_random_uuid()::text)`.execute(
    db,
  )
const age = (interval: string) => sql`update target_dirt set at = now() - ${interval}::interval`.execute(db)
const forgotten = (afterMs: number) => forgottenFamilies(db, afterMs)

test('a change is forgotten when nobody took it up for so long; an act of an operator at once', async () => {
  expect(await forgotten(0)).toEqual([])
  await person()
  expect(await forgotten(10_000)).toEqual([])
  expect(await forgotten(0)).toEqual([contoso])
  await age('11 seconds')
  expect(await forgotten(10_000)).toEqual([contoso])
  await resolve()
  await sql`update tenants set in_cross_tenant_deployments = false`.execute(db)
  expect(await forgotten(10_000)).toEqual([contoso])
})

test('a family that is being synced waits for the end of its run, though not for ever', async () => {
  await person()
  await sql`insert into sync_runs (entra_tenant_id, mode) values (${contoso}, 'delta')`.execute(db)
  expect(await forgotten(0)).toEqual([])
  await age('11 minutes')
  expect(await forgotten(0)).toEqual([contoso])
})

test('frozen families are not forgotten, nor those that rest', async () => {
  await person()
  await sql`update entra_tenants set gone_at = now()`.execute(db)
  expect(await forgotten(0)).toEqual([])
  await sql`update entra_tenants set gone_at = null`.execute(db)
  await sql`insert into target_failures (family_id, code, message, retry_at)
    values (${contoso}, 'x', 'm', now() + interval '1 minute')`.execute(db)
  expect(await forgotten(0)).toEqual([])
  expect([...(await restingFamilies(db))]).toEqual([contoso])
  await sql`update target_failures set retry_at = now()`.execute(db)
  expect(await forgotten(0)).toEqual([contoso])
})

test('a family that was synced and never resolved is forgotten, whatever its dirt', async () => {
  await sql`delete from target_families`.execute(db)
  expect(await forgotten(0)).toEqual([contoso])
  await resolve()
  expect(await forgotten(0)).toEqual([])
})

test('a full round makes a family whole dirt once a day, under the guard', async () => {
  const full = (interval: string) =>
    sql`update entra_tenants set last_full_at = now() - ${interval}::interval`.execute(db)
  await full('1 minute')
  expect(await dirtyDaily(db, contoso)).toBe(0)
  await sql`update target_families set whole_at = now() - interval '23 hours'`.execute(db)
  await full('24 hours')
  expect(await dirtyDaily(db, contoso)).toBe(0)
  await full('1 minute')
  expect(await dirtyDaily(db)).toBe(1)
  expect(await dirtyDaily(db)).toBe(0)
  const { rows } = await sql`select kind, deliberate from target_dirt`.execute(db)
  expect(rows).toEqual([{ kind: 'all', deliberate: false }])
  expect(await oldestDirt(db, contoso)).toBeGreaterThan(0)
  await resolve()
  expect(await oldestDirt(db, contoso)).toBeNull()
  expect(await dirtyDaily(db, contoso)).toBe(0)
})

test('a missed trigger heals by the day: targets that nobody dirtied come with the whole resolution', async () => {
  await sql`with i as (insert into maintenance_items (name) values ('Office') returning item_id)
    insert into deployments (name, item_id, scope, target_type) select 'Office', item_id, 'cross_tenant', 'everyone' from i`.execute(
    db,
  )
  await resolve()
  await sql`insert into persons (entra_tenant_id, user_principal_name, tenant_id)
    select ${contoso}, 'ann', tenant_id from tenants`.execute(db)
  await sql`delete from target_dirt`.execute(db)
  await sql`update target_families set whole_at = now() - interval '25 hours'`.execute(db)
  await sql`update entra_tenants set last_full_at = now()`.execute(db)
  await dirtyDaily(db, contoso)
  expect(await resolve()).toMatchObject({ families: 1, assigned: 1 })
})

test('families of nobody are forgotten, when nothing of theirs is left', async () => {
  await sql`insert into target_families (family_id) values (gen_random_uuid())`.execute(db)
  const { rows } = await sql`select from target_families`.execute(db)
  const gone = await forgetGoneFamilies(db)
  expect(gone).toBe(1)
  expect((await sql`select from target_families`.execute(db)).rows).toHaveLength(rows.length - 1)
})

test('failures in a row rest longer and longer, and are forgotten with the first success', async () => {
  const error = (code: string) => new EntraSyncError('database', 'no', { code })
  const [first] = await noteFailures(db, [contoso], [{ familyId: contoso, error: error('postgres_40p01') }])
  expect(first).toMatchObject({ failures: 1, transient: true })
  const [second] = await noteFailures(db, [contoso], [{ familyId: contoso, error: error('postgres_22012') }])
  expect(second).toMatchObject({ failures: 2, transient: false })
  await noteFailures(db, [contoso], [])
  expect((await sql`select from target_failures`.execute(db)).rows).toEqual([])
  expect([1, 2, 3, 20].map((n) => restMs(n, true))).toEqual([2000, 4000, 8000, 300_000])
  expect([1, 2, 20].map((n) => restMs(n, false))).toEqual([60_000, 120_000, 3_600_000])
})

test.each([
  ['postgres_40p01', true],
  ['postgres_40001', true],
  ['postgres_55p03', true],
  ['postgres_connection_lost', true],
  ['postgres_econnreset', true],
  ['postgres_57p01', true],
  ['postgres_53300', true],
  ['postgres_57014', true],
  ['postgres_25006', true],
  ['postgres_22P02', false],
  ['postgres_22012', false],
  ['postgres_23505', false],
])('%s passes by itself: %s', (code, passes) => {
  expect(isPassing(new EntraSyncError('database', 'no', { code }))).toBe(passes)
  expect(isPassing(new EntraSyncError('input', 'no', { code }))).toBe(false)
})

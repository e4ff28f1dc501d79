import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { dirtyEndedGraces } from '../../src/targets/grace.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'

const tenant = 'aaaaaaaa-0000-4000-8000-000000000001'
const unresolved = 'aaaaaaaa-0000-4000-8000-000000000002'
const day = 24 * 60 * 60 * 1000
let database: TestDatabase
let db: Kysely<Database>

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  await sql`insert into entra_tenants (entra_tenant_id, last_synced_at)
    values (${tenant}, now()), (${unresolved}, now())`.execute(db)
  await sql`insert into target_families (family_id) values (${tenant})`.execute(db)
})
afterEach(() => database.drop())

/** An SKU suspended since so many days, whose own dirt has been taken. */
async function suspended(since: number, status = 'Suspended', of = tenant): Promise<string> {
  const id = randomUUID()
  await sql`
    insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, capability_status, status_since)
    values (${of}, ${id}, 'SPB', ${status}, now() - make_interval(secs => ${since * 86_400}))`.execute(db)
  await sql`delete from target_dirt`.execute(db)
  return id
}

/** As if the last look had been so many days ago. */
const lookedBefore = (days: number) =>
  sql`update license_grace_look set looked_at = now() - make_interval(secs => ${days * 86_400})`.execute(db)

const dirt = () =>
  db.selectFrom('target_dirt').select(['family_id', 'kind', 'id', 'deliberate']).orderBy('dirt_id').execute()

test('a grace that has ended since the last look is dirt for all who have the SKU, once', async () => {
  const id = await suspended(30.5)
  await lookedBefore(1)
  expect(await dirtyEndedGraces(db, 30 * day)).toBe(1)
  const written = [{ family_id: tenant, kind: 'sku', id, deliberate: false }]
  expect(await dirt()).toEqual(written)
  expect(await dirtyEndedGraces(db, 30 * day)).toBe(0)
  expect(await dirt()).toEqual(written)
})

test('a resolution between the end of the grace and the look hides nothing', async () => {
  const id = await suspended(30.5)
  await lookedBefore(1)
  await sql`update target_families set resolved_at = now(), whole_at = now()`.execute(db)
  await dirtyEndedGraces(db, 30 * day)
  expect(await dirt()).toMatchObject([{ id }])
})

test('suspended and past its grace between two looks', async () => {
  const id = await suspended(0.5)
  await lookedBefore(1)
  await dirtyEndedGraces(db, 0.25 * day)
  expect(await dirt()).toMatchObject([{ id }])
})

test('nothing while the grace lasts, nor for one that ended long ago, nor for SKUs that are not suspended', async () => {
  await suspended(29)
  await suspended(35)
  await suspended(30.5, 'Enabled')
  await suspended(30.5, 'LockedOut')
  await suspended(30.5, 'Suspended', unresolved)
  await lookedBefore(1)
  expect(await dirtyEndedGraces(db, 30 * day)).toBe(0)
  expect(await dirt()).toEqual([])
})

test('another grace in the configuration counts at once, shorter and longer', async () => {
  const early = await suspended(5)
  const late = await suspended(40)
  await dirtyEndedGraces(db, 30 * day)
  expect(await dirt()).toEqual([])
  await dirtyEndedGraces(db, 3 * day)
  expect(await dirt()).toMatchObject([{ id: early }])
  await sql`delete from target_dirt`.execute(db)
  await dirtyEndedGraces(db, 60 * day)
  expect(new Set((await dirt()).map(({ id }) => id))).toEqual(new Set([early, late]))
})

test('looks at the same time find it once', async () => {
  await suspended(30.5)
  await lookedBefore(1)
  const found = await Promise.all([1, 2, 3, 4].map(() => dirtyEndedGraces(db, 30 * day)))
  expect(found.reduce((sum, one) => sum + one, 0)).toBe(1)
  expect(await dirt()).toHaveLength(1)
})

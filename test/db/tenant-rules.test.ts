import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'

let database: TestDatabase
let db: Kysely<Database>

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
})
afterEach(() => database.drop())

async function add(slug: string, parent: string | null = null, isMsp = false): Promise<string> {
  const { tenant_id } = await db
    .insertInto('tenants')
    .values({ name: slug, slug, parent_tenant_id: parent, is_msp: isMsp })
    .returning('tenant_id')
    .executeTakeFirstOrThrow()
  return tenant_id
}

test('the MSP is not deleted, and stays the MSP whatever else of it changes', async () => {
  const msp = await add('msp', null, true)
  await add('customer')
  await expect(sql`delete from tenants where tenant_id = ${msp}`.execute(db)).rejects.toThrow('is the MSP')
  await sql`update tenants set slug = 'renamed', name = 'Renamed' where tenant_id = ${msp}`.execute(db)
  expect(await db.selectFrom('tenants').select(['slug', 'is_msp']).orderBy('slug').execute()).toEqual([
    { slug: 'customer', is_msp: false },
    { slug: 'renamed', is_msp: true },
  ])
  await sql`delete from tenants where slug = 'customer'`.execute(db)
})

test('no tenant is above itself, through however many others', async () => {
  const top = await add('top')
  const middle = await add('middle', top)
  const low = await add('low', middle)
  await expect(
    sql`update tenants set parent_tenant_id = ${low} where tenant_id = ${top}`.execute(db),
  ).rejects.toThrow('above itself')
  await expect(
    sql`update tenants set parent_tenant_id = ${top} where tenant_id = ${top}`.execute(db),
  ).rejects.toThrow()
  await sql`update tenants set parent_tenant_id = ${top} where tenant_id = ${low}`.execute(db)
})

import type { Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { guid, Script, scriptedContext, sku, syncOnce, user } from './scripted.ts'

const tenant = guid(1, 99)
let database: TestDatabase
let db: Kysely<Database>
let script: Script

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  await db.insertInto('entra_tenants').values({ entra_tenant_id: tenant }).execute()
  script = new Script(tenant).round('skus', [sku(1)])
})
afterEach(() => database.drop())

const byHand = (upn: string, deleted_at: Date | null = null) =>
  db
    .insertInto('persons')
    .values({ entra_tenant_id: tenant, user_principal_name: upn, tags: ['by hand'], deleted_at })
    .execute()
const persons = () =>
  db
    .selectFrom('persons')
    .select(['object_id', 'user_principal_name', 'tags', 'display_name'])
    .orderBy('object_id')
    .execute()

test('a hand-made person is adopted by its exact UPN in any case, and keeps its tags', async () => {
  await byHand('USER1@Contoso.example')
  await byHand('user2@contoso.example.org')
  script.round('users', [user(1)], [user(1), user(2)])
  await syncOnce(scriptedContext(db, script), tenant)
  expect(await persons()).toMatchObject([
    { object_id: guid(1, 1), display_name: 'User 1', tags: ['by hand'] },
    { object_id: guid(2, 1), tags: [] },
    { object_id: null, user_principal_name: 'user2@contoso.example.org' },
  ])
})

test('two hand-made persons of one UPN: neither is adopted, and a problem says so', async () => {
  await byHand('user1@contoso.example')
  await byHand('User1@contoso.example')
  await byHand('user2@contoso.example', new Date())
  script.round('users', [user(1), user(2)])
  expect(await syncOnce(scriptedContext(db, script), tenant)).toMatchObject({ outcome: 'succeeded' })
  expect((await persons()).filter((person) => person.object_id !== null)).toMatchObject([
    { tags: [] },
    { tags: [] },
  ])
  expect(await db.selectFrom('problems').select(['code', 'who_acts']).execute()).toEqual([
    { code: 'adoption_ambiguous', who_acts: 'operator' },
  ])
})

test('persons come to their ImmyBot tenant by link and domain in the page that brings them, and it is told once', async () => {
  const add = async (slug: string, domain: string | null) => {
    const { tenant_id } = await db
      .insertInto('tenants')
      .values({ name: slug, slug })
      .returning('tenant_id')
      .executeTakeFirstOrThrow()
    await db.insertInto('tenant_links').values({ tenant_id, entra_tenant_id: tenant, domain }).execute()
    return tenant_id
  }
  const everyone = await add('contoso', null)
  const split = await add('fabrikam', 'fabrikam.example')
  script.round('users', [user(1), user(2, { userPrincipalName: 'Two@Fabrikam.example' })])
  await syncOnce(scriptedContext(db, script), tenant)
  const placed = await db.selectFrom('persons').select('tenant_id').orderBy('object_id').execute()
  expect(placed.map((row) => row.tenant_id)).toEqual([everyone, split])
  const dirty = () => db.selectFrom('tenants').select(['slug', 'targets_dirty_seq']).orderBy('slug').execute()
  const before = await dirty()
  expect(before.every((row) => row.targets_dirty_seq > 0)).toBe(true)
  await syncOnce(scriptedContext(db, script), tenant)
  expect(await dirty()).toEqual(before)
})

test('texts that Postgres refuses arrive without what it refuses', async () => {
  script.round('users', [user(1, { displayName: 'a\u0000b\ud800c \\u0000' })])
  expect(await syncOnce(scriptedContext(db, script), tenant)).toMatchObject({ outcome: 'succeeded' })
  expect(await persons()).toMatchObject([{ display_name: 'ab\ufffdc \\u0000' }])
})

test('two Entra tenants with the same people, guests and object ids among them, share no row and no adoption', async () => {
  const other = guid(2, 99)
  await db.insertInto('entra_tenants').values({ entra_tenant_id: other }).execute()
  const guest = user(2, {
    userPrincipalName: 'gast_fabrikam.example#EXT#@contoso.onmicrosoft.com',
    userType: 'Guest',
  })
  await byHand('user1@contoso.example')
  const there = new Script(other).round('users', [user(1), guest]).round('skus', [sku(1)])
  await syncOnce(scriptedContext(db, there), other)
  script.round('users', [user(1), guest])
  await syncOnce(scriptedContext(db, script), tenant)
  await db
    .updateTable('persons')
    .set({ tags: ['there'] })
    .where('entra_tenant_id', '=', other)
    .execute()
  script.round('users', [user(1, { displayName: 'Renamed' })])
  await syncOnce(scriptedContext(db, script), tenant)
  const rows = await db
    .selectFrom('persons')
    .select(['entra_tenant_id', 'object_id', 'display_name', 'tags'])
    .orderBy('entra_tenant_id')
    .orderBy('object_id')
    .execute()
  expect(rows).toEqual([
    { entra_tenant_id: tenant, object_id: guid(1, 1), display_name: 'Renamed', tags: ['by hand'] },
    { entra_tenant_id: tenant, object_id: guid(2, 1), display_name: 'User 2', tags: [] },
    { entra_tenant_id: other, object_id: guid(1, 1), display_name: 'User 1', tags: ['there'] },
    { entra_tenant_id: other, object_id: guid(2, 1), display_name: 'User 2', tags: ['there'] },
  ])
})

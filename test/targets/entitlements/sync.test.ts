import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { builtInEntitlements } from '../../../src/config/built-in-entitlements.ts'
import type { ConfiguredEntitlement } from '../../../src/config/app-entitlements.ts'
import type { Database } from '../../../src/db/tables.ts'
import { syncEntitlements } from '../../../src/targets/entitlements/sync.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'

const tenant = 'aaaaaaaa-0000-4000-8000-000000000001'
const planId = (n: number): string => `bbbbbbbb-0000-4000-8000-00000000000${n}`
let database: TestDatabase
let db: Kysely<Database>

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  await sql`insert into tenants (tenant_id, name, slug) values (${tenant}, 'Contoso', 'contoso')`.execute(db)
  await sql`delete from target_dirt`.execute(db)
})
afterEach(() => database.drop())

const acrobat: ConfiguredEntitlement = {
  name: 'acrobat',
  productName: 'Acrobat',
  yieldsTo: 'acrobat_pro',
  plans: [{ id: planId(1), name: 'ACROBAT' }],
}
const pro: ConfiguredEntitlement = {
  name: 'acrobat_pro',
  productName: 'Acrobat Pro',
  yieldsTo: null,
  plans: [{ id: planId(2), name: 'ACROBAT_PRO' }],
}
const more: ConfiguredEntitlement = {
  name: 'm365_apps_enterprise',
  productName: null,
  yieldsTo: null,
  plans: [{ id: planId(3), name: 'OFFICE_OF_NEXT_YEAR' }],
}

const nothing = { added: [], removed: [], changed: [] }

async function configured(): Promise<unknown[]> {
  const { rows } = await sql`
    select e.entitlement, e.product_name, e.yields_to, p.service_plan_name as plan
    from app_entitlements e left join app_entitlement_plans p on p.entitlement = e.entitlement and p.source = 'configuration'
    where e.source = 'configuration' or p.source = 'configuration' order by 1, 4`.execute(db)
  return rows
}

const dirt = () => db.selectFrom('target_dirt').select(['family_id', 'kind', 'deliberate']).execute()
const acts = () =>
  db.selectFrom('audit_log').select(['actor', 'action', 'detail']).orderBy('audit_id').execute()

test('what the code knows as built in is what the migration brings', async () => {
  const { rows } = await sql<{ entitlement: string; id: string; name: string }>`
    select p.entitlement, service_plan_id as id, service_plan_name as name
    from app_entitlement_plans p join app_entitlements e using (entitlement)
    where p.source = 'built_in' and e.source = 'built_in'`.execute(db)
  const known = [...builtInEntitlements].flatMap(([entitlement, plans]) =>
    [...plans].map(([id, name]) => ({ entitlement, id, name })),
  )
  const byId = (one: { id: string }, other: { id: string }) => one.id.localeCompare(other.id)
  expect(rows.sort(byId)).toEqual(known.sort(byId))
})

test('further plans and entitlements of one’s own come, all families are resolved anew, and the audit log says so', async () => {
  const added = [
    'acrobat',
    'acrobat_pro',
    'acrobat: ACROBAT',
    'acrobat_pro: ACROBAT_PRO',
    `${more.name}: OFFICE_OF_NEXT_YEAR`,
  ]
  expect(await syncEntitlements(db, [acrobat, pro, more])).toEqual({ ...nothing, added })
  expect(await configured()).toEqual([
    { entitlement: 'acrobat', product_name: 'Acrobat', yields_to: 'acrobat_pro', plan: 'ACROBAT' },
    { entitlement: 'acrobat_pro', product_name: 'Acrobat Pro', yields_to: null, plan: 'ACROBAT_PRO' },
    {
      entitlement: 'm365_apps_enterprise',
      product_name: 'Microsoft 365 Apps for enterprise',
      yields_to: null,
      plan: 'OFFICE_OF_NEXT_YEAR',
    },
  ])
  expect((await dirt())[0]).toEqual({ family_id: tenant, kind: 'all', deliberate: true })
  expect(await acts()).toEqual([
    { actor: 'configuration', action: 'app_entitlements_changed', detail: { ...nothing, added } },
  ])
})

test('the same configuration writes nothing', async () => {
  await syncEntitlements(db, [acrobat, pro, more])
  await sql`delete from target_dirt`.execute(db)
  expect(await syncEntitlements(db, [more, pro, acrobat])).toEqual(nothing)
  expect(await dirt()).toEqual([])
  expect(await acts()).toHaveLength(1)
})

test('names, what one yields to and plans change; what the file lacks goes, and that is for the guard', async () => {
  await syncEntitlements(db, [acrobat, pro, more])
  await sql`delete from target_dirt`.execute(db)
  const renamed = { ...pro, productName: 'Acrobat Pro DC', plans: [{ id: planId(2), name: 'ACROBAT_DC' }] }
  expect(await syncEntitlements(db, [{ ...acrobat, yieldsTo: null }, renamed, more])).toEqual({
    ...nothing,
    changed: ['acrobat', 'acrobat_pro', 'acrobat_pro: ACROBAT_DC'],
  })
  expect(await configured()).toMatchObject([
    { entitlement: 'acrobat', yields_to: null },
    { product_name: 'Acrobat Pro DC', plan: 'ACROBAT_DC' },
    {},
  ])
  await sql`delete from target_dirt`.execute(db)
  expect(await syncEntitlements(db, [])).toMatchObject({ added: [], changed: [] })
  expect(await configured()).toEqual([])
  expect(new Set((await dirt()).map(({ deliberate }) => deliberate))).toEqual(new Set([false]))
  expect(await db.selectFrom('app_entitlements').select('source').execute()).toEqual(
    Array.from({ length: 4 }, () => ({ source: 'built_in' })),
  )
})

test.each([
  ['its target', `'app_entitlement', '{"entitlement": "acrobat"}', '[]'`],
  ['an exclude', `'everyone', '{}', '[{"type": "app_entitlement", "entitlement": "acrobat"}]'`],
])('an entitlement that a deployment names as %s is not taken away', async (_what, values) => {
  await syncEntitlements(db, [acrobat, pro])
  await sql`insert into maintenance_items (name) values ('Acrobat')`.execute(db)
  await sql`insert into deployments (name, item_id, scope, target_type, target, excludes)
    select 'Acrobat for all', item_id, 'cross_tenant', ${sql.raw(values)} from maintenance_items`.execute(db)
  const before = await configured()
  await expect(syncEntitlements(db, [])).rejects.toMatchObject({
    kind: 'config',
    code: 'entitlement_in_use',
    message:
      'App entitlements that deployments name are missing from the configuration: acrobat (by Acrobat for all).',
  })
  expect(await configured()).toEqual(before)
  await sql`delete from deployments`.execute(db)
  await syncEntitlements(db, [])
  expect(await configured()).toEqual([])
})

test('daemons that start at once write it once', async () => {
  await Promise.all([1, 2, 3].map(() => syncEntitlements(db, [acrobat, pro, more])))
  expect(await acts()).toHaveLength(1)
})

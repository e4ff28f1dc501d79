import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLog } from '../../src/log.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { setTenantRules } from '../../src/targets/tenant-rules.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'

const [top, middle, low] = [1, 2, 3].map((n) => `00000002-0000-4000-8000-00000000000${n}`) as [
  string,
  string,
  string,
]
const entra = '00000001-0000-4000-8000-000000000001'
const options = { actor: 'test', sampledTenants: 5 }

let database: TestDatabase
const context = () => ({
  db: database.db,
  guard: { holdMin: 5, holdPercent: 10, holdMax: 500 },
  licenseGraceMs: 1,
  log: createLog({ level: 'silent', pretty: false }),
})

beforeAll(async () => {
  database = await testDatabase()
  for (const statement of [
    sql`insert into tenants (tenant_id, name, slug, parent_tenant_id) values (${top}, 'Top', 'top', null), (${middle}, 'Middle', 'middle', ${top}), (${low}, 'Low', 'low', ${middle})`,
    sql`insert into entra_tenants (entra_tenant_id, last_synced_at) values (${entra}, now())`,
    sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${low}, ${entra})`,
    sql`insert into persons (entra_tenant_id, object_id, tenant_id, user_principal_name)
      select ${entra}::uuid, gen_random_uuid(), ${low}::uuid, 'p' || n || '@a.example' from generate_series(1, 40) n`,
    sql`insert into maintenance_items (name) values ('All'), ('Top only')`,
    sql`insert into deployments (name, item_id, scope, target_type) select 'All', item_id, 'cross_tenant', 'everyone' from maintenance_items where name = 'All'`,
    sql`insert into deployments (name, item_id, scope, tenant_id, target_type) select 'Top', item_id, 'single_tenant', ${top}::uuid, 'everyone' from maintenance_items where name = 'Top only'`,
  ])
    await statement.execute(database.db)
  await resolveTargets(context(), { trigger: 'test' })
})
afterAll(() => database.drop())

async function items(): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select distinct i.name from deployment_targets join maintenance_items i using (item_id) order by 1`.execute(
    database.db,
  )
  return rows.map(({ name }) => name)
}

test('a tenant that is left out of cross-tenant deployments loses them, once that was told', async () => {
  expect(await items()).toEqual(['All', 'Top only'])
  const rules = { inCrossTenantDeployments: false }
  const told = await setTenantRules(context(), low, rules, { ...options, keep: false })
  expect(told.persons).toEqual({ gain: 0, change: 0, lose: 40 })
  expect(await items()).toEqual(['All', 'Top only'])
  expect(await setTenantRules(context(), low, rules, { ...options, keep: true })).toEqual(told)
  expect(await items()).toEqual(['Top only'])
  await setTenantRules(context(), low, { inCrossTenantDeployments: true }, { ...options, keep: true })
  expect(await items()).toEqual(['All', 'Top only'])
})

test('deployments of parents come down, and go with the parent', async () => {
  const effect = await setTenantRules(context(), middle, { parentTenantId: null }, { ...options, keep: true })
  expect(effect.persons).toEqual({ gain: 0, change: 0, lose: 40 })
  expect(await items()).toEqual(['All'])
  await setTenantRules(context(), middle, { parentTenantId: top }, { ...options, keep: true })
  expect(await items()).toEqual(['All', 'Top only'])
})

test('a circle of parents is refused with the way round, and nothing changes', async () => {
  await expect(
    setTenantRules(context(), top, { parentTenantId: low }, { ...options, keep: true }),
  ).rejects.toMatchObject({
    code: 'tenant_circular',
    message: 'Top would be above itself: Top > Middle > Low > Top.',
  })
  await expect(
    setTenantRules(context(), top, { parentTenantId: top }, { ...options, keep: true }),
  ).rejects.toMatchObject({
    code: 'tenant_circular',
  })
  expect(await items()).toEqual(['All', 'Top only'])
})

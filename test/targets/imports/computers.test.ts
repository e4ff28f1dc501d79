import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { importComputers } from '../../../src/targets/imports/computers.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { personsOf, tenantOf } from '../world.ts'

const device = '11111111-2222-4333-8444-555555555555'
let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
  await tenantOf(database, 'Contoso')
  await tenantOf(database, 'Fabrikam')
})
afterEach(() => database.drop())

const guard = { holdMin: 10, holdPercent: 20, holdMax: 1000 }
interface Brought {
  keep?: boolean
  replace?: boolean
  confirmed?: boolean
}

function bring(records: Record<string, unknown>[], options: Brought = {}) {
  const { keep = true, replace = false, confirmed = false } = options
  const read = { records: records.map((values, n) => ({ place: `record ${n + 1}`, values })), problems: [] }
  return importComputers(database.db, read, { keep, replace, confirmed, guard, actor: 'test' })
}

async function stored() {
  const { rows } = await sql`
    select c.name, t.name as tenant, c.primary_user_principal_name as "user", c.entra_device_id as device
    from computers c join tenants t using (tenant_id) order by c.name, t.name`.execute(database.db)
  return rows
}

test('adds, changes and leaves alone; a key that is not there keeps, an empty one clears', async () => {
  const pc = {
    tenant: 'contoso',
    name: 'PC-1',
    primary_user_principal_name: 'a@a.example',
    entra_device_id: device,
  }
  expect(await bring([pc])).toMatchObject({ added: [{ name: 'PC-1' }], problems: [] })
  expect(await bring([pc])).toMatchObject({ added: [], changed: [], unchanged: 1 })
  expect(await bring([{ tenant: 'Contoso', name: 'pc-1' }])).toMatchObject({
    changed: [{ fields: ['name'] }],
  })
  expect(await stored()).toEqual([{ name: 'pc-1', tenant: 'Contoso', user: 'a@a.example', device }])
  await bring([{ tenant: 'Contoso', name: 'pc-1', primary_user_principal_name: '' }])
  expect(await stored()).toEqual([{ name: 'pc-1', tenant: 'Contoso', user: null, device }])
  // Renamed in ImmyBot: the device says that it is the same one.
  await bring([{ tenant: 'Contoso', name: 'LAPTOP-1', entra_device_id: device.toUpperCase() }])
  expect(await stored()).toEqual([{ name: 'LAPTOP-1', tenant: 'Contoso', user: null, device }])
})

test('an equal name in another tenant is another computer', async () => {
  await bring([
    { tenant: 'Contoso', name: 'PC-1' },
    { tenant: 'Fabrikam', name: 'PC-1' },
  ])
  expect(await stored()).toHaveLength(2)
})

test('whatever is wrong is told all at once, and nothing is written', async () => {
  const plan = await bring([
    { tenant: 'Contoso', name: 'PC-1' },
    { tenant: 'Nowhere', name: 'PC-2' },
    { tenant: 'Contoso', name: '' },
    { tenant: 'Contoso', name: 'PC-3', entra_device_id: 'no guid' },
    { tenant: 'Contoso', name: 'PC\u0007' },
    { tenant: 'Contoso', name: 'PC-1' },
    { tenant: 'Contoso', nme: 'PC-4' },
  ])
  expect(plan.problems.map(({ place }) => place)).toEqual(
    expect.arrayContaining(['record 2', 'record 3', 'record 4', 'record 5', 'record 6', 'record 7']),
  )
  expect(await stored()).toEqual([])
})

test('replace removes what the file lacks of its own tenants only, and only when kept', async () => {
  await bring([
    { tenant: 'Contoso', name: 'PC-1' },
    { tenant: 'Contoso', name: 'PC-2' },
    { tenant: 'Fabrikam', name: 'PC-3' },
  ])
  const told = await bring([{ tenant: 'Contoso', name: 'PC-1' }], { keep: false, replace: true })
  expect(told.removed).toMatchObject([{ name: 'PC-2' }])
  expect(await stored()).toHaveLength(3)
  await bring([{ tenant: 'Contoso', name: 'PC-1' }], { replace: true })
  expect(await stored()).toMatchObject([{ name: 'PC-1' }, { name: 'PC-3' }])
})

test('two imports at once make no computer twice', async () => {
  const records = Array.from({ length: 300 }, (_, n) => ({ tenant: 'Contoso', name: `PC-${n}` }))
  const plans = await Promise.all([bring(records), bring(records)])
  expect(plans.map(({ added }) => added.length).toSorted((a, b) => a - b)).toEqual([0, 300])
  expect(await stored()).toHaveLength(300)
})

test('a primary user is looked for in the tenant’s own family only', async () => {
  const { db } = database
  const fabrikam = await tenantOf(database, 'Northwind')
  await personsOf(database, fabrikam, ['Ada'])
  const { rows } = await sql<{ upn: string }>`select user_principal_name as upn from persons`.execute(db)
  const upn = rows[0]?.upn ?? ''
  await bring([
    { tenant: 'Contoso', name: 'PC-1', primary_user_principal_name: upn },
    { tenant: 'Northwind', name: 'PC-2', primary_user_principal_name: upn.toUpperCase() },
  ])
  await sql`
    insert into deployment_targets (tenant_id, family_id, subject_kind, subject_id, item_id, deployment_id, scope, version, desired_state, enforcement, reason)
    select tenant_id, entra_tenant_id, 'person', person_id, gen_random_uuid(), gen_random_uuid(), 'cross_tenant', 'latest', 'installed', 'required', '{}' from persons`.execute(
    db,
  )
  const targets = await sql`select computer_name, through from computer_targets`.execute(db)
  expect(targets.rows).toEqual([{ computer_name: 'PC-2', through: 'person' }])
})

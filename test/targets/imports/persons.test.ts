import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { importPersons } from '../../../src/targets/imports/persons.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { personsOf, tenantOf } from '../world.ts'

let database: TestDatabase
let upn: string
beforeEach(async () => {
  database = await testDatabase()
  const contoso = await tenantOf(database, 'Contoso')
  const [ada] = await personsOf(database, contoso, ['Ada'])
  upn = ada?.upn ?? ''
})
afterEach(() => database.drop())

function bring(records: Record<string, unknown>[], keep = true) {
  const read = { records: records.map((values, n) => ({ place: `record ${n + 1}`, values })), problems: [] }
  return importPersons(database.db, read, { keep, actor: 'test' })
}

async function stored(of = upn) {
  const { rows } = await sql`
    select p.tags, p.protected_reason, p.display_name, p.object_id is null as hand_made, t.name as tenant
    from persons p left join tenants t using (tenant_id) where user_principal_name = ${of}`.execute(
    database.db,
  )
  return rows
}

test('tags are set, added and removed, case-blind; protection comes and goes', async () => {
  const of = { tenant: 'Contoso', user_principal_name: upn.toUpperCase() }
  await bring([{ ...of, tags: ' cad ; vip;cad', protected_reason: 'logs in to ImmyBot' }])
  expect(await stored()).toMatchObject([{ tags: ['cad', 'vip'], protected_reason: 'logs in to ImmyBot' }])
  await bring([{ ...of, add_tags: ['CAD', 'beta'], remove_tags: 'VIP' }])
  expect(await stored()).toMatchObject([{ tags: ['cad', 'beta'], protected_reason: 'logs in to ImmyBot' }])
  expect(await bring([{ ...of, add_tags: ['beta'] }])).toMatchObject({ changed: [], unchanged: 1 })
  await bring([{ ...of, tags: '', protected_reason: '' }])
  expect(await stored()).toMatchObject([{ tags: [], protected_reason: null }])
})

test('what Entra decides on is not written, and that is told', async () => {
  const plan = await bring([
    { tenant: 'Contoso', user_principal_name: upn, display_name: 'Somebody else', add_tags: 'x' },
  ])
  expect(plan.warnings).toMatchObject([{ place: 'record 1' }])
  expect(await stored()).toMatchObject([{ display_name: 'Ada', tags: ['x'] }])
})

test('whom Entra does not know is made by hand, in the tenant that the links say', async () => {
  const bo = 'bo@contoso.example'
  const plan = await bring([{ tenant: 'contoso', user_principal_name: bo, display_name: 'Bo', tags: 'cad' }])
  expect(plan.added).toMatchObject([{ userPrincipalName: bo }])
  expect(await stored(bo)).toEqual([
    { tags: ['cad'], protected_reason: null, display_name: 'Bo', hand_made: true, tenant: 'Contoso' },
  ])
  await bring([{ tenant: 'contoso', user_principal_name: bo, display_name: 'Bo B.' }])
  expect(await stored(bo)).toMatchObject([{ display_name: 'Bo B.', tags: ['cad'] }])
})

test('a person of another tenant of the domain split, an unlinked tenant, doubles and nonsense are refused together', async () => {
  const { db } = database
  await sql`
    with child as (insert into tenants (name, slug) values ('Child', 'child') returning tenant_id)
    insert into tenant_links (tenant_id, entra_tenant_id, domain) select child.tenant_id, l.entra_tenant_id, 'b.example' from child, tenant_links l`.execute(
    db,
  )
  await sql`insert into tenants (name, slug) values ('Unlinked', 'unlinked')`.execute(db)
  const plan = await bring([
    { tenant: 'Contoso', user_principal_name: 'x@b.example', tags: 'a' },
    { tenant: 'Unlinked', user_principal_name: 'x@c.example' },
    { tenant: 'Contoso', user_principal_name: upn, tags: 'a' },
    { tenant: 'Contoso', user_principal_name: upn, tags: 'b' },
    { tenant: 'Contoso', user_principal_name: 'no upn' },
    { tenant: 'Contoso', user_principal_name: 'y@a.example', tags: 'a', add_tags: 'b' },
  ])
  expect(plan.problems.map(({ place }) => place).toSorted()).toEqual(
    ['record 1', 'record 2', 'record 4', 'record 5', 'record 6'].toSorted(),
  )
  expect(plan.problems.map(({ message }) => message).join(' ')).toMatch(/is of Child, by the links/)
  expect(await stored()).toMatchObject([{ tags: [] }])
  expect(await stored('x@b.example')).toEqual([])
})

test('a preview writes nothing', async () => {
  const plan = await bring([{ tenant: 'Contoso', user_principal_name: upn, tags: 'cad' }], false)
  expect(plan.changed).toHaveLength(1)
  expect(await stored()).toMatchObject([{ tags: [] }])
})

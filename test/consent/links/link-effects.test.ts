import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { linkTenant, type Directory } from '../../../src/consent/links/link.ts'
import { addTenant, listTenants } from '../../../src/consent/links/tenants.ts'
import { unlinkTenant } from '../../../src/consent/links/unlink.ts'
import type { Making } from '../../../src/consent/links/change.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'

const actor = 'test'
const entra = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

const directory = (number: number, domains: string[] | null = null): Directory => ({
  entraTenantId: entra(number),
  displayName: `Directory ${number}`,
  defaultDomain: domains?.[0] ?? null,
  domains,
})

async function tenant(name: string, parentTenantId?: string): Promise<string> {
  return (await addTenant(database.db, { name, parentTenantId, actor })).tenantId
}

const link = (tenantId: string, number: number, domains: string[] = [], making: Making = {}) =>
  linkTenant(database.db, { tenantId, directory: directory(number), domains, actor }, making)

const unlink = (tenantId: string, domains: string[] = [], making: Making = {}) =>
  unlinkTenant(database.db, { tenantId, domains, actor }, making)

async function person(number: number, upn: string, facts: { protected?: boolean } = {}): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    insert into persons (entra_tenant_id, object_id, user_principal_name, tags, protected_reason)
    values (${entra(number)}, gen_random_uuid(), ${upn}, '{vip}', ${facts.protected === true ? 'logs in' : null})
    returning person_id as id`.execute(database.db)
  await sql`select assign_tenants(${entra(number)}::uuid)`.execute(database.db)
  return rows[0]?.id ?? ''
}

/** Tenant names of the persons by UPN. */
async function where(): Promise<Record<string, string | null>> {
  const { rows } = await sql<{ upn: string; tenant: string | null }>`
    select p.user_principal_name as upn, t.name as tenant from persons p left join tenants t using (tenant_id)`.execute(
    database.db,
  )
  return Object.fromEntries(rows.map(({ upn, tenant: name }) => [upn, name]))
}

async function parentOf(tenantId: string): Promise<string | null> {
  return (await listTenants(database.db, tenantId))[0]?.parent ?? null
}

import { initMsp } from '../../../src/consent/links/init-msp.ts'
import { importCustomers } from '../../../src/consent/customers/import-customers.ts'
test('soft-deleted protected person is not moved unconfirmed', async () => {
  const main = await tenant('Main')
  const split = await tenant('Split')
  await link(main, 1)
  const id = await person(1, 'ann@a.com', { protected: true })
  await sql`update persons set deleted_at = now() where person_id = ${id}`.execute(database.db)
  const change = await link(split, 1, ['a.com'])
  await sql`update persons set deleted_at = null where person_id = ${id}`.execute(database.db)
  expect({ applied: change.applied, where: await where() }).toEqual({
    applied: false,
    where: { 'ann@a.com': 'Main' },
  })
})
test('init gives splits that exist their parent', async () => {
  const split = await tenant('Split')
  await link(split, 1, ['a.com'])
  await initMsp(database.db, async () => entra(1), { name: 'M', entraTenant: entra(1), actor })
  expect(await parentOf(split)).toBe('M')
})
test('import gives splits that exist their parent', async () => {
  const msp = await tenant('P')
  await link(msp, 9)
  const split = await tenant('Split')
  await link(split, 1, ['a.com'])
  await sql`update entra_tenants set partner_entra_tenant_id = ${entra(9)} where entra_tenant_id = ${entra(1)}`.execute(
    database.db,
  )
  await sql`insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id, display_name) values (${entra(9)}, ${entra(1)}, 'Cust')`.execute(
    database.db,
  )
  await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status) values ('r', ${entra(9)}, ${entra(1)}, 'active')`.execute(
    database.db,
  )
  await importCustomers(database.db, [entra(1)], actor, { anew: true })
  expect(await parentOf(split)).toBe('Cust')
})
test('a child whose parent changes is resolved anew', async () => {
  const [m1, m2, split] = [await tenant('M1'), await tenant('M2'), await tenant('Split')]
  await link(m1, 1)
  await link(split, 1, ['a.com'])
  await person(1, 'ann@a.com')
  const seq = async () =>
    (
      await sql<{ n: string }>`select targets_dirty_seq as n from tenants where tenant_id = ${split}`.execute(
        database.db,
      )
    ).rows[0]?.n
  const before = await seq()
  const change = await link(m2, 1, [], { confirmed: true })
  expect(change.parents).toHaveLength(1)
  expect(Number(await seq())).toBeGreaterThan(Number(before))
})
test('taking one of two domains away tells no parent change', async () => {
  const [m1, split] = [await tenant('M1'), await tenant('Split')]
  await link(m1, 1)
  await link(split, 1, ['a.com'])
  await link(split, 1, ['b.com'])
  const change = await unlink(split, ['a.com'])
  expect(change.parents).toEqual([])
})
test('all partner people are named', async () => {
  const [m, split] = [
    await initMsp(database.db, async () => entra(1), { name: 'M', entraTenant: entra(1), actor }),
    await tenant('Split'),
  ]
  for (let n = 0; n < 8; n++) await person(1, `p${n}@a.com`)
  const change = await link(split, 1, ['a.com'], { preview: true })
  expect(m.created).toBe(true)
  expect(JSON.stringify(change.moves)).toContain('p7@a.com')
})

test('init again wants no name, and tells the stored one', async () => {
  const init = (name: string | null) =>
    initMsp(database.db, async () => entra(1), { name, entraTenant: entra(1), actor })
  await expect(init(null)).rejects.toMatchObject({ code: 'name_unknown' })
  const first = await init('Contoso MSP')
  expect(await init(null)).toEqual({ ...first, name: 'Contoso MSP', created: false })
  expect(await init('Another name')).toEqual({ ...first, name: 'Contoso MSP', created: false })
})

test('init keeps the parent that an operator gave to a split, and gives persons that are there their tenant', async () => {
  const above = await tenant('Above')
  const split = await tenant('Split', above)
  await link(split, 1, ['a.com'])
  await person(1, 'ann@a.com')
  await person(1, 'ben@b.com')
  await initMsp(database.db, async () => entra(1), { name: 'M', entraTenant: entra(1), actor })
  expect(await parentOf(split)).toBe('Above')
  expect(await where()).toEqual({ 'ann@a.com': 'Split', 'ben@b.com': 'M' })
})

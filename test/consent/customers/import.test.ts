import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { importCustomers } from '../../../src/consent/customers/import-customers.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'

const partner = '00000000-0000-4000-8000-000000000001'
const customer = (number: number): string => `00000000-0000-4000-9000-${String(number).padStart(12, '0')}`

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
  await sql`insert into entra_tenants (entra_tenant_id) values (${partner})`.execute(database.db)
})
afterEach(() => database.drop())

async function listed(number: number, name: string | null, status = 'active'): Promise<string> {
  const id = customer(number)
  await sql`
    insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id, display_name) values (${partner}, ${id}, ${name})`.execute(
    database.db,
  )
  await sql`
    insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, display_name, status)
    values (${`relationship ${number}`}, ${partner}, ${id}, 'Standard', ${status})`.execute(database.db)
  return id
}

async function linked(): Promise<{ slug: string; name: string; id: string; kind: string }[]> {
  const { rows } = await sql<{ slug: string; name: string; id: string; kind: string }>`
    select t.slug, t.name, l.entra_tenant_id as id, s.kind
    from tenants t join tenant_links l using (tenant_id) join tenant_status s using (entra_tenant_id)
    order by t.slug`.execute(database.db)
  return rows
}

describe('import', () => {
  it('makes an Entra tenant, a tenant and the default link, once', async () => {
    const id = await listed(2, 'Fabrikam & Söhne')
    expect(await importCustomers(database.db, [id], 'anna')).toEqual({ imported: [id], already: [] })
    expect(await linked()).toEqual([
      { slug: 'fabrikam-sohne', name: 'Fabrikam & Söhne', id, kind: 'customer' },
    ])
    expect(await importCustomers(database.db, [id], 'anna')).toEqual({ imported: [], already: [id] })
    expect(await linked()).toHaveLength(1)
    const { rows } = await sql<{
      actor: string
      action: string
    }>`select actor, action from audit_log`.execute(database.db)
    expect(rows).toEqual([{ actor: 'anna', action: 'customer_imported' }])
  })

  it('gives customers of one name tenants of their own', async () => {
    for (const number of [2, 3, 4]) await listed(number, 'Contoso')
    await listed(5, null)
    await importCustomers(database.db, 'all', 'anna')
    expect((await linked()).map((row) => row.slug)).toEqual([
      customer(5),
      'contoso',
      'contoso-2',
      'contoso-3',
    ])
  })

  it('takes all that are active with "all", and no others', async () => {
    const active = await listed(2, 'Active')
    await listed(3, 'Over', 'terminated')
    const renamed = await listed(4, 'Led by Microsoft')
    await sql`update gdap_relationships set display_name = 'MLT_x' where entra_tenant_id = ${renamed}`.execute(
      database.db,
    )
    expect(await importCustomers(database.db, 'all', 'anna')).toEqual({ imported: [active], already: [] })
  })

  it('imports nothing when one of those named cannot be, and names it', async () => {
    const good = await listed(2, 'Good')
    const over = await listed(3, 'Over', 'expired')
    await expect(importCustomers(database.db, [good, customer(9)], 'anna')).rejects.toMatchObject({
      code: 'customer_unknown',
      message: expect.stringContaining(customer(9)),
    })
    await expect(importCustomers(database.db, [good, over], 'anna')).rejects.toMatchObject({
      code: 'gdap_not_active',
      message: expect.stringContaining('Over'),
    })
    expect(await linked()).toEqual([])
  })

  it('keeps an existing link and makes a standalone Entra tenant a customer', async () => {
    const id = await listed(2, 'Fabrikam')
    await sql`insert into entra_tenants (entra_tenant_id, display_name) values (${id}, 'Known before')`.execute(
      database.db,
    )
    await sql`insert into tenants (name, slug) values ('By hand', 'by-hand')`.execute(database.db)
    await sql`insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${id} from tenants`.execute(
      database.db,
    )
    expect(await importCustomers(database.db, [id], 'anna')).toEqual({ imported: [id], already: [] })
    expect(await linked()).toEqual([{ slug: 'by-hand', name: 'By hand', id, kind: 'customer' }])
  })

  it('lets two imports at once make everything once', async () => {
    for (let number = 2; number < 40; number++) await listed(number, 'Contoso')
    const results = await Promise.all([1, 2, 3].map(() => importCustomers(database.db, 'all', 'anna')))
    expect(results.map((result) => result.imported.length).sort((a, b) => a - b)).toEqual([0, 0, 38])
    expect(await linked()).toHaveLength(38)
  })
})

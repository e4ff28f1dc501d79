import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listKnownCustomers } from '../../../src/consent/customers/customers.ts'
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

describe('import into a tenant that exists', () => {
  async function tenant(name: string, facts: { msp?: boolean } = {}): Promise<string> {
    const { rows } = await sql<{ id: string }>`
      insert into tenants (name, slug, is_msp) values (${name}, ${`t-${Math.random().toString(36).slice(2)}`}, ${facts.msp ?? false})
      returning tenant_id as id`.execute(database.db)
    return rows[0]?.id ?? ''
  }
  const linkOf = async (id: string): Promise<string[]> => {
    const { rows } = await sql<{ id: string }>`
      select tenant_id as id from tenant_links where entra_tenant_id = ${id}`.execute(database.db)
    return rows.map((row) => row.id)
  }
  const countTenants = async (): Promise<number> =>
    (await sql<{ n: number }>`select count(*)::int as n from tenants`.execute(database.db)).rows[0]?.n ?? -1

  it('links the one named, takes its persons along, and says so in the audit log', async () => {
    const id = await listed(2, 'Fabrikam')
    const into = await tenant('Quite another name')
    await sql`insert into entra_tenants (entra_tenant_id) values (${id})`.execute(database.db)
    await sql`insert into persons (entra_tenant_id, object_id) values (${id}, ${customer(77)})`.execute(
      database.db,
    )
    expect(await importCustomers(database.db, [id], 'anna', { into })).toEqual({
      imported: [id],
      already: [],
      linked: [
        {
          entraTenantId: id,
          tenantId: into,
          tenantName: 'Quite another name',
          by: 'operator',
          name: 'Fabrikam',
        },
      ],
    })
    expect(await linkOf(id)).toEqual([into])
    const { rows } = await sql<{ tenant: string; action: string; audited: string }>`
      select p.tenant_id as tenant, a.action, a.tenant_id as audited from persons p, audit_log a`.execute(
      database.db,
    )
    expect(rows).toEqual([{ tenant: into, action: 'customer_imported', audited: into }])
    expect(await importCustomers(database.db, [id], 'anna', { into })).toEqual({
      imported: [],
      already: [id],
    })
  })

  it('refuses the MSP, a tenant that is linked, an unknown one, and a customer that is linked', async () => {
    const id = await listed(2, 'Fabrikam')
    const other = await listed(3, 'Contoso')
    const msp = await tenant('MSP', { msp: true })
    await importCustomers(database.db, [other], 'anna')
    const taken = (await linkOf(other))[0] ?? ''
    const free = await tenant('Free')
    const into = (which: string, tenantId: string) =>
      importCustomers(database.db, [which], 'anna', { into: tenantId })
    await expect(into(id, msp)).rejects.toMatchObject({ code: 'tenant_is_msp' })
    await expect(into(id, taken)).rejects.toMatchObject({ code: 'tenant_linked' })
    await expect(into(id, customer(9))).rejects.toMatchObject({ code: 'tenant_unknown' })
    await expect(into(other, free)).rejects.toMatchObject({ code: 'entra_tenant_linked' })
    await expect(importCustomers(database.db, [id, other], 'anna', { into: free })).rejects.toMatchObject({
      code: 'import_into_one',
    })
    expect(await linkOf(id)).toEqual([])
  })

  it('makes no second tenant of a name without being told to', async () => {
    const id = await listed(2, 'Fabrikam, Inc.')
    const free = await listed(3, 'Nobody like it')
    const existing = await tenant('fabrikam')
    await expect(importCustomers(database.db, [id, free], 'anna')).rejects.toMatchObject({
      code: 'tenant_matches',
      message: expect.stringMatching(/Fabrikam, Inc\..*fabrikam/) as string,
    })
    expect(await importCustomers(database.db, 'all', 'anna')).toEqual({
      imported: [free],
      already: [],
      left: [
        {
          entraTenantId: id,
          name: 'Fabrikam, Inc.',
          code: 'tenant_matches',
          reason: expect.stringContaining('fabrikam') as string,
        },
      ],
    })
    expect(await importCustomers(database.db, 'all', 'anna', { useProposals: true })).toMatchObject({
      imported: [id],
      already: [free],
      linked: [{ tenantId: existing, by: 'name' }],
    })
    expect(await linkOf(id)).toEqual([existing])
  })

  it('makes one anew when told to', async () => {
    const id = await listed(2, 'Fabrikam')
    const existing = await tenant('Fabrikam')
    expect(await importCustomers(database.db, [id], 'anna', { anew: true })).toEqual({
      imported: [id],
      already: [],
    })
    expect(await linkOf(id)).not.toContain(existing)
    expect(await countTenants()).toBe(2)
  })

  it('takes the domain of a contract before a name, and leaves out what is ambiguous', async () => {
    const one = await listed(2, 'Contoso')
    const two = await listed(3, 'Contoso')
    const three = await listed(4, 'Litware Holding')
    await sql`update gdap_customers set default_domain = 'litware.example' where entra_tenant_id = ${three}`.execute(
      database.db,
    )
    await tenant('Contoso')
    const byDomain = await tenant('litware.example')
    const result = await importCustomers(database.db, 'all', 'anna', { useProposals: true })
    expect(result).toMatchObject({
      imported: [three],
      linked: [{ entraTenantId: three, tenantId: byDomain, by: 'domain' }],
      left: [{ entraTenantId: one }, { entraTenantId: two }],
    })
    expect(await countTenants()).toBe(2)
  })
})

describe('what matches by domain', () => {
  it('is also the domains of an Entra tenant that was read before, and of persons and the name of a tenant', async () => {
    const [one, two] = [await listed(2, 'First'), await listed(3, 'Second')]
    await sql`insert into entra_tenants (entra_tenant_id, domains) values
      (${one}, '{One.Example,one.onmicrosoft.com}'), (${two}, '{two.example}')`.execute(database.db)
    await sql`insert into tenants (name, slug) values ('Nobody would guess', 'guess'), ('TWO.example', 'two')`.execute(
      database.db,
    )
    await sql`insert into persons (entra_tenant_id, tenant_id, user_principal_name)
      select ${partner}, tenant_id, 'anna@ONE.example' from tenants where slug = 'guess'`.execute(database.db)
    const rows = await listKnownCustomers(database.db)
    expect(rows.map(({ proposal }) => proposal)).toMatchObject([
      { tenantName: 'Nobody would guess', by: 'domain', matched: 'one.example' },
      { tenantName: 'TWO.example', by: 'domain', matched: 'two.example' },
    ])
    // The MSP's own tenant is offered to nobody.
    await sql`update tenants set is_msp = true where slug = 'two'`.execute(database.db)
    expect((await listKnownCustomers(database.db))[1]?.proposal).toBeNull()
  })
})

describe('import of all', () => {
  it('opens the problem of a relationship that ends soon at once', async () => {
    const id = await listed(2, 'Ending')
    await sql`update gdap_relationships set ends_at = now() + interval '3 days'`.execute(database.db)
    await importCustomers(database.db, 'all', 'anna')
    const { rows } = await sql`select entra_tenant_id as id, code from problems`.execute(database.db)
    expect(rows).toEqual([{ id, code: 'gdap_ending' }])
  })

  const second = '00000000-0000-4000-8000-000000000002'

  it('adds nothing for a second partner that reaches the same customer', async () => {
    const id = await listed(2, 'Shared')
    await importCustomers(database.db, 'all', 'anna')
    await sql`insert into entra_tenants (entra_tenant_id) values (${second})`.execute(database.db)
    await sql`insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id, display_name)
      values (${second}, ${id}, 'Shared by two')`.execute(database.db)
    await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
      values ('second', ${second}, ${id}, 'active')`.execute(database.db)
    expect(await importCustomers(database.db, 'all', 'anna')).toEqual({ imported: [], already: [id] })
    expect(await importCustomers(database.db, [id], 'anna')).toEqual({ imported: [], already: [id] })
    const { rows } = await sql`select partner_entra_tenant_id as partner from entra_tenants
      where entra_tenant_id = ${id}`.execute(database.db)
    expect(rows).toEqual([{ partner }])
    expect(await linked()).toHaveLength(1)
  })

  it('goes through the partner whose relationship is active', async () => {
    const id = await listed(2, 'Shared', 'terminated')
    await sql`insert into entra_tenants (entra_tenant_id) values (${second})`.execute(database.db)
    await sql`insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id, display_name, first_seen_at)
      values (${second}, ${id}, 'Shared', now() + interval '1 minute')`.execute(database.db)
    await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
      values ('second', ${second}, ${id}, 'active')`.execute(database.db)
    await importCustomers(database.db, 'all', 'anna')
    const { rows } = await sql`select partner_entra_tenant_id as partner from entra_tenants
      where entra_tenant_id = ${id}`.execute(database.db)
    expect(rows).toEqual([{ partner: second }])
  })

  it('never makes a partner a customer', async () => {
    const listedPartner = await listed(2, 'A partner too')
    await sql`insert into entra_tenants (entra_tenant_id) values (${listedPartner})`.execute(database.db)
    const id = await listed(3, 'Its customer')
    await sql`update gdap_customers set partner_entra_tenant_id = ${listedPartner} where entra_tenant_id = ${id}`.execute(
      database.db,
    )
    expect(await importCustomers(database.db, 'all', 'anna')).toEqual({ imported: [id], already: [] })
    await expect(importCustomers(database.db, [listedPartner], 'anna')).rejects.toMatchObject({
      code: 'customer_is_partner',
    })
  })

  it('leaves out whom an operator offboarded or made standalone, unless named', async () => {
    const [offboarded, standalone] = [await listed(2, 'Offboarded'), await listed(3, 'Standalone')]
    await importCustomers(database.db, 'all', 'anna')
    await sql`update entra_tenants set offboarded_at = now() where entra_tenant_id = ${offboarded}`.execute(
      database.db,
    )
    await sql`update entra_tenants set partner_entra_tenant_id = null where entra_tenant_id = ${standalone}`.execute(
      database.db,
    )
    expect(await importCustomers(database.db, 'all', 'anna')).toMatchObject({
      imported: [],
      already: [],
      left: [{ code: 'offboarded' }, { code: 'standalone' }],
    })
    expect(await importCustomers(database.db, [offboarded, standalone], 'anna')).toEqual({
      imported: [offboarded, standalone],
      already: [],
    })
    const { rows } = await sql`select from tenant_status where kind = 'customer' and scheduled`.execute(
      database.db,
    )
    expect(rows).toHaveLength(2)
  })
})

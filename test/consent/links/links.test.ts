import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { normalizeDomain } from '../../../src/consent/links/domain.ts'
import { linkTenant, type Directory } from '../../../src/consent/links/link.ts'
import { addTenant, findTenant, listTenants } from '../../../src/consent/links/tenants.ts'
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

describe('domain split', () => {
  test('takes exactly the suffix, in any case, makes a child, and gives back what it took', async () => {
    const [main, split] = [await tenant('Main'), await tenant('Split')]
    await link(main, 1)
    const ids = [
      await person(1, 'ann@A.com'),
      await person(1, 'bob@ba.com'),
      await person(1, 'cat@x.a.com'),
      await person(1, 'dan@other.com'),
    ]
    const change = await link(split, 1, ['a.COM.'])
    expect(change).toMatchObject({ applied: true, changed: true, reasons: [] })
    expect(change.moves).toEqual([
      expect.objectContaining({ fromTenant: 'Main', toTenant: 'Split', persons: 1, samples: ['ann@A.com'] }),
    ])
    expect(await where()).toEqual({
      'ann@A.com': 'Split',
      'bob@ba.com': 'Main',
      'cat@x.a.com': 'Main',
      'dan@other.com': 'Main',
    })
    expect(await parentOf(split)).toBe('Main')
    const { rows } = await sql<{ id: string; tags: string[] }>`
      select person_id as id, tags from persons order by user_principal_name`.execute(database.db)
    expect(rows.map((row) => row.id).toSorted()).toEqual(ids.toSorted())
    expect(rows.every((row) => row.tags.includes('vip'))).toBe(true)

    await unlink(split, ['a.com'])
    expect(new Set(Object.values(await where()))).toEqual(new Set(['Main']))
    expect(await parentOf(split)).toBeNull()
  })

  test('a tenant owns several domains, and stays a child until the last one goes', async () => {
    const [main, split] = [await tenant('Main'), await tenant('Split')]
    await link(main, 1)
    await link(split, 1, ['a.com'])
    await link(split, 1, ['b.com', 'c.com'])
    expect((await listTenants(database.db, split))[0]?.domains).toEqual(['a.com', 'b.com', 'c.com'])
    await unlink(split, ['a.com', 'c.com'])
    expect(await parentOf(split)).toBe('Main')
    await unlink(split)
    expect(await parentOf(split)).toBeNull()
  })

  test('a protected person moves only when that is confirmed; refused, nothing at all is changed', async () => {
    const [main, split] = [await tenant('Main'), await tenant('Split')]
    await link(main, 1)
    await person(1, 'admin@a.com', { protected: true })
    await person(1, 'ann@a.com')
    const refused = await link(split, 1, ['a.com'])
    expect(refused).toMatchObject({ applied: false, reasons: ['protected_persons'] })
    expect(refused.moves[0]?.protectedPersons).toEqual(['admin@a.com'])
    expect(await where()).toEqual({ 'admin@a.com': 'Main', 'ann@a.com': 'Main' })
    expect(await parentOf(split)).toBeNull()
    expect((await listTenants(database.db, split))[0]?.entraTenantId).toBeNull()
    expect(await link(split, 1, ['a.com'], { confirmed: true })).toMatchObject({ applied: true })
    expect(await where()).toEqual({ 'admin@a.com': 'Split', 'ann@a.com': 'Split' })
    expect(await unlink(split, ['a.com'])).toMatchObject({ applied: false, reasons: ['protected_persons'] })
  })

  test("the partner tenant's own people move only when that is confirmed", async () => {
    const [msp, split] = [await tenant('MSP'), await tenant('Split')]
    await sql`update tenants set is_msp = true where tenant_id = ${msp}`.execute(database.db)
    await link(msp, 1)
    await person(1, 'tech@a.com')
    expect(await link(split, 1, ['a.com'])).toMatchObject({ applied: false, reasons: ['partner_people'] })
    expect(await where()).toEqual({ 'tech@a.com': 'MSP' })
    expect(await unlink(msp)).toMatchObject({
      applied: false,
      reasons: expect.arrayContaining(['msp_link', 'partner_people', 'left_without_tenant']),
    })
  })

  test('no cycles: neither with the parent above it nor through a chain', async () => {
    const top = await tenant('Top')
    const middle = await tenant('Middle', top)
    const low = await tenant('Low', middle)
    await link(low, 1)
    await expect(link(top, 1, ['a.com'])).rejects.toMatchObject({ code: 'tenant_cycle' })
    expect((await listTenants(database.db, top))[0]).toMatchObject({ entraTenantId: null, parent: null })
    await expect(
      addTenant(database.db, { name: 'Lost', parentTenantId: entra(9), actor }),
    ).rejects.toMatchObject({ code: 'tenant_unknown' })
  })

  test('another parent is replaced only when that is confirmed', async () => {
    const [main, group] = [await tenant('Main'), await tenant('Group')]
    const split = await tenant('Split', group)
    await link(main, 1)
    expect(await link(split, 1, ['a.com'])).toMatchObject({ applied: false, reasons: ['replaces_parent'] })
    expect(await parentOf(split)).toBe('Group')
    await link(split, 1, ['a.com'], { confirmed: true })
    expect(await parentOf(split)).toBe('Main')
  })

  test('a domain has one owner; a verified list is compared with; a preview changes nothing', async () => {
    const [main, one, two] = [await tenant('Main'), await tenant('One'), await tenant('Two')]
    await link(main, 1)
    await link(one, 1, ['a.com'])
    expect(await link(two, 1, ['A.com'])).toMatchObject({ applied: false, reasons: ['takes_domain'] })
    await link(two, 1, ['a.com'], { confirmed: true })
    expect(await parentOf(one)).toBeNull()
    const typo = await linkTenant(
      database.db,
      { tenantId: two, directory: directory(1, ['a.com']), domains: ['aa.com'], actor },
      {},
    )
    expect(typo).toMatchObject({ applied: false, reasons: ['domain_not_verified'] })
    const before = await listTenants(database.db)
    expect(await unlink(two, [], { preview: true, confirmed: true })).toMatchObject({ applied: false })
    expect(await listTenants(database.db)).toEqual(before)
  })
})

describe('links', () => {
  test('kinds are derived, several standalone tenants stand beside each other, doing it twice changes nothing', async () => {
    const [one, two] = [await tenant('One'), await tenant('Two')]
    await link(one, 1)
    await link(two, 2)
    expect(await link(two, 2)).toMatchObject({ applied: true, changed: false, moves: [] })
    expect((await listTenants(database.db)).map(({ kind }) => kind)).toEqual(['standalone', 'standalone'])
    const { rows } = await sql`select from audit_log where action = 'tenant_linked'`.execute(database.db)
    expect(rows).toHaveLength(2)
  })

  test('relinking gives up the old Entra tenant, which wants a confirmation, and taking a default link does too', async () => {
    const [one, two] = [await tenant('One'), await tenant('Two')]
    await link(one, 1)
    await person(1, 'ann@a.com')
    expect(await link(one, 2)).toMatchObject({
      applied: false,
      reasons: expect.arrayContaining(['leaves_entra_tenant', 'left_without_tenant']),
    })
    expect(await link(two, 1)).toMatchObject({ applied: false, reasons: ['takes_default_link'] })
    await link(two, 1, [], { confirmed: true })
    expect(await where()).toEqual({ 'ann@a.com': 'Two' })
    await link(one, 2, [], { confirmed: true })
    expect((await listTenants(database.db)).map((row) => row.entraTenantId)).toEqual([entra(2), entra(1)])
  })

  test('an Entra tenant that was offboarded is taken up again', async () => {
    const one = await tenant('One')
    await link(one, 1)
    await sql`update entra_tenants set offboarded_at = now(), paused_at = now()`.execute(database.db)
    await link(one, 1)
    const { rows } = await sql`select paused_at, offboarded_at from entra_tenants`.execute(database.db)
    expect(rows).toEqual([{ paused_at: null, offboarded_at: null }])
  })

  test('the targets of both sides are resolved anew', async () => {
    const [main, split] = [await tenant('Main'), await tenant('Split')]
    await link(main, 1)
    await person(1, 'ann@a.com')
    const dirty = async () => {
      const { rows } = await sql<{ name: string; seq: number }>`
        select name, targets_dirty_seq as seq from tenants order by name`.execute(database.db)
      return rows.map((row) => row.seq)
    }
    const [before] = [await dirty()]
    await link(split, 1, ['a.com'])
    expect(await dirty()).toEqual(before.map((seq) => seq + 1))
  })

  test.each([
    ['default link beside own domains', 'default_with_domains'],
    ['a domain beside the own default link', 'domain_of_default'],
    ['no domain', 'domain_invalid'],
    ['no such tenant', 'tenant_unknown'],
  ])('refuses: %s', async (what, code) => {
    const [main, split] = [await tenant('Main'), await tenant('Split')]
    await link(main, 1)
    await link(split, 1, ['a.com'])
    const attempt = {
      default_with_domains: () => link(split, 1),
      domain_of_default: () => link(main, 1, ['b.com']),
      domain_invalid: () => link(split, 1, ['not a domain']),
      tenant_unknown: () => link(entra(99), 1),
    }[code]
    await expect(attempt?.()).rejects.toMatchObject({ kind: 'input', code })
    expect(what).not.toBe('')
  })

  test('unlinking what is not linked says so', async () => {
    const main = await tenant('Main')
    await expect(unlink(main)).rejects.toMatchObject({ code: 'tenant_not_linked' })
    await link(main, 1)
    await expect(unlink(main, ['z.com'])).rejects.toMatchObject({ code: 'domain_not_linked' })
  })

  test('the database refuses a second Entra tenant of one tenant by itself', async () => {
    const main = await tenant('Main')
    await link(main, 1)
    await link(await tenant('Other'), 2)
    await expect(
      sql`insert into tenant_links (tenant_id, entra_tenant_id, domain) values (${main}, ${entra(2)}, 'z.com')`.execute(
        database.db,
      ),
    ).rejects.toThrow('another Entra tenant')
  })
})

describe('tenants', () => {
  test('are found by id, slug or name; doubles are told', async () => {
    const { db } = database
    const first = await addTenant(db, { name: 'Fabrikam North', actor })
    expect(first.slug).toBe('fabrikam-north')
    const second = await addTenant(db, { name: 'FABRIKAM north', actor })
    expect(second.slug).toBe('fabrikam-north-2')
    expect((await findTenant(db, 'fabrikam-NORTH')).tenantId).toBe(first.tenantId)
    expect((await findTenant(db, second.tenantId)).tenantId).toBe(second.tenantId)
    await expect(findTenant(db, 'Fabrikam North')).rejects.toMatchObject({ code: 'tenant_ambiguous' })
    await expect(findTenant(db, 'nobody')).rejects.toMatchObject({ code: 'tenant_unknown' })
    await expect(addTenant(db, { name: ' ', actor })).rejects.toMatchObject({ code: 'name_empty' })
    await expect(addTenant(db, { name: 'X', slug: 'No Slug', actor })).rejects.toMatchObject({
      code: 'slug_invalid',
    })
    await expect(addTenant(db, { name: 'X', slug: first.slug, actor })).rejects.toMatchObject({
      code: 'slug_taken',
    })
  })

  test('ten at once of one name get ten slugs', async () => {
    await Promise.all(Array.from({ length: 10 }, () => addTenant(database.db, { name: 'Same', actor })))
    expect(new Set((await listTenants(database.db)).map(({ slug }) => slug)).size).toBe(10)
  })
})

describe('domains as Entra stores them', () => {
  test.each([
    ['Contoso.COM', 'contoso.com'],
    ['@contoso.com', 'contoso.com'],
    ['contoso.com.', 'contoso.com'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['a_b.example', 'a_b.example'],
  ])('%s', (text, domain) => expect(normalizeDomain(text)).toBe(domain))

  test.each(['', '.', 'com', 'a b.com', 'ann@a.com', 'a..com', `${'a'.repeat(250)}.com`, "a.com'; drop"])(
    'refuses %j',
    (text) =>
      expect(() => normalizeDomain(text)).toThrow(expect.objectContaining({ code: 'domain_invalid' })),
  )
})

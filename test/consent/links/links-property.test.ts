import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { linkTenant } from '../../../src/consent/links/link.ts'
import { addTenant, listTenants } from '../../../src/consent/links/tenants.ts'
import { unlinkTenant } from '../../../src/consent/links/unlink.ts'
import { isEntraSyncError } from '../../../src/errors.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'

const actor = 'test'
const domains = ['a.com', 'ba.com', 'x.a.com', 'b.org'] as const
const directories = [1, 2].map((number) => `00000000-0000-4000-8000-00000000000${number}`)
const tenants = [0, 1, 2, 3] as const

type Step =
  | { do: 'link'; tenant: number; directory: number; domains: string[]; confirmed: boolean }
  | { do: 'unlink'; tenant: number; domains: string[]; confirmed: boolean }
  | { do: 'arrive'; directory: number; name: string; domain: string; protected: boolean }
  | { do: 'rename'; person: number; domain: string }

const domain = fc.constantFrom(...domains, 'elsewhere.net')
const some = fc.uniqueArray(fc.constantFrom(...domains), { maxLength: 2 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('link' as const),
    tenant: fc.constantFrom(...tenants),
    directory: fc.constantFrom(0, 1),
    domains: some,
    confirmed: fc.boolean(),
  }),
  fc.record({
    do: fc.constant('unlink' as const),
    tenant: fc.constantFrom(...tenants),
    domains: some,
    confirmed: fc.boolean(),
  }),
  fc.record({
    do: fc.constant('arrive' as const),
    directory: fc.constantFrom(0, 1),
    name: fc.constantFrom('ann', 'Bob', 'CAT'),
    domain: fc.oneof(domain, fc.constantFrom('A.COM', 'B.Org')),
    protected: fc.boolean(),
  }),
  fc.record({ do: fc.constant('rename' as const), person: fc.nat(9), domain }),
)

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

const clear = () => sql`truncate tenants, entra_tenants cascade`.execute(database.db)

interface Person {
  id: string
  directory: string
  upn: string
  tenant: string | null
  tags: string[]
  isProtected: boolean
}

async function persons(): Promise<Person[]> {
  const { rows } = await sql<Person>`
    select person_id as id, entra_tenant_id as directory, user_principal_name as upn, tenant_id as tenant, tags,
      protected_reason is not null as "isProtected"
    from persons order by first_seen_at, person_id`.execute(database.db)
  return rows
}

async function run(one: Step, ids: string[]): Promise<void> {
  const { db } = database
  const tenantId = 'tenant' in one ? (ids[one.tenant] ?? '') : ''
  switch (one.do) {
    case 'link': {
      const entraTenantId = directories[one.directory] ?? ''
      const directory = { entraTenantId, displayName: null, defaultDomain: null, domains: null }
      await linkTenant(db, { tenantId, directory, domains: one.domains, actor }, { confirmed: one.confirmed })
      return
    }
    case 'unlink':
      await unlinkTenant(db, { tenantId, domains: one.domains, actor }, { confirmed: one.confirmed })
      return
    case 'arrive': {
      const directory = directories[one.directory] ?? ''
      await sql`insert into entra_tenants (entra_tenant_id) values (${directory}) on conflict do nothing`.execute(
        db,
      )
      await sql`insert into persons (entra_tenant_id, object_id, user_principal_name, tags, protected_reason)
        values (${directory}, gen_random_uuid(), ${`${one.name}@${one.domain}`}, array[${one.name}::text],
          ${one.protected ? 'logs in' : null})`.execute(db)
      await sql`select assign_tenants(${directory}::uuid)`.execute(db)
      return
    }
    case 'rename': {
      const found = (await persons())[one.person]
      if (found === undefined) return
      await sql`update persons set user_principal_name = ${`new@${one.domain}`} where person_id = ${found.id}`.execute(
        db,
      )
      await sql`select assign_tenants(${found.directory}::uuid)`.execute(db)
    }
  }
}

/** Where a person belongs, told the slow way. */
async function belongs({ directory, upn }: Person): Promise<string | null> {
  const { rows } = await sql<{ tenant: string; domain: string | null }>`
    select tenant_id as tenant, domain from tenant_links where entra_tenant_id = ${directory}`.execute(
    database.db,
  )
  const suffix = upn.slice(upn.indexOf('@') + 1).toLowerCase()
  const owner = rows.find((row) => row.domain === suffix) ?? rows.find((row) => row.domain === null)
  return owner?.tenant ?? null
}

async function expectNoCycles(): Promise<void> {
  const all = new Map((await listTenants(database.db)).map((each) => [each.tenantId, each.parentTenantId]))
  for (const start of all.keys()) {
    let depth = 0
    for (let at: string | null = start; at !== null; at = all.get(at) ?? null) {
      depth += 1
      expect(depth).toBeLessThanOrEqual(all.size)
    }
  }
}

test('after any sequence of links, splits, arrivals and renames everybody is where the links say', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 14 }), async (steps) => {
      await clear()
      const ids: string[] = []
      for (const each of tenants) {
        ids.push((await addTenant(database.db, { name: `Tenant ${each}`, actor })).tenantId)
      }
      for (const one of steps) {
        const before = await persons()
        try {
          await run(one, ids)
        } catch (error) {
          if (!isEntraSyncError(error, 'input')) throw error
        }
        const after = await persons()
        for (const person of after) expect(person.tenant).toBe(await belongs(person))
        for (const was of before) {
          const is = after.find(({ id }) => id === was.id)
          expect(is?.tags).toEqual(was.tags)
          const confirmed = 'confirmed' in one && one.confirmed
          // A rename is Entra's doing and follows the links that are there.
          if (was.isProtected && was.tenant !== null && !confirmed && one.do !== 'rename')
            expect(is?.tenant).toBe(was.tenant)
        }
        await expectNoCycles()
      }
    }),
    { numRuns: 60 },
  )
})

test('pages and link changes at once: nobody is left where the old links say', async () => {
  await clear()
  const { db } = database
  const [main, split] = await Promise.all(
    ['Main', 'Split'].map(async (name) => (await addTenant(db, { name, actor })).tenantId),
  )
  const [entraTenantId = ''] = directories
  const directory = { entraTenantId, displayName: null, defaultDomain: null, domains: null }
  await linkTenant(db, { tenantId: main ?? '', directory, domains: [], actor })
  await sql`update sync_leases set run_seq = 1 where entra_tenant_id = ${entraTenantId}`.execute(db)
  // As the engine writes a page: its lease, its rows, their tenants, then what depends on them.
  const page = (number: number) =>
    db.transaction().execute(async (trx) => {
      await sql`select 1 from sync_leases where entra_tenant_id = ${entraTenantId} for key share`.execute(trx)
      await sql`insert into persons (entra_tenant_id, object_id, user_principal_name)
        values (${entraTenantId}, gen_random_uuid(), ${`person${number}@a.com`})`.execute(trx)
      await sql`select assign_tenants(${entraTenantId}::uuid)`.execute(trx)
      await sql`update tenants t set targets_dirty_seq = targets_dirty_seq + 1 from (
        select tenant_id from tenants order by tenant_id for no key update) x where x.tenant_id = t.tenant_id`.execute(
        trx,
      )
    })
  const links = async () => {
    for (let round = 0; round < 10; round++) {
      await linkTenant(db, { tenantId: split ?? '', directory, domains: ['a.com'], actor })
      await unlinkTenant(db, { tenantId: split ?? '', domains: [], actor })
    }
    await linkTenant(db, { tenantId: split ?? '', directory, domains: ['a.com'], actor })
  }
  const pages = async (from: number) => {
    for (let number = from; number < from + 25; number++) await page(number)
  }
  await Promise.all([links(), pages(0), pages(100)])
  const found = await persons()
  expect(found).toHaveLength(50)
  expect(new Set(found.map(({ tenant }) => tenant))).toEqual(new Set([split]))
})

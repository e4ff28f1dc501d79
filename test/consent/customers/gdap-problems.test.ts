import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refreshGdapProblems } from '../../../src/consent/customers/gdap-problems.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'

const [first, second] = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002']
const customer = '00000000-0000-4000-9000-000000000001'

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
  await sql`insert into entra_tenants (entra_tenant_id, display_name, partner_entra_tenant_id)
    values (${first}, 'First', null), (${second}, 'Second', null), (${customer}, 'Fabrikam', ${first})`.execute(
    database.db,
  )
})
afterEach(() => database.drop())

interface Relationship {
  partner?: string
  status?: string
  name?: string
  endsInHours?: number | null
  extends?: boolean
  missingForHours?: number | null
}

let number = 0

async function relationship({
  partner = first,
  status = 'active',
  name = 'Standard',
  endsInHours = 24 * 400,
  extends: autoExtends = false,
  missingForHours = null,
}: Relationship): Promise<void> {
  await sql`
    insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, display_name, status, ends_at,
      auto_extends, missing_since)
    values (${`r${number++}`}, ${partner}, ${customer}, ${name}, ${status}, now() + make_interval(hours => ${endsInHours}::int),
      ${autoExtends}, now() - make_interval(hours => ${missingForHours}::int))`.execute(database.db)
}

async function problems(): Promise<{ code: string; message: string; whoActs: string; topic: string }[]> {
  await refreshGdapProblems(database.db)
  const { rows } = await sql<{ code: string; message: string; whoActs: string; topic: string }>`
    select code, message, who_acts as "whoActs", topic from problems
    where entra_tenant_id = ${customer} and closed_at is null order by code`.execute(database.db)
  return rows
}
const codes = async () => (await problems()).map(({ code }) => code)

describe('the problem of a customer', () => {
  const day = 24
  it.each<[string, Relationship[], string[]]>([
    ['one for long', [{}], []],
    ['one that ends in 31 days', [{ endsInHours: 31 * day }], []],
    ['one that ends in 30 days', [{ endsInHours: 30 * day }], ['gdap_ending']],
    ['one that extends itself', [{ endsInHours: day, extends: true }], []],
    ['one without an end', [{ endsInHours: null }], []],
    ['two, the later for long', [{ endsInHours: day }, { endsInHours: 90 * day, partner: second }], []],
    ['two, the other extends itself', [{ endsInHours: day }, { endsInHours: 2, extends: true }], []],
    ['two that end', [{ endsInHours: day }, { endsInHours: 3 * day, partner: second }], ['gdap_ending']],
    ['one past its end within the grace', [{ endsInHours: -23 }], ['gdap_ending']],
    ['one past its end', [{ endsInHours: -25 }], ['gdap_ended']],
    ['one past its end that extends itself', [{ endsInHours: -25, extends: true }], []],
    ['one missing within the grace', [{ missingForHours: 23 }], []],
    ['one missing', [{ missingForHours: 25 }], ['gdap_ended']],
    ['one missing, another of the second partner', [{ missingForHours: 25 }, { partner: second }], []],
    ['one terminated', [{ status: 'terminated' }], ['gdap_ended']],
    ['one expiring', [{ status: 'expiring' }], ['gdap_ended']],
    ["a transition of Microsoft's only", [{ name: 'MLT_Standard' }], ['gdap_ended']],
    ["one that ends, beside Microsoft's", [{ name: 'MLT_x' }, { endsInHours: day }], ['gdap_ending']],
    ['one whose name only looks so', [{ name: 'MLTX' }], []],
    ['none', [], ['gdap_ended']],
  ])('with %s', async (_, relationships, expected) => {
    for (const each of relationships) await relationship(each)
    expect(await codes()).toEqual(expected)
  })
})

it('tells the date, who acts and what comes next, and stays one problem', async () => {
  await relationship({ endsInHours: 10 * 24 })
  const date = new Date(Date.now() + 10 * 86_400_000).toISOString().slice(0, 10)
  expect(await problems()).toEqual([
    {
      code: 'gdap_ending',
      message: expect.stringContaining(`Fabrikam ends on ${date}`) as string,
      whoActs: 'partner_admin',
      topic: 'gdap',
    },
  ])
  await codes()
  const { rows } = await sql`select from problems`.execute(database.db)
  expect(rows).toHaveLength(1)
})

it('closes itself when renewed, and becomes another when it has ended', async () => {
  await relationship({ endsInHours: 24 })
  expect(await codes()).toEqual(['gdap_ending'])
  await sql`update gdap_relationships set ends_at = now() - interval '2 days'`.execute(database.db)
  expect(await codes()).toEqual(['gdap_ended'])
  await relationship({ partner: second })
  expect(await codes()).toEqual([])
  const { rows } =
    await sql`select code from problems where closed_at is not null order by opened_at`.execute(database.db)
  expect(rows).toEqual([{ code: 'gdap_ending' }, { code: 'gdap_ended' }])
})

it('tells a customer that the lists of all partners lack, not one that a partner lists', async () => {
  await relationship({})
  await sql`insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id, missing_since)
    values (${first}, ${customer}, now()), (${second}, ${customer}, null)`.execute(database.db)
  expect(await codes()).toEqual([])
  await sql`update gdap_customers set missing_since = now()`.execute(database.db)
  expect(await problems()).toMatchObject([
    { code: 'customer_missing', message: expect.stringContaining('still count') as string },
  ])
  await sql`update gdap_customers set missing_since = null where partner_entra_tenant_id = ${first}`.execute(
    database.db,
  )
  expect(await codes()).toEqual([])
})

it.each(['partner_entra_tenant_id = null', 'offboarded_at = now()', 'gone_at = now()'])(
  'is none any more after %s',
  async (change) => {
    expect(await codes()).toEqual(['gdap_ended'])
    await sql`update entra_tenants set ${sql.raw(change)} where entra_tenant_id = ${customer}`.execute(
      database.db,
    )
    expect(await codes()).toEqual([])
  },
)

it('leaves other problems and other customers alone', async () => {
  const other = '00000000-0000-4000-9000-000000000002'
  await sql`insert into entra_tenants (entra_tenant_id, partner_entra_tenant_id) values (${other}, ${first})`.execute(
    database.db,
  )
  await sql`insert into problems (entra_tenant_id, code, message, remedy, who_acts, topic)
    values (${customer}, 'consent_missing', 'x', 'y', 'customer_admin', 'access')`.execute(database.db)
  await relationship({})
  expect(await refreshGdapProblems(database.db)).toBe(1)
  expect(await refreshGdapProblems(database.db, customer)).toBe(0)
  const { rows } = await sql`select entra_tenant_id as id, code from problems where closed_at is null
    order by code`.execute(database.db)
  expect(rows).toEqual([
    { id: customer, code: 'consent_missing' },
    { id: other, code: 'gdap_ended' },
  ])
})

it('takes any number of refreshes at once', async () => {
  await sql`insert into entra_tenants (entra_tenant_id, partner_entra_tenant_id)
    select gen_random_uuid(), ${first} from generate_series(1, 200)`.execute(database.db)
  const open = await Promise.all(Array.from({ length: 8 }, () => refreshGdapProblems(database.db)))
  expect(open).toEqual(Array.from({ length: 8 }, () => 201))
  expect((await sql`select from problems`.execute(database.db)).rows).toHaveLength(201)
})

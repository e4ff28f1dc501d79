import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../../src/db/tables.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'

const tenant = 'aaaaaaaa-0000-4000-8000-000000000001'
const other = 'aaaaaaaa-0000-4000-8000-000000000002'
let database: TestDatabase
let db: Kysely<Database>

beforeAll(async () => {
  database = await testDatabase()
  db = database.db
  await sql`insert into entra_tenants (entra_tenant_id) values (${tenant}), (${other})`.execute(db)
})
afterAll(() => database.drop())

/** An SKU in that state since so many minutes, with a plan for each provisioning status. */
async function sku(
  part: string,
  {
    status,
    minutes = 0,
    plans = {},
    of = tenant,
  }: {
    status: string | null
    minutes?: number
    plans?: Record<string, string | null>
    of?: string
  },
): Promise<void> {
  const id = randomUUID()
  await sql`
    insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, capability_status, status_since)
    values (${of}, ${id}, ${part}, ${status}, now() - make_interval(mins => ${minutes}))`.execute(db)
  for (const [name, provisioning] of Object.entries(plans)) {
    await sql`
      insert into sku_service_plans (entra_tenant_id, sku_id, service_plan_id, service_plan_name, provisioning_status)
      values (${of}, ${id}, ${randomUUID()}, ${name}, ${provisioning})`.execute(db)
  }
}

async function honoured(grace = 'P10D', tenants = [tenant]): Promise<string[]> {
  const { rows } = await sql<{ sku_part_number: string }>`
    select sku_part_number from honoured_skus(${tenants}::uuid[], ${grace}::interval)
    order by sku_part_number`.execute(db)
  return rows.map((row) => row.sku_part_number)
}

const days = 24 * 60

test.each([
  ['Enabled', 900 * days, true],
  ['Warning', 900 * days, true],
  [null, 900 * days, true],
  ['Suspended', 10 * days - 5, true],
  ['Suspended', 10 * days + 5, false],
  ['Suspended', 0, true],
  ['Deleted', 0, false],
  ['LockedOut', 0, false],
  ['SomethingNew', 0, false],
])('an SKU that is %s since %i minutes counts: %s', async (status, minutes, counts) => {
  const part = randomUUID()
  await sku(part, { status, minutes, plans: { PLAN: 'Success' } })
  expect((await honoured()).includes(part)).toBe(counts)
  const { rows } = await sql<{ sku_part_number: string }>`
    select sku_part_number from honoured_plans(array[${tenant}]::uuid[], 'P10D')
    where sku_part_number = ${part}`.execute(db)
  expect(rows).toHaveLength(counts ? 1 : 0)
})

test('the grace is the given one; none at all ends with the suspension', async () => {
  await sku('SUSPENDED_HOURS', { status: 'Suspended', minutes: 120 })
  expect(await honoured('PT3H')).toContain('SUSPENDED_HOURS')
  expect(await honoured('PT1H')).not.toContain('SUSPENDED_HOURS')
  expect(await honoured('PT0S')).not.toContain('SUSPENDED_HOURS')
})

test('a plan counts unless its provisioning was switched off or failed', async () => {
  await sku('PLANS', {
    status: 'Enabled',
    plans: {
      SUCCESS: 'Success',
      UNKNOWN: null,
      PENDING_INPUT: 'PendingInput',
      PENDING_ACTIVATION: 'PendingActivation',
      PENDING_PROVISIONING: 'PendingProvisioning',
      DISABLED: 'Disabled',
      ERROR: 'Error',
    },
  })
  const { rows } = await sql<{ service_plan_name: string }>`
    select service_plan_name from honoured_plans(array[${tenant}]::uuid[], 'P10D')
    where sku_part_number = 'PLANS' order by 1`.execute(db)
  expect(rows.map((row) => row.service_plan_name)).toEqual([
    'PENDING_ACTIVATION',
    'PENDING_INPUT',
    'PENDING_PROVISIONING',
    'SUCCESS',
    'UNKNOWN',
  ])
})

test('only the SKUs of the named Entra tenants are told', async () => {
  await sku('OF_THE_OTHER', { status: 'Enabled', of: other })
  expect(await honoured()).not.toContain('OF_THE_OTHER')
  expect(await honoured('P10D', [other])).toEqual(['OF_THE_OTHER'])
  expect(await honoured('P10D', [])).toEqual([])
})

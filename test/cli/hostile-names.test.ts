import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listHolds } from '../../src/holds/list.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { poison } from '../harness/poison.ts'
import { contoso, drainedGroup } from '../holds/world.ts'
import { addFleet } from '../http/console/fleet.ts'
import { runCommand } from './run-command.ts'

/** Moves the cursor, rings, forges a line, turns the direction of writing, and is a formula to a spreadsheet. */
const hostile = '=1+1\u001b[2J\u001b]0;owned\u0007\u009b31m\r\nERROR forged\t\u202egnp.exe\u2066\u200b'

let database: TestDatabase
let changed: string[]
let holdId: string

beforeAll(async () => {
  database = await testDatabase()
  const { db } = database
  await addFleet(db, 12)
  await drainedGroup(db)
  await sql`insert into computers (tenant_id, name, primary_user_principal_name)
    select tenant_id, 'PC', 'user01@contoso.com' from tenants where slug = 'contoso'`.execute(db)
  await sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, product_name)
    values (${contoso}, gen_random_uuid(), 'VISIO', 'Visio')`.execute(db)
  await sql`insert into hold_limits (entra_tenant_id, hold_percent, set_by, reason) values (${contoso}, 20, 'anna', 'restless')`.execute(
    db,
  )
  await sql`insert into fleet_freezes (started_by, reason) values ('anna', 'outage')`.execute(db)
  changed = await poison(db, hostile)
  holdId = (await listHolds(db))[0]?.holdId ?? ''
})
afterAll(() => database.drop())

test('the poison is where names are', () => {
  for (const field of [
    'tenants.name',
    'entra_tenants.display_name',
    'persons.user_principal_name',
    'groups.display_name',
    'deployments.name',
    'maintenance_items.name',
    'computers.name',
    'problems.message',
    'audit_log.actor',
    'holds.reason',
    'fleet_freezes.reason',
    'hold_limits.reason',
    'subscribed_skus.product_name',
    'gdap_customers.display_name',
  ])
    expect(changed).toContain(field)
})

test.each([
  ['status'],
  ['status', contoso],
  ['tenants', 'list'],
  ['tenants', 'show', 'contoso'],
  ['customers', 'list'],
  ['consent', 'list'],
  ['partner', 'sign-ins'],
  ['problems', '--all'],
  ['holds', '--all'],
  ['holds', 'show', 'HOLD', '--all'],
  ['holds', 'limits'],
  ['deployments', 'list'],
  ['computers', 'list'],
  ['persons', 'list'],
  ['entitlements'],
  ['changes', '--limit', '1000'],
  ['doctor'],
])('%s prints no control character of anybody’s name, and --json is one document', async (...args) => {
  const command = args.map((arg) => (arg === 'HOLD' ? holdId : arg))
  const text = await runCommand(command, { DATABASE_URL: database.url })
  expect(text.stdout.length + text.stderr.length).toBeGreaterThan(0)
  const json = await runCommand([...command, '--json'], { DATABASE_URL: database.url })
  if (json.stdout !== '') expect(typeof JSON.parse(json.stdout)).toBe('object')
  for (const told of [text.stdout, text.stderr, json.stdout, json.stderr]) {
    expect(told.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
    // Of its own accord no line begins so: a name that holds one must not make one.
    expect(told).not.toMatch(/^ERROR forged/m)
  }
})

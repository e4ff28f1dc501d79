import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { customerLines } from '../../src/cli/customers-list.ts'
import { widthOf } from '../../src/cli/text.ts'
import { listKnownCustomers } from '../../src/consent/customers/customers.ts'
import { testCa } from '../harness/ca.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { runCommand, type Ended } from './run-command.ts'

let cloud: Cloud
let database: TestDatabase
let env: Record<string, string>

beforeAll(async () => {
  cloud = await startCloud({ ca: testCa(), sizes: [6, 3, 3, 3, 3], partners: 2 })
  database = await testDatabase()
  env = {
    DATABASE_URL: database.url,
    MICROSOFT_CLOUD: 'custom',
    LOGIN_URL: cloud.origin,
    GRAPH_URL: cloud.origin,
    PARTNER_CENTER_URL: cloud.origin,
    DEFAULT_APP_CLIENT_ID: cloud.clientId,
    DEFAULT_APP_CERTIFICATE_FILE: cloud.certificateFile,
  }
  const names = [
    'Fabrikam, Inc.',
    'Contoso \u001B[31mLtd',
    'Litware',
    'Tailspin Toys of a rather long name GmbH',
  ]
  for (const [index, name] of names.entries()) at(index + 1).displayName = name
  const [first, second] = cloud.partners
  if (second === undefined) throw new Error('no second partner')
  first.app.roles.push('Directory.Read.All')
  cloud.shareCustomer(second.id, at(1).id)
  await sql`insert into entra_tenants (entra_tenant_id, display_name) values
    (${cloud.partnerTenantId}, 'First MSP'), (${second.id}, 'Second MSP')`.execute(database.db)
  await sql`with made as (
      insert into tenants (name, slug, is_msp) values ('First MSP', 'first', true), ('Second MSP', 'second', false)
      returning tenant_id, name)
    insert into tenant_links (tenant_id, entra_tenant_id)
    select tenant_id, entra_tenant_id from made join entra_tenants on display_name = name`.execute(
    database.db,
  )
  await sql`insert into tenants (name, slug) values ('Fabrikam', 'fabrikam'), ('Quite different', 'different')`.execute(
    database.db,
  )
})
afterAll(async () => {
  await cloud.close()
  await database.drop()
})

function at(index: number): Cloud['tenants'][number] {
  const tenant = cloud.tenants[index]
  if (tenant === undefined) throw new Error('no such tenant')
  return tenant
}

const run = (...args: string[]): Promise<Ended> => runCommand(['customers', ...args], env)
async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(...args, '--json')
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return JSON.parse(stdout) as T
}

describe.sequential('customers', () => {
  test('discover reads the MSP, and on demand an Entra tenant that is no partner yet', async () => {
    const [, second] = cloud.partners
    const first = await run('discover')
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(/First MSP: 4 customers \(4 new\)/)
    expect(first.stdout).not.toContain('Second MSP')
    expect(await json('discover', 'second msp')).toMatchObject({
      discovered: [{ partnerEntraTenantId: second?.id, customers: 1, added: 1 }],
    })
    expect((await run('discover')).stdout).toMatch(/First MSP: 4 .*\n.*Second MSP: 1 /)
  })

  test('one partner that fails keeps no other from being read', async () => {
    const fault = cloud.faults.add({
      tenantId: cloud.partnerTenantId,
      path: 'delegatedAdminCustomers',
      effect: { kind: 'status', status: 403, code: 'Authorization_RequestDenied' },
    })
    const { code, stdout, stderr } = await run('discover', '--json')
    cloud.faults.remove(fault)
    expect(code).toBe(1)
    expect(stderr).toMatch(/First MSP: .*403.*Nothing was changed/)
    expect(JSON.parse(stdout)).toMatchObject({
      discovered: [{ customers: 1 }],
      failed: [{ partnerEntraTenantId: cloud.partnerTenantId, error: { kind: 'access_lost' } }],
    })
  })

  test('list has a row a partner, with relationships, roles, domains and proposals, in one order', async () => {
    const { customers } = await json<{ customers: { entraTenantId: string; partnerName: string }[] }>('list')
    expect(customers.map(({ entraTenantId, partnerName }) => [entraTenantId, partnerName])).toEqual([
      [at(2).id, 'First MSP'],
      [at(1).id, 'First MSP'],
      [at(1).id, 'Second MSP'],
      [at(3).id, 'First MSP'],
      [at(4).id, 'First MSP'],
    ])
    expect(customers[1]).toMatchObject({
      displayName: 'Fabrikam, Inc.',
      domains: [at(1).defaultDomain],
      gdapActive: true,
      imported: false,
      consent: null,
      tenant: null,
      relationships: [{ status: 'active', counts: true }],
      preConsentRoles: { applicationAdministrator: true, privilegedRoleAdministrator: true },
      proposal: { tenantName: 'Fabrikam', by: 'name' },
    })
    const { stdout } = await run('list')
    expect(stdout).toMatch(/^Customer +Domain +Partner +GDAP until +Roles +Consent +Tenant +State/)
    expect(stdout).toMatch(/^Fabrikam, Inc\. .* Fabrikam\? \(name\) +not imported$/m)
    expect(stdout).not.toContain('\u001B')
  })

  test('the table fits 100 columns', async () => {
    const lines = customerLines(await listKnownCustomers(database.db), 100)
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(100)
    expect(lines[0]).toMatch(/State$/)
    expect(lines.join('\n')).toMatch(/ \d{4}-\d\d-\d\d \+ /)
  })

  test('show tells all relationships of all partners', async () => {
    const shown = await json<{ partners: { relationships: unknown[] }[] }>('show', 'fabrikam, inc.')
    expect(shown.partners).toHaveLength(2)
    const { stdout } = await run('show', at(1).defaultDomain.toUpperCase())
    expect(stdout).toMatch(/Through First MSP: active/)
    expect(stdout).toMatch(/Through Second MSP: active/)
    expect(stdout).toMatch(/Application Administrator/)
    expect(stdout).toMatch(/Pre-consent: its two roles are in/)
    expect(stdout).toMatch(/Proposal +Fabrikam, by name/)
    const unknown = await run('show', 'nobody')
    expect(unknown).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no customer that was found/) as string,
    })
  })

  test('import asks before it makes a second tenant, and links where told to', async () => {
    const refused = await run('import', at(1).id)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/Fabrikam.*--into TENANT.*--use-proposals.*--new/)
    expect(await json('import', 'litware', '--into', 'different')).toMatchObject({
      imported: [at(3).id],
      linked: [{ tenantName: 'Quite different', by: 'operator' }],
      syncing: [at(3).id],
      waiting: [],
    })
    const { stdout, stderr } = await run('import', '--all')
    expect(stdout).toMatch(/Imported 2 customers; 1 were imported already\./)
    expect(stdout).toMatch(/first sync is asked for/)
    expect(stdout).toMatch(/consent url ID/)
    expect(stderr).toMatch(/Left out: Fabrikam, Inc\. .*--use-proposals/)
    expect(await json('import', '--all', '--use-proposals')).toMatchObject({
      imported: [at(1).id],
      linked: [{ tenantName: 'Fabrikam', by: 'name' }],
    })
    expect(await json('import', '--all')).toMatchObject({ imported: [] })
    const { rows } = await sql`select from sync_requests`.execute(database.db)
    expect(rows).toHaveLength(4)
  })

  test.each([
    [['import', '--all', '--into', 'x']],
    [['import', 'a', 'b', '--into', 'x']],
    [['import', 'a', '--into', 'x', '--use-proposals']],
    [['import']],
    [['import', 'a', '--all']],
    [['show']],
    [['detach']],
  ])('%j is wrong use', async (args) => {
    expect((await run(...args)).code).toBe(2)
  })

  test('of an offboarded one without consent says what comes next', async () => {
    await sql`update entra_tenants set offboarded_at = now() where entra_tenant_id = ${at(3).id}`.execute(
      database.db,
    )
    await sql`insert into consents (entra_tenant_id, app_id, status) values (${at(3).id}, ${cloud.clientId}, 'revoked')`.execute(
      database.db,
    )
    const { code, stdout } = await run('import', at(3).id)
    expect(code).toBe(0)
    expect(stdout).toMatch(
      new RegExp(`Litware is not synced yet: consent required\\. Next: entra-sync consent url ${at(3).id}`),
    )
    expect(stdout).not.toMatch(/first sync is asked for/)
  })

  test('detach says what it means, and does it with --yes', async () => {
    const asked = await run('detach', 'litware')
    expect(asked).toMatchObject({ code: 2, stderr: '' })
    expect(asked.stdout).toMatch(/would become standalone, no customer of First MSP/)
    expect(asked.stdout).toMatch(/Nothing was changed\. Do it with --yes/)
    expect(await json('detach', 'litware', '--yes')).toMatchObject({
      entraTenantId: at(3).id,
      detached: true,
      appInUse: cloud.clientId,
    })
    const again = await run('detach', 'litware', '--yes')
    expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/not a customer/) as string })
    const { rows } = await sql`select kind from tenant_status where entra_tenant_id = ${at(3).id}`.execute(
      database.db,
    )
    expect(rows).toEqual([{ kind: 'standalone' }])
    const customerAsPartner = await run('discover', at(1).id)
    expect(customerAsPartner).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is a customer, no partner/) as string,
    })
  })
})

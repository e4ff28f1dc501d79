import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openOwnApps, type OwnApps } from '../consent/own-apps.ts'
import { runCommand, type Ended } from './run-command.ts'

let apps: OwnApps

beforeAll(async () => {
  apps = await openOwnApps()
  // Nothing is known yet, as after `migrate`.
  await sql`truncate entra_tenants, tenants cascade`.execute(apps.database.db)
})
afterAll(() => apps.close())

const run = (...args: string[]): Promise<Ended> => runCommand(args, apps.env)

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Record<string, unknown>
}

test('from nothing to linked, split and unlinked', async () => {
  const [partner, customer] = apps.cloud.tenants
  if (partner === undefined || customer === undefined) throw new Error('two tenants')

  // Only the domain is told: id, name and domains are found out, consent is proved, a sync is asked for.
  const first = await run('init', '--entra-tenant', partner.defaultDomain)
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(first.stdout).toContain(`Linked ${partner.displayName} and Entra tenant ${partner.id}.`)
  expect(first.stdout).toContain('Consent is there.')
  expect(first.stdout).toContain('Its first sync is asked for')
  const again = await json('init', '--entra-tenant', partner.id)
  expect(again).toMatchObject({
    created: false,
    name: partner.displayName,
    consent: 'granted',
    syncing: true,
  })
  const { rows } = await sql<{ domains: string[]; wanted: number }>`
    select domains, (select count(*)::int from sync_requests where requested_seq > served_seq) as wanted
    from entra_tenants`.execute(apps.database.db)
  expect(rows).toEqual([{ domains: expect.arrayContaining([partner.defaultDomain]), wanted: 1 }])

  await json('tenants', 'add', 'Whole Customer')
  expect(await json('tenants', 'add', 'Branch', '--slug', 'branch')).toMatchObject({ slug: 'branch' })
  expect(await json('link', 'whole-customer', customer.id.toUpperCase())).toMatchObject({
    entraTenantId: customer.id,
    applied: true,
    consent: 'granted',
  })
  const domain = customer.domains.at(-1) ?? ''
  await sql`insert into persons (entra_tenant_id, object_id, user_principal_name, protected_reason) values
    (${customer.id}, gen_random_uuid(), ${`ann@${domain}`}, null),
    (${customer.id}, gen_random_uuid(), ${`admin@${domain}`}, 'logs in to ImmyBot')`.execute(apps.database.db)
  await sql`select assign_tenants(${customer.id}::uuid)`.execute(apps.database.db)

  const preview = await run('link', 'branch', domain, '--domain', domain, '--preview')
  expect(preview.code).toBe(0)
  expect(preview.stdout).toContain('Nothing is changed; this would be done:')
  expect(preview.stdout).toContain('2 persons would move from Whole Customer to Branch')
  const refused = await run('link', 'branch', domain, '--domain', domain)
  expect(refused.code).toBe(2)
  expect(refused.stdout).toContain(`who can log in to ImmyBot: admin@${domain}`)
  expect(refused.stdout).toMatch(/It wants --yes:\n {2}- persons who can log in/)
  const done = await run('link', 'branch', domain, '--domain', domain, '--yes')
  expect(done).toMatchObject({ code: 0, stderr: '' })
  expect(done.stdout).toContain('Branch is a child of Whole Customer')

  const shown = await run('tenants', 'show', 'Branch')
  expect(shown.stdout).toContain(`persons of    ${domain}`)
  expect(shown.stdout).toContain('parent        Whole Customer')
  expect(shown.stdout).toContain('shared with   Whole Customer: all others')
  const list = await run('tenants', 'list')
  expect(list.stdout).toMatch(/^Tenant +Slug +Entra tenant +Domains +Kind +Parent +Persons/)
  expect(await json('unlink', 'branch', '--domain', domain, '--yes')).toMatchObject({
    applied: true,
    moves: [{ fromTenant: 'Branch', toTenant: 'Whole Customer', persons: 2 }],
  })
  const left = await run('unlink', 'whole-customer')
  expect(left.code).toBe(2)
  expect(left.stdout).toContain('persons would be left without a tenant')
})

test('without consent the next command is told, and the link stands', async () => {
  const [, customer] = apps.cloud.tenants
  if (customer === undefined) throw new Error('two tenants')
  customer.app.state = 'no-service-principal'
  await run('tenants', 'add', 'Later')
  const linked = await run('link', 'later', customer.id, '--yes')
  expect(linked).toMatchObject({ code: 0, stderr: '' })
  expect(linked.stdout).toContain(`Next: entra-sync consent url ${customer.id}`)
  customer.app.state = 'ready'
})

test.each([
  [['init', '--entra-tenant', 'no-such-domain.example'], 'No Entra tenant no-such-domain.example'],
  [['link', 'nobody', 'contoso.com'], 'No tenant is known as "nobody"'],
  [['tenants', 'add', '  '], 'The name of the tenant is empty'],
])('%j is refused with a remedy', async (args, message) => {
  const { code, stderr } = await run(...args)
  expect(code).not.toBe(0)
  expect(stderr).toContain(message)
})

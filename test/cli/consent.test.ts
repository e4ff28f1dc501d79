import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openOwnApps, type OwnApps } from '../consent/own-apps.ts'
import { runCommand, type Ended } from './run-command.ts'

let apps: OwnApps
let roles: string[]

beforeAll(async () => {
  apps = await openOwnApps()
  roles = apps.cloud.tenant(apps.customer).app.roles
})
beforeEach(async () => {
  await sql`truncate consents, consent_tickets, problems`.execute(apps.database.db)
  Object.assign(apps.cloud.tenant(apps.customer).app, { state: 'ready', roles })
})
afterAll(() => apps.close())

const consent = (...args: string[]): Promise<Ended> => runCommand(['consent', ...args], apps.env)

async function document(...args: string[]): Promise<Record<string, unknown>> {
  return JSON.parse((await consent(...args, '--json')).stdout) as Record<string, unknown>
}

test('url: what to send, whom to, which role they need; the ticket is stored for the app that is wanted', async () => {
  const { code, stdout, stderr } = await consent('url', 'The Customer')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('Privileged Role Administrator or Global Administrator')
  expect(stdout).toMatch(/^ {2}https:\/\/sync\.example\.com\/consent\/start\?ticket=[\w-]{43}$/m)
  expect(stdout).toContain('https://sync.example.com/consent-callback')
  const told = await document('url', apps.customer)
  expect(told).toMatchObject({
    entraTenantId: apps.customer,
    clientId: apps.cloud.clientId,
    redirectUri: 'https://sync.example.com/consent-callback',
    expiresAt: expect.stringMatching(/^\d{4}-/),
  })
  const { rows } = await sql`select app_id, entra_tenant_id from consent_tickets`.execute(apps.database.db)
  expect(rows).toEqual(
    Array.from({ length: 2 }, () => ({ app_id: apps.cloud.clientId, entra_tenant_id: apps.customer })),
  )
})

test('url: without an app, and for a tenant that was offboarded, what to do instead', async () => {
  const env = { ...apps.env, DEFAULT_APP_CLIENT_ID: '', DEFAULT_APP_CLIENT_SECRET: '' }
  expect(await runCommand(['consent', 'url', 'The Customer'], env)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/DEFAULT_APP_CLIENT_ID/),
  })
  const offboard = (at: string | null) =>
    sql`update entra_tenants set offboarded_at = ${at} where entra_tenant_id = ${apps.customer}`.execute(
      apps.database.db,
    )
  await offboard('2026-01-01')
  const refused = await consent('url', 'The Customer')
  await offboard(null)
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/offboarded.*anew/) })
})

test('url: a PUBLIC_URL that nobody else can reach is told', async () => {
  const env = { ...apps.env, PUBLIC_URL: 'http://localhost:8080' }
  const { code, stderr } = await runCommand(['consent', 'url', 'The Customer'], env)
  expect({ code, stderr }).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('only a browser on this machine'),
  })
})

test('verify: granted with its permissions, then what is missing and what to do', async () => {
  const good = await consent('verify', 'The Customer')
  expect(good).toMatchObject({ code: 0, stderr: '' })
  expect(good.stdout).toMatch(/^The Customer: granted \(app .*\)\n {2}permissions: .*User\.Read\.All/m)
  apps.cloud.tenant(apps.customer).app.roles = ['User.Read.All', 'LicenseAssignment.Read.All']
  const less = await consent('verify', apps.customer)
  expect(less.code).toBe(3)
  expect(less.stdout).toContain('missing: GroupMember.Read.All')
  expect(less.stdout).toContain(`entra-sync consent url ${apps.customer}`)
  expect(await document('verify', '--all')).toMatchObject({
    proofs: [
      { entraTenantId: apps.customer, status: 'insufficient', missingRoles: ['GroupMember.Read.All'] },
      { entraTenantId: apps.partner, status: 'granted' },
    ],
  })
})

test('verify: what is no verdict says so, with its code', async () => {
  const env = { ...apps.env, DEFAULT_APP_CLIENT_SECRET: 'not-the-secret' }
  const { code, stdout } = await runCommand(['consent', 'verify', 'The Customer', '--json'], env)
  expect(code).toBe(3)
  expect(JSON.parse(stdout)).toMatchObject({
    proofs: [{ status: null, error: { code: 'client_secret_invalid', remedy: expect.any(String) } }],
  })
  expect(stdout).not.toContain('not-the-secret')
})

test.each([[['verify']], [['verify', '--all', 'x']]])('wrong use: %j', async (args) => {
  expect(await consent(...args)).toMatchObject({ code: 2 })
})

test('list: each Entra tenant with status, app, when and how', async () => {
  const before = await consent('list')
  expect(before.stdout).toMatch(/^The Customer +customer +not proved yet/m)
  await consent('verify', 'The Customer')
  const after = await consent('list')
  expect(after).toMatchObject({ code: 0, stderr: '' })
  expect(after.stdout).toMatch(
    new RegExp(
      `^The Customer +customer +granted +${apps.cloud.clientId} +\\d{4}-\\d\\d-\\d\\d +check now`,
      'm',
    ),
  )
  expect(await document('list')).toMatchObject({
    consents: [
      { name: 'The Customer', consent: 'granted', method: 'check_now', missingRoles: [], otherAppId: null },
      { name: 'The Partner', consent: null },
    ],
  })
})

import { randomUUID } from 'node:crypto'
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { permissions } from '../../src/permissions.ts'
import { encryptionKey, openOwnApps, type OwnApps } from '../consent/own-apps.ts'
import { runCommand, type Ended } from './run-command.ts'

let apps: OwnApps
let folder: string
let files = 0

beforeAll(async () => {
  apps = await openOwnApps()
  folder = await mkdtemp(join(tmpdir(), 'entra-sync-level-'))
})
afterAll(async () => {
  await apps.close()
  await rm(folder, { recursive: true, force: true })
})

async function file(text: string): Promise<string> {
  const path = join(folder, `file-${(files += 1)}`)
  await writeFile(path, text)
  return path
}

const level = (...args: string[]): Promise<Ended> => runCommand(['permission-level', ...args], apps.env)

interface Shown {
  level: string
  clientId: string
  redirectUri?: string
  permissions?: { name: string }[]
  credentials: { credentialId: string; kind: string; expiresAt: string | null }[]
}

async function shown(...args: string[]): Promise<Shown> {
  const { stdout, stderr, code } = await level(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Shown
}

test('shows level, redirect URI and permissions', async () => {
  const { code, stdout } = await level('The Partner')
  expect(code).toBe(0)
  expect(stdout).toContain(`The Partner: permission level Default, app ${apps.cloud.clientId}.`)
  expect(stdout).toContain(
    'Redirect URI of the app registration (platform Web), exactly:\nhttps://sync.example.com/consent-callback\n',
  )
  for (const { name, purpose } of permissions) {
    expect(stdout).toContain(name)
    expect(stdout).toContain(purpose)
  }
  expect(stdout).toMatch(/^User\.Read\.All +required/m)
  expect(stdout).toMatch(/^Directory\.Read\.All +instead of these/m)
  expect(stdout).toMatch(/^DeviceManagementManagedDevices\.ReadWrite\.All +optional +.*Join AzureAD/m)
  expect((await level('The Customer')).stdout).toContain(`as its partner ${apps.partner}`)
})

test('sets Custom, rotates a secret, lists, removes, goes back; the audit log has it all, and no secret', async () => {
  const own = apps.register()
  const [old, next] = [own.secret(), own.secret()]
  const secretFile = ['--client-secret-file', await file(`${old}\n`), '--expires', '2099-06-30']
  const first = await level('The Partner', 'custom', '--client-id', own.clientId, ...secretFile)
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(first.stdout).toMatch(/Added secret [0-9a-f-]{36}\./)
  expect(first.stdout).toContain(`permission level Custom, app ${own.clientId}.`)
  expect(first.stdout).toContain('2099-06-30')
  expect(first.stdout).toMatch(
    /Another app than before: 2 of 2 Entra tenants must consent to it \(The Customer, The Partner\)\.\nUntil then each is read with .*consent list/,
  )
  expect(first.stdout).toContain('/consent-callback')

  const second = await level('The Partner', 'custom', '--client-secret-file', await file(next))
  expect(second.stdout).toContain('give --expires DATE')
  expect(second.stdout).not.toContain('Another app')
  const certificate = await level(
    'The Partner',
    'custom',
    '--certificate-file',
    await file(await own.certificate()),
  )
  expect(certificate.stdout).toMatch(/certificate .*[0-9A-F]{64}/)

  const list = await shown('The Customer', '--list')
  expect(list).toMatchObject({ level: 'custom', clientId: own.clientId })
  expect(list.credentials.map(({ kind }) => kind)).toEqual(['certificate', 'secret', 'secret'])
  expect(list).not.toHaveProperty('permissions')

  const oldest = list.credentials.at(-1)?.credentialId ?? ''
  expect((await level('The Partner', '--remove-credential', oldest)).stdout).toContain(
    `Removed credential ${oldest}`,
  )
  expect((await shown('The Partner')).credentials).toHaveLength(2)
  expect(await level('The Customer', 'default')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(apps.partner),
  })
  expect(await shown('The Partner', 'default')).toMatchObject({ level: 'default', credentials: [] })
  expect(await shown('The Partner', 'custom')).toMatchObject({ level: 'custom', clientId: own.clientId })

  const { rows } = await sql<{ text: string }>`select a::text as text from audit_log a`.execute(
    apps.database.db,
  )
  expect(rows).toHaveLength(6)
  for (const secret of [old, next, 'PRIVATE KEY']) {
    expect(first.stdout + second.stdout + certificate.stdout + JSON.stringify([list, rows])).not.toContain(
      secret,
    )
  }
})

test('with the permission for it, ends come from Microsoft at once, and what is wrong with the app is told', async () => {
  const own = apps.register({ redirectUris: ['https://sync.example.com/elsewhere'] })
  apps.cloud.tenant(apps.partner).appOf(own.clientId).roles.push('Application.Read.All')
  const endsAt = own.registration.secretEndsAt.toISOString().slice(0, 10)
  const args = ['--client-id', own.clientId, '--client-secret-file', await file(own.secret())]
  const { code, stdout } = await level('The Partner', 'custom', ...args)
  expect(code).toBe(0)
  expect(stdout).not.toContain('--expires DATE')
  expect(stdout).toMatch(
    /^Not right: .*other redirect URIs only.*\n {2}.*paste exactly https:\/\/sync\.example\.com\/consent-callback$/m,
  )
  expect((await level('The Partner', '--list')).stdout).toMatch(
    new RegExp(`secret .*${endsAt} +Microsoft$`, 'm'),
  )
  const { rows } = await sql<{ code: string }>`
    select code from problems where closed_at is null and topic = 'app'`.execute(apps.database.db)
  expect(rows).toEqual([{ code: 'redirect_uri_missing' }])
  expect(await shown('The Partner', 'default')).toMatchObject({
    check: { level: 'default' },
    consentsNeeded: expect.any(Array),
  })
})

test.each([
  [['--client-id', randomUUID()], /go with level custom/],
  [['default', '--client-secret-file', 'x'], /go with level custom/],
  [['custom', '--expires', '2099-01-01'], /--expires goes with/],
  [['custom', '--client-secret-file', 'x', '--expires', '2099-02-31'], /2027-06-30/],
  [['custom', '--client-secret-file', 'x', '--certificate-file', 'y'], /cannot be used with/],
  [['custom', '--client-id', 'no-guid'], /GUID/],
  [['custom', '--list'], /without a level/],
  [['extra'], /Allowed choices are default, custom/],
])('wrong use: %j', async (args, why) => {
  expect(await level('The Partner', ...args)).toMatchObject({ code: 2, stderr: expect.stringMatching(why) })
})

test('a file that is not there, and a secret without an encryption key, say what to do', async () => {
  const missing = await level('The Partner', 'custom', '--client-secret-file', join(folder, 'missing'))
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringMatching(/can't be read.*Check the path/) })
  const args = [
    'permission-level',
    'The Partner',
    'custom',
    '--client-secret-file',
    await file('canary-value-1'),
  ]
  const keyless = await runCommand(args, { ...apps.env, ENCRYPTION_KEY: '' })
  expect(keyless).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/no encryption key.*ENCRYPTION_KEY_FILE/),
  })
  expect(keyless.stderr).not.toContain('canary-value-1')
})

test('with the embedded database the key is generated when a secret is stored, and found again', async () => {
  const own = apps.register()
  const dataDir = join(folder, 'data')
  // As root the embedded Postgres runs as another user, who must be able to come here.
  await chmod(folder, 0o755)
  const env = {
    ...apps.env,
    DATABASE_URL: '',
    ENCRYPTION_KEY: '',
    DATA_DIR: dataDir,
    OPS_TOKEN: randomUUID(),
  }
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCommand(args, env)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return stdout
  }
  await run('init', '--name', 'The MSP', '--entra-tenant', apps.partner)
  const secretFile = ['--client-secret-file', await file(own.secret())]
  await run('permission-level', 'the-msp', 'custom', '--client-id', own.clientId, ...secretFile)
  expect((await stat(join(dataDir, 'encryption-key'))).mode & 0o777).toBe(0o600)
  const told = await run('doctor')
  expect(told).toMatch(/^ok +secrets: 1 stored/m)
  expect(told).toMatch(/^ok +sign-in to/m)
})

test('doctor and secrets rotate: an older key, a lost key, and what to do', async () => {
  const own = apps.register()
  const args = ['--client-id', own.clientId, '--client-secret-file', await file(own.secret())]
  const { credentials } = await shown('The Partner', 'custom', ...args)
  const credentialId = credentials[0]?.credentialId ?? ''
  const doctor = async (keys: string): Promise<string> =>
    (await runCommand(['doctor'], { ...apps.env, ENCRYPTION_KEY: keys })).stdout
  const old = apps.env['ENCRYPTION_KEY'] ?? ''
  const next = encryptionKey()

  const good = await doctor(old)
  expect(good).toMatch(/^ok +encryption key: [0-9a-f]{12}$/m)
  expect(good).toMatch(/^ok +secrets: \d+ stored, all of them open$/m)
  expect(good).toMatch(/^warn +credentials of .*: it is not known when they end$/m)
  expect(good).toMatch(/^ok +sign-in to/m)
  expect(await doctor(`${next},${old}`)).toMatch(
    /^warn +secrets: .* older key\n +Run entra-sync secrets rotate/m,
  )

  const lost = await doctor(next)
  expect(lost).toMatch(
    new RegExp(
      `^fail +secrets: app_credentials ${credentialId} of Entra tenant ${apps.partner}: .*sealed with key`,
      'm',
    ),
  )
  expect(lost).toMatch(/^fail +sign-in to/m)

  const keyless = await runCommand(['secrets', 'rotate'], { ...apps.env, ENCRYPTION_KEY: '' })
  expect(keyless).toMatchObject({ code: 1, stderr: expect.stringContaining('ENCRYPTION_KEY_FILE') })
  const failed = await runCommand(['secrets', 'rotate'], { ...apps.env, ENCRYPTION_KEY: next })
  expect(failed).toMatchObject({ code: 3, stdout: expect.stringContaining(credentialId) })
  const rotated = await runCommand(['secrets', 'rotate', '--json'], {
    ...apps.env,
    ENCRYPTION_KEY: `${next}\n${old}`,
  })
  expect(rotated).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(rotated.stdout)).toMatchObject({ current: 0, closed: [] })
  const after = await doctor(next)
  expect(after).toMatch(/^ok +secrets/m)
  expect(after).toMatch(/^ok +sign-in to/m)
})

import { spawn } from 'node:child_process'
import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { startApp } from '../../src/app.ts'
import { openPartnerCloud } from '../consent/preconsent/partner-cloud.ts'
import { log } from '../consent/cloud.ts'
import { control } from '../simulator/asking.ts'
import { loadConfig } from '../../src/config.ts'
import { runCommand } from './run-command.ts'

/** `partner sign-in`, with the code entered as soon as it is shown. */
async function signInByCode(
  env: Record<string, string>,
  user: string,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { PATH = '', HOME = '', NODE_EXTRA_CA_CERTS = '' } = process.env
  const child = spawn(process.execPath, ['src/main.ts', 'partner', 'sign-in'], {
    env: { PATH, HOME, NODE_EXTRA_CA_CERTS, LOG_PRETTY: 'false', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr, entered] = ['', '', false]
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
    const shown = /Open (\S+) in a browser and enter (\S+)\./.exec(stderr)
    if (shown === null || entered) return
    entered = true
    void fetch(`${shown[1] ?? ''}?otc=${shown[2] ?? ''}&${user}`)
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })))
}

test('from sign-in to consent on the command line', async () => {
  const own = await openPartnerCloud()
  own.cloud.signIns.settings.deviceIntervalSeconds = 1
  const run = (...args: string[]) => runCommand(args, own.env)

  expect(await run('partner', 'sign-ins')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('No partner user'),
  })
  expect(await signInByCode(own.env, 'decision=cancel')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('declined'),
  })
  expect(await signInByCode(own.env, `user=${own.user}`)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/has signed in for .*\n.*--preflight/),
  })
  const signIns = JSON.parse((await run('partner', 'sign-ins', '--json')).stdout) as { signIns: object[] }
  expect(signIns.signIns).toMatchObject([{ userObjectId: own.user, refusedAt: null }])

  const [first = '', second = ''] = own.customers
  await control(own.cloud, 'POST /gdap', { tenantId: second, assignments: [] })
  const look = await run('preconsent', '--all', '--preflight')
  expect(look.code).toBe(1)
  expect(look.stdout).toMatch(/ok +.*is in AdminAgents/)
  expect(look.stdout).toMatch(/fail +The role Application Administrator .* is given to no security group/)
  expect(look.stdout).toContain('Security groups > Add security groups')
  expect(await own.row(first)).toBeUndefined()

  const asked = await run('preconsent', first)
  expect(asked).toMatchObject({ code: 0, stderr: expect.stringContaining('No worker is running') })
  expect(await run('preconsent', first, '--wait')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('entra-sync run'),
  })

  const app = await startApp(
    loadConfig({ ...own.env, HTTP_PORT: '0', OPS_TOKEN: 'operator-token-of-tests' }),
    {
      log,
      only: ['worker'],
    },
  )
  onTestFinished(() => app.stop())
  const done = await run('preconsent', first, second, '--wait', '--json')
  expect(done.code).toBe(1)
  expect(JSON.parse(done.stdout)).toMatchObject({
    requested: [{ entraTenantId: first }],
    outcomes: [{ entraTenantId: first, step: 'done' }],
    preflights: [
      {
        customers: expect.arrayContaining([expect.objectContaining({ entraTenantId: second, ready: false })]),
      },
    ],
  })
  expect(await own.consent(first)).toMatchObject({ status: 'granted', method: 'pre_consent' })

  expect(await run('preconsent', own.partner)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no customer'),
  })
  expect((await run('preconsent', '--all', first)).code).toBe(2)
  expect((await run('preconsent')).code).toBe(2)
  expect((await run('preconsent', first, '--preflight', '--wait')).code).toBe(2)

  const offboarded = await run('offboard', first, '--revoke', '--yes')
  expect(offboarded).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/Revoked: app .*User\.Read\.All/),
  })
  expect(own.there(first)).toMatchObject({ roles: [], delegated: [] })

  expect(await run('partner', 'sign-out', own.partner, 'nobody@x')).toMatchObject({ code: 1 })
  expect(await run('partner', 'sign-out')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('is signed out'),
  })
  const { rows } = await sql`select from partner_sign_ins`.execute(own.db)
  expect(rows).toHaveLength(0)
})

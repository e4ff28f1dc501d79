import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startCloud } from '../../simulator/cloud.ts'
import { testCa } from '../harness/ca.ts'
import { testDatabase } from '../harness/database.ts'
import { ownRedis } from '../harness/redis.ts'
import { until } from '../jobs/support.ts'
import { runCommand } from './run-command.ts'

interface Runs {
  runs: { name: string; outcome: string; added: number; removed: number; mode: string }[]
}

/** The daemon as a process; resolves when it says where it listens. */
async function startDaemon(env: Record<string, string>): Promise<ChildProcess> {
  const { PATH = '', HOME = '', NODE_EXTRA_CA_CERTS = '' } = process.env
  const child = spawn(process.execPath, ['src/main.ts', 'run'], {
    env: { PATH, HOME, NODE_EXTRA_CA_CERTS, LOG_LEVEL: 'warn', LOG_PRETTY: 'false', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let told = ''
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      told += chunk.toString()
      if (told.includes('entra-sync listens on')) resolve()
    })
    child.on('exit', (code) => reject(new Error(`The daemon ended with ${code}: ${told}`)))
  })
  return child
}

test.each(['postgres', 'redis'])(
  'from init to a held removal, by commands and a daemon, queue on %s',
  async (backend) => {
    const cloud = await startCloud({ ca: testCa(), sizes: [40, 30, 20] })
    onTestFinished(() => cloud.close())
    const database = await testDatabase()
    onTestFinished(() => database.drop())
    const redis = backend === 'redis' ? await ownRedis() : null
    onTestFinished(async () => redis?.stop())
    const dataDir = await mkdtemp(join(tmpdir(), 'entra-sync-cli-'))
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
    const env = {
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      HTTP_PORT: '0',
      OPS_TOKEN: 'operator-token-of-the-tests',
      MICROSOFT_CLOUD: 'custom',
      LOGIN_URL: cloud.origin,
      GRAPH_URL: cloud.origin,
      PARTNER_CENTER_URL: cloud.origin,
      DEFAULT_APP_CLIENT_ID: cloud.clientId,
      DEFAULT_APP_CERTIFICATE_FILE: cloud.certificateFile,
      ...(redis && { QUEUE_URL: redis.url }),
    }
    const done = async (...args: string[]): Promise<string> => {
      const ended = await runCommand(args, env)
      expect({ args, ...ended }).toEqual({ args, code: 0, stderr: '', stdout: ended.stdout })
      return ended.stdout
    }
    const [partner, first] = cloud.tenants
    if (!partner || !first) throw new Error('The cloud has no customers.')

    expect(await done('init', '--name', 'Testing MSP', '--entra-tenant', partner.defaultDomain)).toMatch(
      /Linked/,
    )
    expect(await done('init', '--name', 'Testing MSP', '--entra-tenant', partner.id)).toMatch(
      /linked already/,
    )
    expect(await done('customers', 'discover')).toMatch(/2 customers \(2 new\)/)

    const daemon = await startDaemon(env)
    expect(await done('doctor')).toMatch(/^ok +workers/m)
    expect(JSON.parse(await done('customers', 'import', '--all', '--json'))).toMatchObject({ already: [] })
    const synced = JSON.parse(await done('sync', '--all', '--wait', '--json')) as Runs
    expect(synced.runs.map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded', 'succeeded'])
    const status = JSON.parse(await done('status', '--json')) as {
      tenants: { entra_tenant_id: string; users: number }[]
    }
    for (const tenant of cloud.tenants) {
      const row = status.tenants.find(({ entra_tenant_id }) => entra_tenant_id === tenant.id)
      expect(row?.users).toBe(tenant.directory.truth().users.length)
    }

    const leavers = first.directory.truth().users.slice(0, 15)
    for (const { id } of leavers) first.directory.deleteUser(id)
    const held = await runCommand(['sync', first.id, '--full', '--wait', '--json'], env)
    expect(held.code).toBe(3)
    expect((JSON.parse(held.stdout) as Runs).runs).toMatchObject([{ outcome: 'held', mode: 'full' }])
    expect(await done('status', first.id)).toMatch(/Open holds: /)

    // A first proof that comes after the loss would put the tenant at rest, and no run would fail any more.
    await until('consent to be proved', async () => {
      const { consent } = JSON.parse(await done('status', first.id, '--json')) as { consent: string | null }
      return consent === 'granted'
    })
    first.app.roles = []
    first.app.state = 'no-service-principal'
    // The token of before stays valid for a while; a new daemon has none.
    daemon.kill('SIGTERM')
    expect(await new Promise((resolve) => daemon.once('exit', resolve))).toBe(0)
    await startDaemon(env)
    const failed = await runCommand(['sync', first.id, '--wait'], env)
    expect(failed).toMatchObject({ code: 1, stdout: expect.stringMatching(/failed/) })
    expect(await done('status', first.id)).toMatch(/Open problems: 1/)
  },
)

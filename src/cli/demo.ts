import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql, type Kysely } from 'kysely'
import { freePort, startEmbeddedPostgres } from '../db/embedded-postgres.ts'
import { openDatabase } from '../db/connection.ts'
import type { Database } from '../db/tables.ts'
import { childProcesses, type Children } from './demo-children.ts'
import { compareCloud, type CloudTenant } from './demo-truth.ts'
import { startDemoRedis } from './demo-redis.ts'
import { followChanges } from './demo-live.ts'
import { printSummary } from './demo-summary.ts'

import { EntraSyncError } from '../errors.ts'

export interface DemoOptions {
  /** Leave after the first cycle instead of changing the cloud and following the deltas. */
  once: boolean
  /** Queue backend; undefined = Redis when `redis-server` is on PATH, else Postgres. */
  queue: 'redis' | 'postgres' | undefined
}

/** What the simulated cloud prints when it is ready (simulator/main.ts). */
interface CloudReady {
  origin: string
  controlUrl: string
  caFile: string
  clientId: string
  clientSecret: string
  partnerTenantId: string
  tenants: CloudTenant[]
}

const customers = 25
const users = 5000

/**
 * The whole product against a simulated Microsoft cloud, with nothing but npm: embedded Postgres, a queue, the cloud and
 * the daemon as processes of their own, driven by the same commands that an operator types.
 * @returns the exit code: 0 when the tables equal the cloud's ground truth.
 */
export async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<number> {
  const started = performance.now()
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  say(
    `entra-sync demo: a partner and ${customers} GDAP customers with ${users.toLocaleString('en')} users, from a simulated Microsoft cloud.`,
  )

  const dataDir = await mkdtemp(join(tmpdir(), 'entra-sync-demo-'))
  const closers: (() => Promise<unknown>)[] = [() => rm(dataDir, { recursive: true, force: true })]
  const children: Children = childProcesses(signal)
  try {
    const cloudStarting = children.readyLine<CloudReady>('simulator', 'simulator/main.ts', [
      '--customers',
      String(customers),
      '--users',
      String(users),
      '--lifeline',
    ])
    const [cloud, postgres, redis] = await Promise.all([
      cloudStarting,
      startEmbeddedPostgres({ dataDir, ephemeral: true }).then((server) => {
        closers.push(() => server.stop())
        return server
      }),
      startDemoRedis(options.queue).then((server) => {
        if (server) closers.push(() => server.stop())
        return server
      }),
    ])
    const port = await freePort()
    const opsToken = randomBytes(18).toString('base64url')
    const env = {
      DATABASE_URL: postgres.url,
      QUEUE_URL: redis?.url ?? postgres.url,
      DATA_DIR: dataDir,
      OPS_TOKEN: opsToken,
      HTTP_PORT: String(port),
      MICROSOFT_CLOUD: 'custom',
      LOGIN_URL: cloud.origin,
      GRAPH_URL: cloud.origin,
      PARTNER_CENTER_URL: cloud.origin,
      NODE_EXTRA_CA_CERTS: cloud.caFile,
      DEFAULT_APP_CLIENT_ID: cloud.clientId,
      DEFAULT_APP_CLIENT_SECRET: cloud.clientSecret,
      SYNC_INTERVAL: options.once ? 'PT30M' : 'PT10S',
      LOG_LEVEL: 'warn',
    }
    say(`  simulated cloud  ${cloud.origin}`)
    say(`  Postgres         embedded, in ${dataDir}`)
    say(
      `  queue            ${redis ? 'BullMQ on Redis (redis-server from PATH)' : "BullMQ's Postgres backend"}`,
    )

    const partner = cloud.tenants.find((tenant) => tenant.id === cloud.partnerTenantId)
    const command = (...argv: string[]): Promise<void> => children.command(argv, env)
    await command('migrate')
    await command(
      'init',
      '--name',
      partner?.displayName ?? 'MSP',
      '--entra-tenant',
      partner?.defaultDomain ?? cloud.partnerTenantId,
    )
    await command('customers', 'discover')
    children.daemon(env)
    await children.reachable(`http://127.0.0.1:${port}/livez`)
    await command('customers', 'import', '--all')
    await command('sync', '--all', '--wait')

    const db = openDatabase(postgres.url, { max: 2, applicationName: 'entra-sync demo' })
    closers.push(() => db.destroy())
    await printSummary(db, say)
    const differences = await compareCloud(db, cloud.controlUrl, cloud.tenants)
    if (differences.length > 0) {
      say(`\nThe tables differ from the cloud's ground truth in ${differences.length} places:`)
      for (const difference of differences.slice(0, 20)) say(`  ${difference}`)
      return 1
    }
    say(`\nThe tables equal the cloud's ground truth in all ${cloud.tenants.length} tenants.`)
    await command('deployments', 'apply', 'deployments/example.yaml', '--yes')
    const engineer = await findEngineer(db)
    if (engineer !== null) await command('explain', engineer, 'AutoCAD')
    say(`\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s.`)
    if (options.once) return 0

    say(`\nConsole: http://127.0.0.1:${port}   sign in with the ops token ${opsToken}`)
    say('The cloud now keeps changing; each tenant is read again every 10 seconds. Ctrl-C ends the demo.\n')
    await followChanges({ db, controlUrl: cloud.controlUrl, tenants: cloud.tenants, say, signal })
    return 0
  } catch (error) {
    if (signal.aborted) return 0
    throw error instanceof EntraSyncError || !(error instanceof Error)
      ? error
      : new EntraSyncError('transient', `The demo stopped: ${error.message}`, {
          code: 'demo_failed',
          cause: error,
        })
  } finally {
    // The daemon leaves before the servers it stands on.
    for (const close of [() => children.stop(), ...closers.reverse()]) {
      await close().catch((error: unknown) => {
        process.stderr.write(`demo clean-up: ${error instanceof Error ? error.message : String(error)}\n`)
      })
    }
  }
}

/** Somebody who gets AutoCAD through the longest path of groups, to be explained; null = nobody does. */
async function findEngineer(db: Kysely<Database>): Promise<string | null> {
  const { rows } = await sql<{ upn: string }>`
    select p.user_principal_name as upn from deployment_targets t join persons p on p.person_id = t.subject_id
    join maintenance_items i using (item_id)
    where i.name = 'AutoCAD' order by jsonb_array_length(t.reason -> 'groups') desc, p.user_principal_name limit 1`.execute(
    db,
  )
  return rows[0]?.upn ?? null
}

import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { startCloud, type Cloud, type CloudOptions } from '../../simulator/cloud.ts'
import type { AppOptions } from '../../src/app.ts'
import { enqueueSync } from '../../src/jobs/enqueue.ts'
import { openQueues, type Queues } from '../../src/jobs/queues.ts'
import { createLog } from '../../src/log.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { compareCloud } from '../../src/cli/demo-truth.ts'
import { testCa } from '../harness/ca.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { deployTo, quietBeside } from '../harness/deployed.ts'
import { redisUrl } from '../harness/redis.ts'

export const shortTimings = {
  sync: { leaseMs: 1500, renewMs: 300, sliceMs: 60_000 },
  worker: { lockDuration: 2000, stalledInterval: 500, maxStalledCount: 1000, drainDelay: 1 },
  scheduler: { tickMs: 500, assertMs: 1000, healAfterMs: 500 },
  stopMs: 5000,
}

export interface FleetOptions extends CloudOptions {
  /** Left out: short ones. */
  timings?: AppOptions['timings']
  /** Redis of the test's own. */
  redis?: string
  /** Left out: one of its own on the server that all tests share. */
  database?: TestDatabase
  /** Links and deployments for each tenant, and nothing beside its sync to do. */
  deployed?: boolean
}

export interface Fleet {
  cloud: Cloud
  /** Environment of a worker process. */
  env: NodeJS.ProcessEnv
  database: TestDatabase
  queues: Queues
  workers: ChildProcess[]
  /** Starts one more worker process and waits until it works. */
  startWorker(): Promise<ChildProcess>
  /** SIGKILL, and a new one in its place. */
  replace(worker: ChildProcess): Promise<void>
  /** SIGKILL of all of them, and new ones in their places. */
  restartWorkers(): Promise<void>
  ask(entraTenantId: string, mode?: 'delta' | 'full'): Promise<void>
  /** Asks for every tenant and waits until all of it is served. */
  settle(): Promise<void>
  /** Every difference between the tables and the cloud. */
  differences(): Promise<string[]>
  close(): Promise<void>
}

/** A cloud, a database, a queue and worker processes, all of them real. The guard is set out of reach. */
export async function startFleet(
  backend: 'redis' | 'postgres',
  workers: number,
  { timings = shortTimings, redis = redisUrl(), deployed = false, database: given, ...options }: FleetOptions,
): Promise<Fleet> {
  const cloud = await startCloud({ ...options, ca: testCa() })
  const database = given ?? (await testDatabase())
  const prefix = `crash-${randomBytes(6).toString('hex')}`
  const queueUrl = backend === 'redis' ? redis : database.url
  const log = createLog({ level: 'silent', pretty: false })
  const queues = await openQueues(queueUrl, { log, prefix })
  const fleet: ChildProcess[] = []
  const dataDir = await mkdtemp(join(tmpdir(), 'entra-sync-fleet-'))
  await database.db
    .insertInto('entra_tenants')
    .values(cloud.tenants.map((tenant) => ({ entra_tenant_id: tenant.id, next_sync_at: '2100-01-01' })))
    .execute()
  if (deployed)
    for (const tenant of cloud.tenants) {
      await deployTo(database.db, tenant)
      await quietBeside(database.db, tenant.id, cloud.clientId)
    }

  const env = {
    ...process.env,
    DATABASE_URL: database.url,
    QUEUE_URL: queueUrl,
    MICROSOFT_CLOUD: 'custom',
    LOGIN_URL: cloud.origin,
    GRAPH_URL: cloud.origin,
    PARTNER_CENTER_URL: cloud.origin,
    DEFAULT_APP_CLIENT_ID: cloud.clientId,
    DEFAULT_APP_CLIENT_SECRET: cloud.clientSecret,
    HOLD_MIN: '1000000',
    HOLD_MAX: '10000000',
    SYNC_CONCURRENCY: '3',
    DATA_DIR: dataDir,
    LOG_LEVEL: process.env.TEST_LOG ?? 'fatal',
    ENTRA_SYNC_TEST_TIMINGS: JSON.stringify(timings),
    ENTRA_SYNC_TEST_PREFIX: prefix,
    // Half of a start is compiling. Beside the CA, and gone with it.
    NODE_COMPILE_CACHE: join(dirname(testCa().certFile), 'compile-cache'),
  }
  const self: Fleet = {
    cloud,
    env,
    database,
    queues,
    workers: fleet,
    async startWorker() {
      const child = spawn(process.execPath, ['test/crash/worker-process.ts'], {
        env,
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      const ended = once(child, 'exit').then(([code]) =>
        Promise.reject(new Error(`the worker ended with ${code}`)),
      )
      ended.catch(() => {})
      await Promise.race([once(child, 'message'), ended])
      fleet.push(child)
      return child
    },
    async replace(worker) {
      fleet.splice(fleet.indexOf(worker), 1)
      const gone = once(worker, 'exit')
      worker.kill('SIGKILL')
      await gone
      await self.startWorker()
    },
    async restartWorkers() {
      for (const worker of fleet.slice()) await self.replace(worker)
    },
    async ask(entraTenantId, mode = 'delta') {
      const { requestSeq } = await requestSync(database.db, {
        entraTenantId,
        mode,
        requestedBy: 'test',
        priority: 10,
      })
      await enqueueSync(queues, { entraTenantId, requestSeq, priority: 10 })
    },
    async settle() {
      const { db } = database
      const count = async (query: ReturnType<typeof sql<{ open: number }>>) =>
        (await query.execute(db)).rows[0]?.open
      do {
        for (const tenant of cloud.tenants) await self.ask(tenant.id)
        while (
          (await count(
            sql`select count(*) as open from sync_requests where served_seq < requested_seq or serving_seq is not null`,
          )) !== 0
        )
          await sleep(100)
        // A group that came back has its members read whole in the next cycle.
      } while ((await count(sql`select count(*) as open from sync_cursors where full_round_due`)) !== 0)
    },
    differences: () =>
      // Devices and licence sources are read every few hours: they are not what a cycle promises.
      compareCloud(database.db, cloud.controlUrl, cloud.tenants, { devices: false, sources: false }),
    async close() {
      for (const worker of fleet) worker.kill('SIGKILL')
      await queues.close()
      await database.drop()
      await cloud.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
  await Promise.all(Array.from({ length: workers }, () => self.startWorker()))
  return self
}

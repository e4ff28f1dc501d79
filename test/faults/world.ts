import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import type { TenantHandle } from '../../simulator/types.ts'
import { startApp, type App } from '../../src/app.ts'
import { compareCloud } from '../../src/cli/demo-truth.ts'
import { loadConfig, type Config } from '../../src/config.ts'
import { importCustomers } from '../../src/consent/customers/import-customers.ts'
import { initMsp } from '../../src/consent/links/init-msp.ts'
import type { Backend } from '../../src/jobs/queue-connection.ts'
import type { RedisServer } from '../../src/redis-server.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { testCa } from '../harness/ca.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { halfOpenWay, type HalfOpenWay } from '../harness/half-open.ts'
import { ownRedis } from '../harness/redis.ts'
import { quickWorker, until } from '../jobs/support.ts'
import { createLife, type Life } from './life.ts'
import { tapLog, type LogTap } from './log-tap.ts'
import { noteRemovals } from './removals.ts'
import { expectedTargets } from './targets.ts'
import { settled } from './settled.ts'
import { setTrap, type Trap } from './trap.ts'

/** A daemon in all its parts between a cloud, a database and a queue that can be made to fail, and tenants to watch. */
export interface World {
  backend: Backend
  cloud: Cloud
  app: App
  config: Config
  database: TestDatabase
  /** The way by which the daemon, and nobody else, comes to the database. */
  way: HalfOpenWay
  /** null with the queue in Postgres. */
  redis: RedisServer | null
  /** Whom faults of one tenant happen to. */
  victim: TenantHandle
  /** Whom nothing happens to: the partner and two customers. */
  bystanders: TenantHandle[]
  trap: Trap
  tap: LogTap
  /** What must never be read anywhere. */
  secrets: string[]
  life: Life
  /** Everybody is asked for, and all that waits for a later time is let go on, as if that time had come. */
  cycle(mode?: 'delta' | 'full', tenants?: readonly TenantHandle[]): Promise<void>
  /** When an Entra tenant was last read whole, in milliseconds since 1970 by the clock of the database. */
  freshness(tenant: TenantHandle): Promise<number>
  databaseNow(): Promise<number>
  /** Tables and targets against the cloud's truth: a line a difference. */
  differences(): Promise<string[]>
  openProblems(): Promise<{ entra_tenant_id: string; code: string }[]>
  close(): Promise<void>
}

export const opsToken = 'ops-token-that-nobody-may-read'

/** Everything real, its timings short, the guard out of reach: what a fault takes away is not held, but gone. */
export async function startWorld(backend: Backend): Promise<World> {
  const cloud = await startCloud({ ca: testCa(), sizes: [8, 24, 10, 10], customers: 3 })
  const database = await testDatabase()
  const way = await halfOpenWay(database.url)
  const redis = backend === 'redis' ? await ownRedis() : null
  const trap = await setTrap()
  const tap = tapLog()
  const folder = await mkdtemp(join(tmpdir(), 'entra-sync-faults-'))
  const encryptionKey = randomBytes(32).toString('base64')
  const config = loadConfig({
    DATABASE_URL: way.url,
    ...(redis && { QUEUE_URL: redis.url }),
    DATA_DIR: folder,
    HTTP_PORT: '0',
    OPS_TOKEN: opsToken,
    ENCRYPTION_KEY: encryptionKey,
    MICROSOFT_CLOUD: 'custom',
    LOGIN_URL: cloud.origin,
    GRAPH_URL: cloud.origin,
    PARTNER_CENTER_URL: cloud.origin,
    DEFAULT_APP_CLIENT_ID: cloud.clientId,
    DEFAULT_APP_CLIENT_SECRET: cloud.clientSecret,
    HOLD_MIN: '1000',
    HOLD_PERCENT: '100',
    HOLD_MAX: '100000',
    SYNC_INTERVAL: 'PT12H',
  })
  await noteRemovals(database.db)
  const app = await startApp(config, { log: tap.log, timings })
  const { db } = database
  const [partner, victim, ...others] = cloud.tenants
  if (partner === undefined || victim === undefined) throw new Error('the cloud has a partner and customers')
  cloud.faults.knobs(null, { pageSize: 9 })
  const life = createLife(cloud)

  const world: World = {
    backend,
    cloud,
    app,
    config,
    database,
    way,
    redis,
    victim,
    bystanders: [partner, ...others],
    trap,
    tap,
    secrets: [cloud.clientSecret, opsToken, encryptionKey, new URL(database.url).password],
    life,
    async cycle(mode = 'delta', tenants = cloud.tenants) {
      for (const { id } of tenants)
        await requestSync(db, { entraTenantId: id, mode, requestedBy: 'test', priority: 10 })
      await sql`update sync_leases set throttled_until = null`.execute(db)
      await sql`update consents set next_proof_at = now() where next_proof_at > now() and status is distinct from 'granted'`.execute(
        db,
      )
      await sql`update target_failures set retry_at = now()`.execute(db)
      await sql`update entra_tenants set next_sync_at = now() where entra_tenant_id = any (${tenants.map(({ id }) => id)}::uuid[])`.execute(
        db,
      )
      await promoteDelayed(app)
    },
    async freshness({ id }) {
      const { rows } = await sql<{ at: Date | null }>`
        select last_synced_at as at from entra_tenants where entra_tenant_id = ${id}`.execute(db)
      return rows[0]?.at?.getTime() ?? 0
    },
    async databaseNow() {
      const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db)
      return rows[0]?.now.getTime() ?? 0
    },
    async differences() {
      const tables = await compareCloud(db, cloud.controlUrl, cloud.tenants, {
        devices: false,
        sources: false,
      })
      return [...tables, ...(await expectedTargets(db, cloud)).differences]
    },
    async openProblems() {
      return db
        .selectFrom('problems')
        .select(['entra_tenant_id', 'code'])
        .where('closed_at', 'is', null)
        .execute()
    },
    async close() {
      await app.stop()
      await way.close()
      await redis?.stop()
      await trap.close()
      await cloud.close()
      await database.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
  try {
    await settleIn(world, partner)
  } catch (error) {
    await world.close()
    throw error
  }
  return world
}

const timings = {
  sync: { leaseMs: 1500, renewMs: 300 },
  graph: {
    headersMs: 800,
    pageMs: 1500,
    maxInlineWaitMs: 400,
    maxRetryAfterMs: 1000,
    backoffMs: 10,
    tokenMs: 1500,
    certificateRetryMs: 50,
  },
  database: { lookMs: 500, hungMs: 3000 },
  queue: { answerMs: 8000 },
  worker: quickWorker,
  scheduler: { tickMs: 200, assertMs: 200, healAfterMs: 500 },
  stopMs: 5000,
}

/** The MSP signs up, its customers are found and imported, deployments are there, and everything is read once. */
async function settleIn(world: World, partner: TenantHandle): Promise<void> {
  const { app, cloud, database, life } = world
  const { db } = database
  await initMsp(db, async () => partner.id, { name: 'The MSP', entraTenant: partner.id, actor: 'test' })
  await app.queues.control.add('discover-customers', { partnerEntraTenantId: partner.id })
  await until('all customers to be found', async () => {
    const { rows } = await sql<{ n: number }>`select count(*) as n from gdap_relationships`.execute(db)
    return rows[0]?.n === cloud.tenants.length - 1
  })
  await importCustomers(db, 'all', 'test')
  await sql`
    with items as (insert into maintenance_items (name) values ('Watched'), ('Everybody') returning item_id, name)
    insert into deployments (name, item_id, scope, target_type, target)
    select name, item_id, 'cross_tenant', case name when 'Watched' then 'group_name' else 'everyone' end,
      case name when 'Watched' then '{"name": "fault watch"}' else '{}' end::jsonb from items`.execute(db)
  for (const tenant of cloud.tenants) life.begin(tenant)
  await settled(world)
}

/** As far as the queue answers: it may be what is away. What a job became since it was listed is none of our business. */
async function promoteDelayed(app: App): Promise<void> {
  const promote = async (): Promise<void> => {
    for (const queue of [app.queues.sync, app.queues.targets])
      for (const job of await queue.getDelayed()) await job.promote().catch(() => {})
  }
  await Promise.race([promote().catch(() => {}), sleep(1000)])
}

import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { sql } from 'kysely'
import { describe, expect, test, type TestContext } from 'vitest'
import { mutate } from '../../simulator/mutate.ts'
import { between, seededRandom, type Random } from '../../simulator/random.ts'
import { openDatabase } from '../../src/db/connection.ts'
import { startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts'
import { migrate } from '../../src/db/migrate.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { openProxy } from '../harness/proxy.ts'
import { ownRedis } from '../harness/redis.ts'
import { startFleet, type Fleet, type FleetOptions } from './fleet.ts'
import { promisedMs, settled, somethingOpen } from './settled.ts'
import { targetDifferences } from '../targets/model/differences.ts'

const cloud = { seed: 3, sizes: [40, 20], customers: 1, groupsPerTenant: 8, latencyMs: 20, deployed: true }

/** A fleet whose tenants are read and resolved, gone when the test ends. */
async function syncedFleet(
  { onTestFinished }: TestContext,
  backend: 'redis' | 'postgres',
  workers: number,
  options: Partial<FleetOptions> = {},
): Promise<Fleet> {
  const fleet = await startFleet(backend, workers, { ...cloud, ...options })
  onTestFinished(() => fleet.close())
  await fleet.settle()
  await settled(fleet.database.db)
  return fleet
}

/**
 * Something happens in each tenant, and all of them are due. Asked for besides, past the queue: a run that ends at this
 * moment plans the next one in hours, and has read none of it.
 */
async function happen({ cloud: { tenants }, database: { db } }: Fleet, random: Random): Promise<void> {
  for (const tenant of tenants) {
    mutate(tenant, 8, random)
    await requestSync(db, { entraTenantId: tenant.id, mode: 'delta', requestedBy: 'test', priority: 10 })
  }
  await sql`update entra_tenants set next_sync_at = now()`.execute(db)
}

/** What is not as it should be once nothing is open any more; nobody asks for anything. */
async function differences({ database: { db }, ...fleet }: Fleet): Promise<string[]> {
  await settled(db)
  return [...(await fleet.differences()), ...(await targetDifferences(db))]
}

async function untilOpen({ database: { db } }: Fleet): Promise<void> {
  while ((await somethingOpen(db)) === null) await sleep(20)
}

/** That the workers are the ones of the beginning: none has ended over what happened. */
function expectAlive({ workers }: Fleet): void {
  expect(workers.map(({ exitCode, signalCode }) => exitCode ?? signalCode)).toEqual(workers.map(() => null))
}

describe.concurrent('Redis', () => {
  async function ownRedisFleet(context: TestContext) {
    const server = { now: await ownRedis() }
    context.onTestFinished(() => server.now.stop())
    const fleet = await syncedFleet(context, 'redis', 2, { redis: server.now.url })
    return { fleet, server, port: Number(new URL(server.now.url).port) }
  }

  test.for([120_000, 20_000])('gone for %i ms and back with nothing in it', async (ms, context) => {
    const { fleet, server, port } = await ownRedisFleet(context)
    const random = seededRandom(ms)
    await happen(fleet, random)
    await untilOpen(fleet)
    await server.now.stop()
    await sleep(ms / 2)
    await happen(fleet, random)
    await sleep(ms / 2)
    server.now = await ownRedis(port)
    expect(await differences(fleet)).toEqual([])
    expectAlive(fleet)
    // It works as before, and not only for what was waiting.
    await happen(fleet, random)
    expect(await differences(fleet)).toEqual([])
  })

  test('frozen for 7 s, its connections open', async (context) => {
    const { fleet, server } = await ownRedisFleet(context)
    const pid = await pidOf(server.now.url)
    const random = seededRandom(7)
    await happen(fleet, random)
    await untilOpen(fleet)
    process.kill(pid, 'SIGSTOP')
    try {
      await happen(fleet, random)
      await sleep(7000)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    expect(await differences(fleet)).toEqual([])
    await happen(fleet, random)
    expect(await differences(fleet)).toEqual([])
    expectAlive(fleet)
  })

  test('flushed again and again while workers are at it', async (context) => {
    const { fleet, server } = await ownRedisFleet(context)
    const client = new Redis(server.now.url)
    context.onTestFinished(() => client.disconnect())
    const random = seededRandom(11)
    for (let flush = 0; flush < 12; flush++) {
      await happen(fleet, random)
      await sleep(between(random, 0, 700))
      await client.flushall()
    }
    expect(await differences(fleet)).toEqual([])
    expectAlive(fleet)
  })
})

async function pidOf(redis: string): Promise<number> {
  const client = new Redis(redis)
  try {
    return Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1])
  } finally {
    client.disconnect()
  }
}

describe.concurrent('Postgres', () => {
  test.for(['redis', 'postgres'] as const)(
    'backends of the workers ended again and again, in transactions too, with the queue in %s',
    async (backend, context) => {
      const fleet = await syncedFleet(context, backend, 2)
      const { db } = fleet.database
      const random = seededRandom(backend.length)
      const ended = { idle: 0, inTransaction: 0 }
      for (let storm = 0; storm < 40 || ended.inTransaction < 10; storm++) {
        if (storm % 5 === 0) await happen(fleet, random)
        // The queue's connections here are among those that end; what is asked is in the database by then.
        for (const { id } of fleet.cloud.tenants)
          await fleet.ask(id).catch((error: unknown) => expect(error).toMatchObject({ kind: 'queue' }))
        await sleep(between(random, 0, 150))
        const { rows } = await sql<{ in_transaction: boolean }>`
          select xact_start is not null as in_transaction, pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()
            and application_name in ('entra-sync', 'entra-sync queue')
            and (xact_start is not null or random() < 0.2)`.execute(db)
        for (const { in_transaction } of rows) ended[in_transaction ? 'inTransaction' : 'idle']++
      }
      // A run that failed waits for its next attempt; to ask is to try at once.
      await fleet.settle()
      expect(await differences(fleet)).toEqual([])
      expectAlive(fleet)
    },
  )

  test('stopped for 20 s, with the queue in it, and started again', async (context) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'entra-sync-stopped-'))
    // As root the server runs as another user, who must be able to come here.
    await chmod(dataDir, 0o755)
    const server = { now: await startEmbeddedPostgres({ dataDir }) }
    const portOf = () => Number(new URL(server.now.url).port)
    await migrate(server.now.url)
    const proxy = await openProxy(portOf())
    const url = new URL(server.now.url)
    url.port = String(proxy.port)
    const db = openDatabase(url.href, { onError: () => {} })
    const drop = async () => {
      await db.destroy()
      await proxy.close()
      await server.now.stop()
      await rm(dataDir, { recursive: true, force: true })
    }
    const fleet = await syncedFleet(context, 'postgres', 2, { database: { url: url.href, db, drop } })
    const random = seededRandom(20)
    await happen(fleet, random)
    await untilOpen(fleet)
    proxy.shut()
    await server.now.stop()
    await sleep(20_000)
    server.now = await startEmbeddedPostgres({ dataDir })
    proxy.lead(portOf())
    expect(await differences(fleet)).toEqual([])
    expectAlive(fleet)
    await happen(fleet, random)
    expect(await differences(fleet)).toEqual([])
  })
})

describe.concurrent('with the timings of the daemon as it is shipped', () => {
  test.for(['redis', 'postgres'] as const)(
    'tenants of a killed worker go on within 90 s, also one that had failed before, with the queue in %s',
    async (backend, context) => {
      const fleet = await startFleet(backend, 1, { ...cloud, timings: {} })
      context.onTestFinished(() => fleet.close())
      const { db } = fleet.database
      await fleet.settle()
      await settled(db)
      await sql`
        update entra_tenants set consecutive_failures = 3, next_sync_at = '2100-01-01'
        where entra_tenant_id = ${fleet.cloud.tenants[1]?.id}`.execute(db)
      for (const { id } of fleet.cloud.tenants) {
        mutate(fleet.cloud.tenant(id), 8, seededRandom(5))
        fleet.cloud.faults.knobs(id, { pageSize: 2 })
        fleet.cloud.faults.add({ tenantId: id, path: 'skiptoken', after: 1, effect: { kind: 'silence' } })
        await fleet.ask(id)
      }
      const leases = async () =>
        (
          await sql<{ run_seq: number; held: boolean }>`
            select run_seq, expires_at > now() as held from sync_leases order by entra_tenant_id`.execute(db)
        ).rows
      while (!(await leases()).every(({ held }) => held)) await sleep(50)
      // In the middle of a round: a page is written, the next one does not come.
      const writing = sql<{ tenants: number }>`
        select count(distinct entra_tenant_id)::int as tenants from sync_cursors where next_link is not null`
      while ((await writing.execute(db)).rows[0]?.tenants !== 2) await sleep(50)
      const before = await leases()
      const [worker] = fleet.workers
      if (worker === undefined) throw new Error('there is a worker')
      fleet.cloud.faults.clear()
      const killedAt = Date.now()
      await fleet.replace(worker)
      while (!(await leases()).every(({ run_seq }, index) => run_seq > (before[index]?.run_seq ?? 0)))
        await sleep(100)
      const goingAgainMs = Date.now() - killedAt
      process.stdout.write(`${backend}: both tenants of a killed worker went on after ${goingAgainMs} ms\n`)
      expect(goingAgainMs).toBeLessThan(promisedMs)
      expect(await differences(fleet)).toEqual([])
    },
  )
})

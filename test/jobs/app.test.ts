import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startApp, type App, type AppOptions } from '../../src/app.ts'
import { loadConfig, type Config } from '../../src/config.ts'
import { emptyDatabase, testDatabase, type TestDatabase } from '../harness/database.ts'
import { ownRedis } from '../harness/redis.ts'
import { backends, log, quickWorker, until } from './support.ts'

const token = 'a-token-long-enough-for-this'
let database: TestDatabase
let folder: string
let apps: App[] = []

beforeEach(async () => {
  database = await testDatabase()
  folder = await mkdtemp(join(tmpdir(), 'entra-sync-app-'))
  // As root the embedded Postgres runs as another user, who must be able to come here.
  await chmod(folder, 0o755)
})
afterEach(async () => {
  for (const app of apps) await app.stop()
  apps = []
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

function config(env: Record<string, string> = {}): Config {
  return loadConfig({
    DATABASE_URL: database.url,
    DATA_DIR: folder,
    HTTP_PORT: '0',
    OPS_TOKEN: token,
    LOG_LEVEL: 'silent',
    ...env,
  })
}

async function start(of: Config, options: Partial<AppOptions> = {}): Promise<App> {
  const app = await startApp(of, {
    log,
    timings: { worker: quickWorker, scheduler: { tickMs: 200, assertMs: 100 }, stopMs: 5000 },
    ...options,
  })
  apps.push(app)
  return app
}

const ticked = (app: App) =>
  until('a tick to complete', async () =>
    (await app.queues.control.getCompleted()).some((job) => job.name === 'tick'),
  )

describe('the app', () => {
  it.each(backends)('starts all of itself, ticks, answers, and stops, with %s', async (backend) => {
    const redis = backend === 'redis' ? await ownRedis() : null
    try {
      const app = await start(config(redis ? { QUEUE_URL: redis.url } : {}))
      expect(app.queues.backend).toBe(backend)
      await ticked(app)
      await app.queues.ping()
      const live = await fetch(`${app.url}/livez`)
      expect(live.status).toBe(200)
      await app.stop()
      await expect(fetch(`${app.url}/livez`)).rejects.toThrow('fetch failed')
    } finally {
      await redis?.stop()
    }
  })

  it('runs its parts in processes of their own', async () => {
    const scheduler = await start(config(), { only: ['scheduler'] })
    expect(scheduler.url).toBeNull()
    await ticked(scheduler)
    expect(await scheduler.queues.sync.getWorkersCount()).toBe(0)
    await start(config(), { only: ['worker'] })
    await until('the worker to be seen', async () => (await scheduler.queues.sync.getWorkersCount()) === 1)
    const http = await start(config(), { only: ['http'] })
    expect((await fetch(`${http.url}/livez`)).status).toBe(200)
  })

  it('refuses a database without its schema, says what to run, and leaves nothing behind', async () => {
    const empty = await emptyDatabase()
    try {
      await expect(start({ ...config(), databaseUrl: empty.url })).rejects.toMatchObject({
        kind: 'config',
        remedy: expect.stringContaining('migrate'),
      })
    } finally {
      await empty.drop()
    }
  })

  it('says what to do when the queue is not there', async () => {
    const redis = await ownRedis()
    await redis.stop()
    await expect(start(config({ QUEUE_URL: redis.url }))).rejects.toMatchObject({
      kind: 'queue',
      code: 'queue_unreachable',
      message: expect.stringMatching(/^Redis at 127\.0\.0\.1:\d+ does not answer: .*ECONNREFUSED/),
      remedy: expect.stringContaining('QUEUE_URL'),
    })
  })

  it('says what to do when the queue of its own in Postgres is not there', async () => {
    const url = new URL(database.url)
    url.port = '1'
    await expect(start(config({ QUEUE_URL: url.href }))).rejects.toMatchObject({
      kind: 'queue',
      message: expect.not.stringContaining(url.password),
    })
  })

  it('brings the app entitlements of its configuration, takes them away without it, unless they are in use', async () => {
    const file = join(folder, 'entitlements.yaml')
    const plan = '{ id: bbbbbbbb-0000-4000-8000-000000000001, name: ACROBAT }'
    await writeFile(file, `entitlements: [{ name: acrobat, product_name: Acrobat, plans: [${plan}] }]`)
    const names = async (): Promise<string[]> => {
      const rows = await database.db
        .selectFrom('app_entitlements')
        .select('entitlement')
        .where('source', '=', 'configuration')
        .execute()
      return rows.map(({ entitlement }) => entitlement)
    }
    const first = await start(config({ APP_ENTITLEMENTS_FILE: file }))
    expect(await names()).toEqual(['acrobat'])
    const port = new URL(first.url ?? '').port
    await expect(start(config({ HTTP_PORT: port }))).rejects.toMatchObject({ code: 'http_port_in_use' })
    expect(await names()).toEqual(['acrobat'])
    await sql`with item as (insert into maintenance_items (name) values ('Acrobat') returning item_id)
      insert into deployments (name, item_id, scope, target_type, target)
      select 'Acrobat', item_id, 'cross_tenant', 'app_entitlement', '{"entitlement": "acrobat"}' from item`.execute(
      database.db,
    )
    await expect(start(config())).rejects.toMatchObject({ code: 'entitlement_in_use' })
    await sql`delete from deployments`.execute(database.db)
    await start(config())
    expect(await names()).toEqual([])
  })

  it('refuses a port in use and stops what it had started', async () => {
    const first = await start(config())
    const port = new URL(first.url ?? '').port
    await expect(start(config({ HTTP_PORT: port }))).rejects.toMatchObject({ code: 'http_port_in_use' })
    expect((await fetch(`${first.url}/livez`)).status).toBe(200)
  })

  it('keeps a database of its own, for itself alone', async () => {
    const { databaseUrl: _, ...rest } = config()
    const app = await start({ ...rest, databaseUrl: null })
    expect(app.queues.backend).toBe('postgres')
    await ticked(app)
  })
})

import { hostname } from 'node:os'
import { pid } from 'node:process'
import { join } from 'node:path'
import type { Kysely } from 'kysely'
import type { Config, OpsToken } from './config.ts'
import { startForgetting } from './consent/offboard/forget-tokens.ts'
import { openDatabase } from './db/connection.ts'
import type { HungTimings } from './db/hung-connections.ts'
import { startEmbeddedPostgres } from './db/embedded-postgres.ts'
import { openFeedBell } from './db/feed-bell.ts'
import { beat } from './db/heartbeats.ts'
import { assertSchema, migrate } from './db/migrate.ts'
import type { Database } from './db/tables.ts'
import { openGraph } from './graph-of-config.ts'
import type { GraphOptions } from './graph/graph.ts'
import { workerCheck } from './http/health.ts'
import { startHttp } from './http/server.ts'
import { loadOpsTokens } from './http/ops-tokens.ts'
import { payloadSchemas, queueNames, type QueueName } from './jobs/catalog.ts'
import { createHandlers } from './jobs/handlers.ts'
import { tellOutages } from './jobs/tell-outages.ts'
import { openQueues, type Queues, type WorkerTimings } from './jobs/queues.ts'
import { readSyncState } from './jobs/sync-state.ts'
import { startWorker, type WorkerContext } from './jobs/worker.ts'
import { openKeyRing } from './key-ring.ts'
import type { Log } from './log.ts'
import { openPreconsent } from './preconsent-of-config.ts'
import { discoveryRetryMs } from './scheduler/due.ts'
import { startScheduler, type SchedulerTimings } from './scheduler/scheduler.ts'
import { runTick } from './scheduler/tick.ts'
import { createClosers } from './shutdown.ts'
import { defaultTimings, type SyncTimings } from './sync/context.ts'
import { openWitness } from './restore/witness.ts'
import { syncEntitlements } from './targets/entitlements/sync.ts'

export type Part = 'scheduler' | 'worker' | 'http'

export interface AppOptions {
  /** Parts to run; all by default. The scheduler keeps a worker for its own queue, so that it ticks alone too. */
  only?: Part[] | undefined
  log: Log
  /** A line that is for the operator's eyes once, as a generated token; must not go to the log. */
  print?: (line: string) => void
  timings?: {
    sync?: Partial<SyncTimings>
    graph?: GraphOptions['timings']
    database?: HungTimings
    queue?: { answerMs?: number }
    worker?: WorkerTimings
    scheduler?: SchedulerTimings & { healAfterMs?: number }
    /** How long running jobs get to come to a page boundary. */
    stopMs?: number
  }
  /** Redis key prefix, for tests. */
  queuePrefix?: string
}

export interface App {
  /** Where HTTP listens; null without the http part. */
  url: string | null
  databaseUrl: string
  db: Kysely<Database>
  queues: Queues
  stop(): Promise<void>
}

/** Postgres takes 100 in all by default, and the queue's connections come on top; transactions are short. */
const mostConnections = 30

/** One tenant's great change must not keep the small ones of others; more would only wait for the same disk. */
const resolutionsAtOnce = 2

/** Less than the deadline of the whole stop (25 s): the rest is for what closes after the workers. */
const stopWorkersMs = 20_000

/**
 * Starts everything, in the order in which one thing needs the other, and stops it in the opposite order. When one
 * part can't start, what is running already is stopped and the error is thrown: nothing runs half.
 */
export async function startApp(config: Config, options: AppOptions): Promise<App> {
  const { log, timings = {}, print = () => {} } = options
  const runs = (part: Part): boolean => options.only === undefined || options.only.includes(part)
  const closers = createClosers(log)
  try {
    const databaseUrl = await openDatabaseServer(config, log, (close) =>
      closers.add('embedded postgres', close),
    )
    const db = openDatabase(databaseUrl, {
      max: Math.min(2 * config.syncConcurrency + 6 + resolutionsAtOnce, mostConnections),
      applicationName: 'entra-sync',
      ...(timings.database && { hung: timings.database }),
      onError: (error) => log.warn({ err: error }, 'an idle database connection failed'),
    })
    closers.add('database', () => db.destroy())
    await assertSchema(db)
    // Before anything works on a database that may be of last week.
    const witness = openWitness(db, join(config.dataDir, 'witness.json'), log)
    closers.add('witness', () => witness.stop())
    await witness.beat()

    const queues = await openQueues(config.queueUrl ?? databaseUrl, {
      log,
      ...timings.queue,
      ...(options.queuePrefix !== undefined && { prefix: options.queuePrefix }),
    })
    closers.add('queues', () => queues.close())

    const graph = await openGraph(config, db, log, timings.graph)
    closers.add('graph', () => graph.close())
    const forgetting = startForgetting({ db, forgetTokens: graph.forgetTokens, log })
    closers.add('forgetting', () => forgetting.stop())

    const preconsent = await openPreconsent(config, db, graph, log)
    const { healAfterMs, ...schedulerTimings } = timings.scheduler ?? {}
    const handlers = createHandlers({
      sync: {
        sync: {
          db,
          graphFor: graph.forTenant,
          log,
          worker: `${hostname()}-${pid}`,
          timings: { ...defaultTimings, sliceMs: config.syncSliceMs, ...timings.sync },
          guard: config.guard,
          appIdFor: graph.appIdFor,
          intervals: config.intervals,
        },
        queues,
      },
      discovery: {
        db,
        graphFor: graph.forTenant,
        appIdFor: graph.appIdFor,
        log,
        retryMs: discoveryRetryMs(config.intervals.discoveryMs),
      },
      consent: { proof: { db, graph, log }, queues },
      preconsent: { preconsent, queues },
      targets: { targets: { db, guard: config.guard, licenseGraceMs: config.licenseGraceMs, log }, queues },
      apps: {
        db,
        graph,
        log,
        ring: await openKeyRing(config),
        redirectUri: `${config.http.publicUrl}/consent-callback`,
        defaultApp: config.defaultApp,
      },
      tick: () =>
        runTick({
          db,
          queues,
          intervals: config.intervals,
          defaultClientId: config.defaultApp?.clientId ?? null,
          by: `${hostname()}-${pid}`,
          ...(healAfterMs !== undefined && { healAfterMs }),
        }),
    })
    const process = `${hostname()}-${pid}`
    const workerContext: WorkerContext = {
      queues,
      handlers,
      log,
      beat: (queue) => beat(db, `worker ${queue}`, process),
      nameOf: (id) => tenantName(db, id, log),
    }
    const stopMs = timings.stopMs ?? stopWorkersMs
    const concurrency = { control: 4, sync: config.syncConcurrency, targets: resolutionsAtOnce }
    const served: readonly QueueName[] = runs('worker') ? queueNames : runs('scheduler') ? ['control'] : []
    const workers = served.map((name) =>
      startWorker(workerContext, name, {
        concurrency: concurrency[name],
        ...(timings.worker && { timings: timings.worker }),
      }),
    )
    closers.add('workers', async () => void (await Promise.all(workers.map((worker) => worker.stop(stopMs)))))
    await Promise.all(workers.map((worker) => worker.ready))
    const telling = tellOutages({ db, away: graph.away, process, log })
    closers.add('telling of outages', () => telling.stop())

    if (runs('scheduler')) {
      const scheduler = await startScheduler({ queues, log, timings: schedulerTimings })
      closers.add('scheduler', () => scheduler.stop())
    }

    let url: string | null = null
    if (runs('http')) {
      const opsTokens: OpsToken[] = await loadOpsTokens(config, print)
      const feedBell = openFeedBell(databaseUrl, log)
      closers.add('feed bell', () => feedBell.close())
      const http = await startHttp({
        db,
        feedBell,
        queues: queues.all,
        jobs: queues,
        graph,
        keyRing: await openKeyRing(config),
        preconsent,
        defaultApp: config.defaultApp,
        cloud: config.cloud,
        payloadSchemas: payloadSchemas(),
        syncIntervalMs: config.intervals.syncMs,
        licenseGraceMs: config.licenseGraceMs,
        guard: config.guard,
        health: () => workers.map((worker) => workerCheck(worker.queue, worker.ok())),
        http: config.http,
        opsTokens,
        metricsToken: config.metricsToken,
        log,
      })
      closers.add('http', () => http.close())
      url = http.url
    }
    // Last: a second daemon that fails to start, on a port in use, has changed nothing.
    const changes = await syncEntitlements(db, config.appEntitlements)
    if (Object.values(changes).some((list) => list.length > 0))
      log.info(changes, 'the configuration changed the app entitlements')
    log.info({ url, queue: queues.backend, only: options.only }, 'entra-sync runs')
    return { url, databaseUrl, db, queues, stop: () => closers.closeAll() }
  } catch (error) {
    await closers.closeAll()
    throw error
  }
}

/** The embedded server is ours to migrate; a given database is migrated by its operator (`entra-sync migrate`). */
async function openDatabaseServer(
  config: Config,
  log: Log,
  onClose: (close: () => Promise<void>) => void,
): Promise<string> {
  if (config.databaseUrl !== null) return config.databaseUrl
  const server = await startEmbeddedPostgres({ dataDir: config.dataDir })
  onClose(() => server.stop())
  const { applied } = await migrate(server.url)
  if (applied.length > 0) log.info({ applied }, 'the embedded database was brought to this schema')
  return server.url
}

/** For messages only: never throws, since it is asked for while something else is being reported. */
async function tenantName(db: Kysely<Database>, id: string, log: Log): Promise<string> {
  try {
    const tenant = db.selectFrom('tenants').select('name').where('tenant_id', '=', id)
    return (await readSyncState(db, id))?.name ?? (await tenant.executeTakeFirst())?.name ?? id
  } catch (error) {
    log.debug({ err: error, id }, 'the name could not be read')
    return id
  }
}

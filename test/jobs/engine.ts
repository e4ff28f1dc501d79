import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Job } from 'bullmq'
import { readRequest, type RequestState } from '../../src/db/requests.ts'
import type { Handlers, QueueName } from '../../src/jobs/catalog.ts'
import { defaultPreconsentTimings } from '../../src/consent/preconsent/context.ts'
import { createUserGraph, type GraphOptions } from '../../src/graph/graph.ts'
import { createUserTokens } from '../../src/graph/user-tokens.ts'
import { createHandlers } from '../../src/jobs/handlers.ts'
import type { Backend } from '../../src/jobs/queue-connection.ts'
import { startWorker, type RunningWorker } from '../../src/jobs/worker.ts'
import { runTick } from '../../src/scheduler/tick.ts'
import { defaultTimings, type SyncContext } from '../../src/sync/context.ts'
import { openCloud, type CloudAndGraph } from '../consent/cloud.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { log, openTestQueues, quickWorker, until, type TestQueues } from './support.ts'

const intervals = { syncMs: 1_800_000, reconcileMs: 86_400_000, discoveryMs: 21_600_000 }

/** Database, queue, simulated cloud and workers: all that a sync needs, with its knobs in the test's hand. */
export interface Engine extends CloudAndGraph {
  database: TestDatabase
  queues: TestQueues
  /** Ids of the Entra tenants that are known, the partner's first. */
  tenants: string[]
  startWorkers(
    count: number,
    options?: { queue?: QueueName; concurrency?: number; sliceMs?: number },
  ): Promise<RunningWorker[]>
  tick(): ReturnType<typeof runTick>
  request(id: string): Promise<RequestState>
  /** Waits until everything asked of `id` is served. */
  served(id: string): Promise<RequestState>
  ended(job: Job): Promise<Job>
  /** Runs of `id`, oldest first. */
  runs(id: string): Promise<{ outcome: string | null; mode: string; slices: number }[]>
}

export async function startEngine(
  backend: Backend,
  sizes: number[],
  timings: GraphOptions['timings'] = {},
  more: Parameters<typeof openCloud>[2] = {},
): Promise<Engine> {
  const database = await testDatabase()
  const opened = await openCloud({ sizes }, timings, more)
  const queues = await openTestQueues(backend, database.url)
  const workers: RunningWorker[] = []
  const tenants = opened.cloud.tenants.map((tenant) => tenant.id)
  for (const { id, displayName } of opened.cloud.tenants) {
    await sql`
      insert into entra_tenants (entra_tenant_id, display_name, next_sync_at)
      values (${id}, ${displayName}, now() + interval '1 day')`.execute(database.db)
  }

  function handlers(sliceMs: number): Handlers {
    const sync: SyncContext = {
      db: database.db,
      graphFor: opened.graph.forTenant,
      log,
      worker: randomUUID(),
      timings: { ...defaultTimings, sliceMs },
      guard: { holdMin: 5, holdPercent: 10, holdMax: 500 },
      appIdFor: () => opened.cloud.clientId,
      intervals,
    }
    return createHandlers({
      sync: { sync, queues },
      discovery: {
        db: database.db,
        graphFor: opened.graph.forTenant,
        log,
        retryMs: 1000,
        appIdFor: () => opened.cloud.clientId,
      },
      consent: {
        proof: {
          db: database.db,
          log,
          graph: {
            asApp: () => ({ forTenant: opened.graph.forTenant, close: () => {} }),
            forgetTokens: opened.graph.forgetTokens,
            wantedAppFor: async () => opened.cloud.clientId,
          },
        },
        queues,
      },
      preconsent: {
        preconsent: {
          db: database.db,
          ring: [],
          users: createUserTokens(opened.cloud.origin),
          userGraph: createUserGraph({
            cloud: { loginUrl: opened.cloud.origin, graphUrl: opened.cloud.origin },
            log,
          }),
          partnerCenter: null,
          resources: { partnerCenter: opened.cloud.origin, graph: opened.cloud.origin },
          graph: {
            asApp: () => ({ forTenant: opened.graph.forTenant, close: () => {} }),
            forgetTokens: opened.graph.forgetTokens,
            wantedAppFor: async () => opened.cloud.clientId,
            credentialsFor: async () => [
              { clientId: opened.cloud.clientId, secret: opened.cloud.clientSecret },
            ],
          },
          log,
          timings: defaultPreconsentTimings,
        },
        queues,
      },
      targets: {
        targets: { db: database.db, guard: sync.guard, licenseGraceMs: 30 * 86_400_000, log },
        queues,
      },
      tick: engine.tick,
    })
  }

  const engine: Engine = {
    ...opened,
    database,
    queues,
    tenants,
    async startWorkers(count, { queue = 'sync', concurrency = 4, sliceMs = 60_000 } = {}) {
      const started = Array.from({ length: count }, () =>
        startWorker(
          {
            queues,
            handlers: handlers(sliceMs),
            log,
            beat: async () => {},
            nameOf: async (id) => nameOf(id),
          },
          queue,
          {
            concurrency,
            timings: quickWorker,
          },
        ),
      )
      workers.push(...started)
      await Promise.all(started.map((worker) => worker.ready))
      return started
    },
    tick: () => runTick({ db: database.db, queues, intervals, healAfterMs: 0 }),
    async request(id) {
      const request = await readRequest(database.db, id)
      if (request === null) throw new Error('nothing was ever asked of this Entra tenant')
      return request
    },
    served: (id) =>
      until(`all that was asked of ${nameOf(id)} to be served`, async () => {
        const request = await readRequest(database.db, id)
        return request !== null && request.served_seq === request.requested_seq ? request : null
      }),
    ended: (job) =>
      until('the job to end', async () => {
        const now = (await queues.sync.getJob(job.id ?? '')) as Job | undefined
        return now?.finishedOn === undefined ? null : now
      }),
    async runs(id) {
      const { rows } = await sql<{ outcome: string | null; mode: string; slices: number }>`
        select outcome, mode, slices from sync_runs where entra_tenant_id = ${id} order by started_at`.execute(
        database.db,
      )
      return rows
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.stop(10_000)))
      await queues.close()
      await opened.close()
      await database.drop()
    },
  }
  const nameOf = (id: string): string => opened.cloud.findTenant(id)?.displayName ?? id
  return engine
}

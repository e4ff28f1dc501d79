import {
  createPostgresBackend,
  Queue,
  Worker,
  type PostgresPoolConfig,
  type Processor,
  type WorkerOptions,
} from 'bullmq'
import type { Log } from '../log.ts'
import { queueNames, type QueueName } from './catalog.ts'
import { openQueueClock } from './queue-clock.ts'
import {
  addressOf,
  backendOf,
  checkRedis,
  preparePostgres,
  queueError,
  type Backend,
} from './queue-connection.ts'

export interface QueuesOptions {
  log: Log
  /** Redis key prefix; BullMQ's own default, so that any client finds the queues. Tests give each suite its own. */
  prefix?: string
  /** Schema of the Postgres backend. */
  schema?: string
  /** Longest that the Postgres backend may take to answer; milliseconds. */
  answerMs?: number
}

/** Schema of the Postgres backend, apart from ours. */
export const queueSchema = 'entra_sync_queue'

/** How long finished jobs are kept for the dashboard; whichever limit comes first. Ages in seconds. */
export const retention = {
  removeOnComplete: { age: 24 * 3600, count: 2000 },
  removeOnFail: { age: 14 * 24 * 3600, count: 5000 },
}

export type JobWorker = Worker<unknown, string>
export type JobProcessor = Processor<unknown, string>
export type WorkerTimings = Pick<
  WorkerOptions,
  'lockDuration' | 'stalledInterval' | 'maxStalledCount' | 'drainDelay'
>

/** The open queues. Jobs in them are wake-ups: what is wanted is in Postgres. */
export interface Queues extends Record<QueueName, Queue> {
  backend: Backend
  /** `host:port`, for people. */
  address: string
  all: Queue[]
  /** A worker that claims nothing before its `run()`. */
  openWorker(
    name: QueueName,
    processor: JobProcessor,
    options: { concurrency: number } & WorkerTimings,
  ): JobWorker
  /** Takes back what a clock that has been put back since had stamped ahead; answers how much that was. */
  forgetFuture(): Promise<number>
  /** Asks the backend for something small. Throws kind `queue` when it does not answer within 2 s. */
  ping(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens the queues on the backend that `queueUrl` names and proves that it answers. Throws kind `queue` with what to do
 * when it does not. The caller closes them, after the workers.
 */
export async function openQueues(queueUrl: string, options: QueuesOptions): Promise<Queues> {
  const { log, prefix = 'bull', schema = queueSchema, answerMs = 60_000 } = options
  const backend = backendOf(queueUrl)
  const address = addressOf(queueUrl)
  await (backend === 'redis' ? checkRedis(queueUrl, log) : preparePostgres(queueUrl, schema, log))
  let closed = false
  // A connection of BullMQ's pool may outlive close() by a moment, and the embedded server that stops then ends it:
  // `init` on a busy machine told that as a fault.
  const report = (from: string) => (error: Error) =>
    closed
      ? log.debug({ err: error, queue: from }, 'a connection of the closed queue ended')
      : log.warn({ err: error, queue: from }, 'the queue reports an error')

  function openQueue(name: QueueName): Queue {
    const queue =
      backend === 'redis'
        ? new Queue(name, {
            connection: { url: queueUrl, enableOfflineQueue: false, maxRetriesPerRequest: 1 },
            prefix,
            defaultJobOptions: retention,
          })
        : // The class's type parameters name its backend; every method we and the dashboard use is the same on both.
          (new Queue(
            name,
            { connection: postgresConnection(queueUrl, schema, answerMs, 3), defaultJobOptions: retention },
            createPostgresBackend,
          ) as unknown as Queue)
    queue.on('error', report(name))
    return queue
  }

  function openWorker(
    name: QueueName,
    processor: JobProcessor,
    { concurrency, ...timings }: { concurrency: number } & WorkerTimings,
  ): JobWorker {
    const settings = { concurrency, autorun: false, ...retention, ...timings }
    const worker =
      backend === 'redis'
        ? new Worker<unknown, string>(name, processor, {
            connection: { url: queueUrl, maxRetriesPerRequest: null },
            prefix,
            ...settings,
          })
        : (new Worker<
            unknown,
            string,
            string,
            ReturnType<typeof createPostgresBackend>,
            object,
            PostgresPoolConfig
          >(
            name,
            processor,
            {
              connection: postgresConnection(queueUrl, schema, answerMs, Math.min(concurrency + 1, 6)),
              ...settings,
            },
            createPostgresBackend,
          ) as unknown as JobWorker)
    worker.on('error', report(`${name} worker`))
    return worker
  }

  const clock = backend === 'postgres' ? openQueueClock(queueUrl, schema, report('clock')) : null
  const queues = { sync: openQueue('sync'), targets: openQueue('targets'), control: openQueue('control') }
  const all = queueNames.map((name) => queues[name])
  return {
    ...queues,
    backend,
    address,
    all,
    openWorker,
    forgetFuture: async () => (await clock?.forgetFuture()) ?? 0,
    ping: () => answering(address, queues.sync.getJobCounts('active')),
    close: async () => {
      const closing = [...all, ...(clock === null ? [] : [clock])]
      const ends = await Promise.allSettled(closing.map((each) => withDeadline(each.close(), 5000)))
      closed = true
      for (const result of ends) {
        if (result.status === 'rejected') log.warn({ err: result.reason }, 'a queue did not close well')
      }
    },
  }
}

/** A connection that a firewall forgot never answers and never ends: without a limit its place in the pool is lost. */
function postgresConnection(
  connectionString: string,
  schema: string,
  answerMs: number,
  max: number,
): PostgresPoolConfig {
  return {
    connectionString,
    schema,
    max,
    application_name: 'entra-sync queue',
    connectionTimeoutMillis: 5000,
    query_timeout: answerMs,
  }
}

/**
 * Adds through `add`. What the driver throws becomes an EntraSyncError of kind `queue`, and so does silence: a command
 * to a server that has gone may wait for ever.
 */
export async function adding<T>(address: string, add: () => Promise<T>): Promise<T> {
  try {
    return await withDeadline(add(), 10_000)
  } catch (error) {
    throw queueError(
      `The queue at ${address} did not take a job`,
      error,
      'What was asked is kept in the database and is taken up when the queue answers again.',
    )
  }
}

async function answering(address: string, work: Promise<unknown>): Promise<void> {
  try {
    await withDeadline(work, 2000)
  } catch (error) {
    throw queueError(`The queue at ${address} does not answer`, error, 'Start it, or correct QUEUE_URL.')
  }
}

async function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue, createPostgresBackend } from 'bullmq'
import { Redis } from 'ioredis'
import type { Handlers, QueueName } from '../../src/jobs/catalog.ts'
import { openQueues, type Queues, type WorkerTimings } from '../../src/jobs/queues.ts'
import type { Backend } from '../../src/jobs/queue-connection.ts'
import { createLog } from '../../src/log.ts'
import { redisUrl } from '../harness/redis.ts'

export const backends = ['redis', 'postgres'] as const satisfies Backend[]

export const log = createLog({
  level: process.env['TEST_LOG'] === undefined ? 'silent' : 'debug',
  pretty: false,
})

/** Short, so that a stalled or delayed job is seen again within a test's patience. */
export const quickWorker: WorkerTimings = { lockDuration: 2000, stalledInterval: 500, drainDelay: 1 }

export interface TestQueues extends Queues {
  url: string
  prefix: string
  /** A queue as any BullMQ client opens it, knowing nothing of us. */
  stranger(name: QueueName): Queue
}

/** Queues of this test alone: a key prefix of their own on Redis, the given database on Postgres. */
export async function openTestQueues(
  backend: Backend,
  databaseUrl: string,
  redis = redisUrl(),
): Promise<TestQueues> {
  const prefix = `test-${randomBytes(6).toString('hex')}`
  const url = backend === 'redis' ? redis : databaseUrl
  const queues = await openQueues(url, { log, prefix })
  const strangers: Queue[] = []
  return {
    ...queues,
    url,
    prefix,
    stranger(name) {
      const queue =
        backend === 'redis'
          ? new Queue(name, { connection: { url }, prefix })
          : (new Queue(
              name,
              { connection: { connectionString: url, schema: 'entra_sync_queue' } },
              createPostgresBackend,
            ) as unknown as Queue)
      queue.on('error', (error) => log.warn({ err: error }))
      strangers.push(queue)
      return queue
    },
    async close() {
      await Promise.all(strangers.map((queue) => queue.close()))
      await queues.close()
    },
  }
}

/** One command to a Redis, past everything of ours. */
export async function redisCommand(
  url: string,
  command: string,
  ...args: (string | number)[]
): Promise<unknown> {
  const client = new Redis(url)
  try {
    return await client.call(command, ...args)
  } finally {
    client.disconnect()
  }
}

/** Asks until `probe` answers something, and fails with `what` when it never does. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | null | undefined | false>,
  patienceMs = 120_000,
): Promise<T> {
  const end = performance.now() + patienceMs
  for (;;) {
    const answer = await probe()
    if (answer !== null && answer !== undefined && answer !== false) return answer
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await sleep(25)
  }
}

/** The handlers given, and for every other job one that fails the test's expectations loudly. */
export function handlersWith(some: Partial<Handlers>): Handlers {
  const unexpected = (): Promise<never> => Promise.reject(new Error('this job was not expected'))
  return {
    'sync-tenant': unexpected,
    'discover-customers': unexpected,
    'verify-consent': unexpected,
    'preconsent-customer': unexpected,
    'resolve-targets': unexpected,
    tick: unexpected,
    housekeeping: unexpected,
    ...some,
  }
}

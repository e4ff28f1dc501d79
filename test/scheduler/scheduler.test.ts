import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openQueues } from '../../src/jobs/queues.ts'
import { startWorker } from '../../src/jobs/worker.ts'
import { startScheduler } from '../../src/scheduler/scheduler.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { ownRedis } from '../harness/redis.ts'
import {
  backends,
  handlersWith,
  log,
  openTestQueues,
  quickWorker,
  redisCommand,
  until,
} from '../jobs/support.ts'

const timings = { tickMs: 200, assertMs: 100, housekeepingMs: 60_000 }
const done = { job: 'completed', result: '', again: 'never' } as const

describe('the scheduler', () => {
  let database: TestDatabase
  const closers: (() => Promise<void>)[] = []

  beforeAll(async () => {
    database = await testDatabase()
  })
  afterEach(async () => {
    for (let close = closers.pop(); close; close = closers.pop()) await close()
  })
  afterAll(() => database.drop())

  it.each(backends)('ticks again and again, once for all processes, on %s', async (backend) => {
    const queues = await openTestQueues(backend, database.url)
    closers.push(() => queues.close())
    await queues.control.obliterate({ force: true })
    let ticks = 0
    const handlers = handlersWith({ tick: async () => (ticks++, done), housekeeping: async () => done })
    const worker = startWorker(
      { queues, handlers, log, beat: async () => {}, nameOf: async (id) => id },
      'control',
      {
        concurrency: 2,
        timings: quickWorker,
      },
    )
    closers.push(() => worker.stop(5000))
    const schedulers = await Promise.all([1, 2, 3].map(() => startScheduler({ queues, log, timings })))
    for (const scheduler of schedulers) closers.push(() => scheduler.stop())
    const [before, since] = [ticks, performance.now()]
    await until('ten ticks', async () => ticks >= before + 10)
    // A slot has one job, whoever made it; a few may lie ahead when several processes ask at the same moment.
    expect(ticks - before).toBeLessThanOrEqual((performance.now() - since) / timings.tickMs + 4)
    const schedules = await queues.control.getJobSchedulers()
    expect(schedules.map((one) => one.key).sort()).toEqual(['housekeeping', 'tick'])
  })

  it('stands again within seconds after Redis was flushed, and after it was away', async () => {
    let redis = await ownRedis()
    closers.push(() => redis.stop())
    const queues = await openQueues(redis.url, { log })
    closers.push(() => queues.close())
    let ticks = 0
    const handlers = handlersWith({ tick: async () => (ticks++, done), housekeeping: async () => done })
    const worker = startWorker(
      { queues, handlers, log, beat: async () => {}, nameOf: async (id) => id },
      'control',
      {
        concurrency: 1,
        timings: quickWorker,
      },
    )
    closers.push(() => worker.stop(5000))
    const scheduler = await startScheduler({ queues, log, timings })
    closers.push(() => scheduler.stop())
    await until('the first ticks', async () => ticks >= 2)

    await redisCommand(redis.url, 'flushall')
    const flushedAt = ticks
    await until('ticks after the flush', async () => ticks >= flushedAt + 3)

    const port = Number(new URL(redis.url).port)
    await redis.stop()
    const stoppedAt = ticks
    redis = await ownRedis(port)
    await until('ticks after the outage', async () => ticks >= stoppedAt + 3)
    expect(await queues.control.getJobSchedulersCount()).toBe(2)
  })

  it('makes a schedule anew that has stopped producing', async () => {
    const queues = await openTestQueues('redis', database.url)
    closers.push(() => queues.close())
    const scheduler = await startScheduler({ queues, log, timings: { ...timings, assertMs: 3_600_000 } })
    closers.push(() => scheduler.stop())
    const job = (await queues.control.getJobs(['delayed', 'waiting', 'prioritized'])).find(
      (one) => one.name === 'tick',
    )
    await redisCommand(queues.url, 'zadd', `${queues.prefix}:control:repeat`, Date.now() - 3_600_000, 'tick')
    await job?.remove()
    await scheduler.assert()
    const next = (await queues.control.getJobScheduler('tick'))?.next ?? 0
    expect(next).toBeGreaterThan(Date.now() - 60_000)
  })

  it('makes a schedule anew that a clock put back has left an hour ahead', async () => {
    const queues = await openTestQueues('redis', database.url)
    closers.push(() => queues.close())
    const scheduler = await startScheduler({ queues, log, timings: { ...timings, assertMs: 3_600_000 } })
    closers.push(() => scheduler.stop())
    await redisCommand(queues.url, 'zadd', `${queues.prefix}:control:repeat`, Date.now() + 3_600_000, 'tick')
    expect((await queues.control.getJobScheduler('tick'))?.next).toBeGreaterThan(Date.now() + 3_000_000)
    await scheduler.assert()
    const next = (await queues.control.getJobScheduler('tick'))?.next ?? Infinity
    expect(next).toBeLessThan(Date.now() + 60_000)
  })

  it('has the job of a dead worker taken up though a clock put back has left the last look an hour ahead', async () => {
    const queues = await openTestQueues('postgres', database.url)
    closers.push(() => queues.close())
    const { id } = await queues.control.add('housekeeping', {})
    // As bullmq 6.7 writes them: a worker with a fast clock has looked, claimed two jobs and died; one lock is over.
    const { id: locked } = await queues.control.add('housekeeping', {})
    const hour = 3_600_000
    const claim = (job: string | undefined, until: number) =>
      sql`update entra_sync_queue.job set state = 'active', stalled_marked = true, lock_token = 'dead', locked_until_ms = ${until}
        where queue = 'control' and id = ${job}`.execute(database.db)
    await claim(id, Date.now() - 1000)
    await claim(locked, Date.now() + hour)
    await sql`insert into entra_sync_queue.meta (queue, field, value) values ('control', 'stalled-check', ${Date.now() + hour})
      on conflict (queue, field) do update set value = excluded.value`.execute(database.db)
    const handlers = handlersWith({ tick: async () => done, housekeeping: async () => done })
    const worker = startWorker(
      { queues, handlers, log, beat: async () => {}, nameOf: async (tenant) => tenant },
      'control',
      { concurrency: 1, timings: quickWorker },
    )
    closers.push(() => worker.stop(5000))
    const scheduler = await startScheduler({ queues, log, timings })
    closers.push(() => scheduler.stop())
    await until('the job of the dead worker to be done', async () => {
      const job = await queues.control.getJob(id ?? '')
      return job?.finishedOn !== undefined
    })
    const { rows } = await sql<{ until: number }>`
      select locked_until_ms as until from entra_sync_queue.job where queue = 'control' and id = ${locked}`.execute(
      database.db,
    )
    expect(rows[0]?.until).toBeLessThan(Date.now() + 60_000)
    // What lies ahead as it should is left alone.
    expect(await queues.forgetFuture()).toBe(0)
  })
})

import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { openFeedBell } from '../../src/db/feed-bell.ts'
import { beat } from '../../src/db/heartbeats.ts'
import { readiness, workerCheck } from '../../src/http/health.ts'
import { startWorker } from '../../src/jobs/worker.ts'
import { startScheduler } from '../../src/scheduler/scheduler.ts'
import { runTick } from '../../src/scheduler/tick.ts'
import { testDatabase } from '../harness/database.ts'
import { backends, handlersWith, log, openTestQueues, quickWorker, until } from './support.ts'

const intervals = { syncMs: 1_800_000, reconcileMs: 86_400_000, discoveryMs: 21_600_000 }

test.each(backends)(
  'a daemon whose control worker stands still is red, and green again when the watchdog has made it anew, on %s',
  async (backend) => {
    const database = await testDatabase()
    onTestFinished(() => database.drop())
    const { db } = database
    const queues = await openTestQueues(backend, database.url)
    onTestFinished(() => queues.close())
    const feedBell = openFeedBell(database.url, log)
    onTestFinished(() => feedBell.close())
    // Connections up, runs, takes nothing: whatever is made while it is so.
    let wedged = false
    const opened: { pause(doNotWait: boolean): Promise<void> }[] = []
    const worker = startWorker(
      {
        queues: {
          ...queues,
          openWorker(name, processor, options) {
            const one = queues.openWorker(name, processor, options)
            if (wedged) void one.pause(true)
            opened.push(one)
            return one
          },
        },
        handlers: handlersWith({
          tick: async () => {
            await runTick({ db, queues, intervals })
            return { job: 'completed', result: 'ticked', again: 'never' }
          },
          housekeeping: async () => ({ job: 'completed', result: '', again: 'never' }),
        }),
        log,
        beat: (queue) => beat(db, `worker ${queue}`, 'test'),
        nameOf: async (id) => id,
      },
      'control',
      { concurrency: 4, timings: quickWorker, watchdog: { lookMs: 50, idleMs: 300 } },
    )
    onTestFinished(() => worker.stop(500))
    await worker.ready
    // The schedule is not the one to heal it here: what it makes anew would wait, and be seen.
    const scheduler = await startScheduler({ queues, log, timings: { tickMs: 200, assertMs: 3_600_000 } })
    onTestFinished(() => scheduler.stop())
    const red = async (): Promise<string[]> =>
      (
        await readiness({
          db,
          queues: [queues.control],
          feedBell,
          syncIntervalMs: intervals.syncMs,
          health: () => [workerCheck('control', worker.ok())],
        })
      )
        .filter(({ ok }) => !ok)
        .map(({ name }) => name)
    await until('the daemon to be green', async () => (await red()).length === 0)

    wedged = true
    await Promise.all(opened.map((one) => one.pause(true)))
    // Two minutes later: the watchdog has tried, and what it makes stands still as well.
    await until('it to be made anew in vain', async () => opened.length > 3 && !worker.ok())
    const waiting = await queues.control.getJobCounts('waiting', 'prioritized')
    expect(waiting).toEqual({ waiting: 0, prioritized: 0 })
    await sql`update heartbeats set at = at - interval '2 minutes'`.execute(db)
    expect((await red()).toSorted()).toEqual(['scheduler', 'worker control', 'workers'])

    wedged = false
    await until('the daemon to be green again', async () => (await red()).length === 0)
  },
)

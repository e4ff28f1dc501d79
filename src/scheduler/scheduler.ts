import type { Log } from '../log.ts'
import { priorities, type JobName } from '../jobs/catalog.ts'
import type { Queues } from '../jobs/queues.ts'
import { tickMs } from './due.ts'

export interface SchedulerContext {
  queues: Queues
  log: Log
  timings?: SchedulerTimings
}

export interface SchedulerTimings {
  tickMs?: number
  /** How often it is made sure that the schedules exist: how long a flushed Redis stands still. */
  assertMs?: number
  housekeepingMs?: number
}

export interface Scheduler {
  /** Makes sure that the schedules exist and move. */
  assert(): Promise<void>
  stop(): Promise<void>
}

const assertEveryMs = 3000
const housekeepingEveryMs = 60 * 60 * 1000

/**
 * Keeps BullMQ's job schedulers alive: at start and by a timer, which also covers reconnects. All processes may do so at
 * once: an upsert that changes nothing keeps the next run. One that has stopped producing is made anew; that was
 * seen of BullMQ's schedulers more than once (its issues 3272, 3063, 2988). So is one whose next run lies far ahead, as a
 * clock that is put back leaves it: nothing would be due for as long as it was put back.
 */
export async function startScheduler({ queues, log, timings = {} }: SchedulerContext): Promise<Scheduler> {
  const schedules: { name: JobName; every: number; priority: number }[] = [
    // Before everything else: what is due must not wait behind discoveries.
    { name: 'tick', every: timings.tickMs ?? tickMs, priority: 1 },
    {
      name: 'housekeeping',
      every: timings.housekeepingMs ?? housekeepingEveryMs,
      priority: priorities.schedule,
    },
  ]
  const { control } = queues
  let asserting: Promise<void> | null = null
  let failing = false

  async function assertAll(): Promise<void> {
    const ahead = await queues.forgetFuture()
    if (ahead > 0) log.warn({ ahead }, 'a clock was put back: locks and looks that lay ahead are ended')
    for (const { name, every, priority } of schedules) {
      const scheduler = await control.getJobScheduler(name)
      const overdueMs = Date.now() - (scheduler?.next ?? Date.now())
      if (overdueMs > 3 * every + 60_000 || overdueMs < -every - 60_000) {
        log.warn({ schedule: name, overdueMs }, 'a schedule stood still and is made anew')
        await control.removeJobScheduler(name)
      }
      await control.upsertJobScheduler(
        name,
        { every },
        { name, data: {}, opts: { priority, removeOnComplete: { count: 20 }, removeOnFail: { count: 100 } } },
      )
    }
  }

  function assert(): Promise<void> {
    asserting ??= assertAll().finally(() => (asserting = null))
    return asserting
  }

  function assertQuietly(): void {
    assert().then(
      () => {
        if (failing) log.info('the queue answers again, the schedules stand')
        failing = false
      },
      (error: unknown) => {
        if (!failing) log.warn({ err: error }, 'the schedules could not be looked after; it is tried again')
        failing = true
      },
    )
  }

  await assert()
  const timer = setInterval(assertQuietly, timings.assertMs ?? assertEveryMs)
  return {
    assert,
    async stop() {
      clearInterval(timer)
      await asserting?.catch((error: unknown) =>
        log.debug({ err: error }, 'the last look at the schedules failed'),
      )
    },
  }
}

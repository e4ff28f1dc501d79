import { setTimeout as sleep } from 'node:timers/promises'
import type { Queue } from 'bullmq'
import type { Log } from '../log.ts'

export interface WatchdogTimings {
  lookMs: number
  /** How long jobs may wait for a worker that has a free slot and takes none. */
  idleMs: number
}

/** Three looks: the worker is made anew within a minute, and readiness is red within two where that does not help. */
export const watchdogTimings: WatchdogTimings = { lookMs: 15_000, idleMs: 45_000 }

/** From so many on it is the process that is ill. */
const remakesInVain = 2

export interface Watched {
  queue: Queue
  concurrency: number
  /** Jobs that it has taken since it was made, and those that it is at. */
  taken(): number
  busy(): number
  /** Puts a new worker in its place. */
  remake(): void
  /** It has taken jobs, is full, or none wait. */
  onProgress(): Promise<void>
}

export interface Watchdog {
  /** False = jobs wait, it takes none, and making it anew has not helped. */
  ok(): boolean
  stop(): Promise<void>
}

/**
 * Watches that a worker takes the jobs that wait. Workers of BullMQ were seen to stand still with every connection up
 * (its issues 4479, 4585 and 4729), on Redis and on Postgres; nothing but jobs that wait tells it. A queue that does not
 * answer, or that an operator has paused, is no fault of the worker's.
 */
export function watchWorker(
  watched: Watched,
  log: Log,
  timings: WatchdogTimings = watchdogTimings,
): Watchdog {
  const { queue } = watched
  const stopping = new AbortController()
  let takenBefore = watched.taken()
  let idleSince: number | null = null
  let remakes = 0

  async function look(): Promise<void> {
    const [counts, overdue, paused] = await Promise.all([
      queue.getJobCounts('waiting', 'prioritized'),
      // Workers alone let these go on when their time comes: where none moves they stay delayed, as all ticks are.
      queue.getDelayedCount(Date.now()),
      queue.isPaused(),
    ])
    const waiting = (counts['waiting'] ?? 0) + (counts['prioritized'] ?? 0) + overdue
    const taken = watched.taken()
    const progress = taken !== takenBefore || waiting === 0 || watched.busy() >= watched.concurrency
    takenBefore = taken
    if (progress || paused) {
      idleSince = null
      if (progress) remakes = 0
      if (!paused) await watched.onProgress()
      return
    }
    idleSince ??= performance.now()
    if (performance.now() - idleSince < timings.idleMs) return
    remakes += 1
    idleSince = null
    log.error(
      { queue: queue.name, waiting, remakes },
      'the worker takes no jobs though some wait: it is made anew',
    )
    watched.remake()
    takenBefore = watched.taken()
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await look().catch((error: unknown) =>
        log.debug({ err: error, queue: queue.name }, 'the worker could not be looked after'),
      )
      await sleep(timings.lookMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {})
    }
  }

  const running = run()
  return {
    ok: () => remakes <= remakesInVain,
    async stop() {
      stopping.abort()
      await running
    },
  }
}

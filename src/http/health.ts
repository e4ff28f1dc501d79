import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Queue } from 'bullmq'
import { sql, type Kysely } from 'kysely'
import { steadyNow } from '../clock.ts'
import { readOutages } from '../db/cloud-outages.ts'
import type { FeedBell } from '../db/feed-bell.ts'
import { readFreshness } from '../db/freshness.ts'
import { readHeartbeats } from '../db/heartbeats.ts'
import { readTargetLag } from '../db/target-status.ts'
import { outageText } from './outage-text.ts'
import { assertSchema } from '../db/migrate.ts'
import type { Database } from '../db/tables.ts'
import { describeError } from '../errors.ts'

export interface Check {
  name: string
  ok: boolean
  detail: string
}

export interface HealthDeps {
  db: Kysely<Database>
  queues: Queue[]
  feedBell: FeedBell
  /** SYNC_INTERVAL in milliseconds, for tenants without one of their own. */
  syncIntervalMs: number
  /** What only the process knows of its own loops; each entry becomes a check of /readyz. Leave out for none. */
  health?: () => Check[]
  /** When this process started, in milliseconds since 1970: what never beat is late only from then on. */
  startedAt?: number
  /** How long a check may take. */
  answerMs?: number
}

const bootedAt = steadyNow()
const longestStallMs = 5000
const windowMs = 30_000
/** Probes give up after some seconds, too. */
const longestCheckMs = 5000
/** Long enough for a worker to restart and for a lease of a killed one (60 s) to end; red is within two minutes. */
const unservedSeconds = 100
/** The tick comes every 5 s; a process that takes its place after a SIGKILL needs up to a minute. */
const tickSeconds = 90
/** Longer than the longest run of a sync that a dirty family waits for, and than its resolution after it. */
const unresolvedSeconds = 900

/** Watches the event loop: a process that stands still for seconds answers no probe and loses its leases. */
export function watchEventLoop() {
  const histogram = monitorEventLoopDelay({ resolution: 20 })
  histogram.enable()
  let before = 0
  const timer = setInterval(() => {
    before = histogram.max / 1e6
    histogram.reset()
  }, windowMs)
  timer.unref()
  return {
    /** Milliseconds of the longest stall within the last 30 to 60 seconds. */
    stallMs: (): number => Math.max(before, histogram.max / 1e6),
    stop(): void {
      clearInterval(timer)
      histogram.disable()
    },
  }
}

export function liveness(stallMs: number): Check {
  const detail = `longest stall of the event loop in the last minute: ${Math.round(stallMs)} ms`
  return { name: 'event_loop', ok: stallMs < longestStallMs, detail }
}

/** What only a restart of this process mends. */
export function workerCheck(queue: string, ok: boolean): Check {
  const detail = ok
    ? 'takes what waits'
    : 'takes no jobs though some wait, and making it anew has not helped: restart this process'
  return { name: `worker ${queue}`, ok, detail }
}

/** Readiness by progress. A ping that works while nothing syncs is what an operator must not be told. */
export async function readiness(deps: HealthDeps): Promise<Check[]> {
  const check: typeof checkOnce = (name, run) =>
    inTime(name, checkOnce(name, run), deps.answerMs ?? longestCheckMs)
  const checks = await Promise.all([
    check('schema', () => assertSchema(deps.db)),
    check('freshness', () => freshness(deps)),
    check('cloud', () => cloud(deps)),
    check('scheduler', () => scheduler(deps)),
    check('workers', () => workers(deps)),
    check('targets', () => targets(deps)),
    check('feed', async () => feed(deps)),
    check('queue', async () => {
      await Promise.all(deps.queues.map((queue) => queue.getJobCounts('waiting')))
    }),
  ])
  return [...checks, ...(deps.health?.() ?? [])]
}

/**
 * A problem of one customer is no fault of this daemon: red is when most of what should be fresh is not, or nothing is at
 * all, whatever the problems are: an app secret that ended is everybody's.
 */
async function freshness({ db, syncIntervalMs }: HealthDeps): Promise<Check> {
  const { scheduled, stale, allStale, oldestSeconds } = await readFreshness(db, syncIntervalMs)
  if (allStale > 0) {
    const told = `none of the ${allStale} Entra tenants that were ever synced is fresh: see entra-sync problems`
    return { name: 'freshness', ok: false, detail: told }
  }
  const detail = `${stale.length} of ${scheduled} scheduled Entra tenants without a problem are older than three intervals${
    oldestSeconds === null ? '' : `, the oldest ${oldestSeconds} s`
  }`
  return { name: 'freshness', ok: stale.length * 2 <= scheduled, detail }
}

/** Workers notice it long before anything is stale, and look for its end by themselves. */
async function cloud({ db }: HealthDeps): Promise<Check> {
  const [outage] = await readOutages(db)
  if (outage === undefined) return { name: 'cloud', ok: true, detail: 'ok' }
  return { name: 'cloud', ok: false, detail: outageText(outage) }
}

/** No tick, no work: nothing else makes what is due. */
async function scheduler(deps: HealthDeps): Promise<Check> {
  const seconds = await secondsSince(deps, 'tick')
  const detail = `the last tick was ${Math.round(seconds)} s ago${
    seconds < tickSeconds ? '' : ': see that a process with the scheduler runs, and that the queue answers'
  }`
  return { name: 'scheduler', ok: seconds < tickSeconds, detail }
}

async function secondsSince({ db, startedAt = bootedAt }: HealthDeps, loop: string): Promise<number> {
  return (await readHeartbeats(db)).get(loop) ?? (steadyNow() - startedAt) / 1000
}

async function workers(deps: HealthDeps): Promise<Check> {
  const { db } = deps
  const { rows } = await sql<{ waiting: number; busy: number; finished: number }>`
    select
      (select count(*)::int from entra_sync.sync_requests r
        join entra_sync.tenant_status s using (entra_tenant_id)
        left join entra_sync.sync_leases l using (entra_tenant_id)
        where s.scheduled and s.consecutive_failures = 0 and r.requested_seq > r.served_seq and r.requested_at < now() - make_interval(secs => ${unservedSeconds})
          and coalesce(l.throttled_until, '-infinity') < now()) as waiting,
      (select count(*)::int from entra_sync.sync_leases where expires_at > now()) as busy,
      (select count(*)::int from entra_sync.sync_runs
        where finished_at > now() - make_interval(secs => ${unservedSeconds})) as finished`.execute(db)
  const { waiting = 0, busy = 0, finished = 0 } = rows[0] ?? {}
  const still: string[] = []
  for (const { name } of deps.queues) {
    const seconds = await secondsSince(deps, `worker ${name}`)
    if (seconds >= unservedSeconds)
      still.push(`nobody has taken jobs of the queue ${name} for ${Math.round(seconds)} s`)
  }
  const counts = `${waiting} requests wait for more than ${unservedSeconds} s, ${busy} Entra tenants are being synced, ${finished} runs ended in that time`
  return {
    name: 'workers',
    ok: still.length === 0 && (waiting === 0 || busy > 0 || finished > 0),
    detail: [...still, counts].join('; '),
  }
}

function feed({ feedBell }: HealthDeps): Check {
  const ok = feedBell.ok()
  return {
    name: 'feed',
    ok,
    detail: ok ? 'ok' : 'changes of targets are heard by the clock only: LISTEN is lost',
  }
}

/** Frozen families wait rightly; one that fails again and again is dirty for as long. */
async function targets({ db }: HealthDeps): Promise<Check> {
  const { dirty, oldestSeconds, frozen, failing } = await readTargetLag(db)
  const detail = `${dirty} tenant families have changes to resolve${
    oldestSeconds === null ? '' : `, the oldest for ${oldestSeconds} s`
  }; ${failing} failed when they were last resolved, ${frozen} are frozen`
  return { name: 'targets', ok: (oldestSeconds ?? 0) < unresolvedSeconds, detail }
}

async function checkOnce(name: string, run: () => Promise<void | string | Check>): Promise<Check> {
  try {
    const result = await run()
    return typeof result === 'object' ? result : { name, ok: true, detail: result ?? 'ok' }
  } catch (error) {
    return { name, ok: false, detail: describeError(error) }
  }
}

/** What never answers must not keep the others' answers back, nor those of all who ask later. */
async function inTime(name: string, running: Promise<Check>, ms: number): Promise<Check> {
  const over = new AbortController()
  const late = sleep(ms, { name, ok: false, detail: `no answer within ${ms} ms` }, { signal: over.signal })
  late.catch(() => {})
  return Promise.race([running, late]).finally(() => over.abort())
}

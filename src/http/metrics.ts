import type { Queue } from 'bullmq'
import { sql, type Kysely } from 'kysely'
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import { readOutages, services } from '../db/cloud-outages.ts'
import { readFreeze } from '../db/fleet-freeze.ts'
import { readHeartbeats } from '../db/heartbeats.ts'
import type { Database } from '../db/tables.ts'
import { addTargetMetrics } from './target-metrics.ts'

export interface MetricsDeps {
  db: Kysely<Database>
  queues: Queue[]
}

/** Runs are counted when they are seen finished; one that commits later than a scrape is still within this. */
const lookBackSeconds = 600

/**
 * Prometheus metrics, read from Postgres and the queue at each scrape, so that one process tells of all workers.
 * Counters start at 0 with the process and count every run that ends from then on. Base units, `_total` for counters,
 * no ids in labels but the Entra tenant's on freshness.
 */
export async function createMetrics({ db, queues }: MetricsDeps): Promise<Registry> {
  const registers = [new Registry()]
  const [registry] = registers as [Registry]
  collectDefaultMetrics({ register: registry })
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers })
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name, help, labelNames, registers })

  const complete = gauge(
    'sync_last_complete_timestamp_seconds',
    'When users, groups and skus of an Entra tenant were last read to their ends.',
    ['entra_tenant', 'name'],
  )
  const tenants = gauge('entra_tenants', 'Entra tenants by derived state.', ['kind', 'state'])
  const problems = gauge('sync_problems_open', 'Open problems by code, without silenced ones.', ['code'])
  const holds = gauge('sync_holds_open', 'Open holds by kind.', ['kind'])
  const held = gauge('sync_held_items', 'Changes kept back in open holds by kind.', ['kind'])
  const frozen = gauge('fleet_frozen', '1 while all removals are frozen, be it by an operator or by itself.')
  const away = gauge('cloud_away', '1 while a service of Microsoft answers nobody: graph, login.', [
    'service',
  ])
  const loops = gauge(
    'daemon_loop_age_seconds',
    'Seconds since a loop of the daemons last did its work: the tick, the worker of each queue.',
    ['loop'],
  )
  const due = gauge('queue_due_age_seconds', 'Age of the oldest sync request that no worker has served.')
  const waiting = gauge('sync_requests_unserved', 'Sync requests that no worker has served.')
  const busy = gauge('sync_leases_held', 'Entra tenants that a worker syncs now.')
  const depth = gauge('queue_jobs', 'Jobs by queue and state.', ['queue', 'state'])
  const runs = counter('sync_runs_total', 'Sync runs that ended.', ['mode', 'outcome'])
  const runErrors = counter('sync_run_errors_total', 'Sync runs that ended with an error, by its code.', [
    'code',
  ])
  const rows = counter('sync_changes_total', 'Objects that runs added, changed or removed.', [
    'collection',
    'change',
  ])
  const requests = counter('graph_requests_total', 'Requests to Microsoft Graph by runs that ended.')
  const units = counter('graph_resource_units_total', 'Resource units that Graph charged to runs that ended.')
  const throttled = counter(
    'graph_throttle_wait_seconds_total',
    'Time that runs waited because Graph throttled them.',
  )

  const counted = new Map<string, number>()
  const startedAt = (await sql<{ now: Date }>`select now()`.execute(db)).rows[0]?.now ?? new Date()

  async function countRuns(): Promise<void> {
    const ended = await sql<EndedRun>`
      select run_id, mode, outcome, error_code, requests, resource_units, throttled_ms::float8 as throttled_ms, collections
      from entra_sync.sync_runs
      where finished_at > greatest(${startedAt}::timestamptz, now() - make_interval(secs => ${lookBackSeconds}))`.execute(
      db,
    )
    for (const run of ended.rows) {
      if (counted.has(run.run_id)) continue
      counted.set(run.run_id, performance.now())
      runs.inc({ mode: run.mode, outcome: run.outcome ?? 'unknown' })
      if (run.error_code !== null) runErrors.inc({ code: run.error_code })
      requests.inc(run.requests)
      units.inc(run.resource_units)
      throttled.inc(run.throttled_ms / 1000)
      for (const [collection, summary] of Object.entries(run.collections ?? {})) {
        for (const change of ['added', 'changed', 'removed'] as const) {
          const count = summary?.[change]
          if (typeof count === 'number' && count > 0) rows.inc({ collection, change }, count)
        }
      }
    }
    for (const [id, at] of counted) {
      if (performance.now() - at > 2 * lookBackSeconds * 1000) counted.delete(id)
    }
  }

  async function readGauges(): Promise<void> {
    const fresh = await sql<{ id: string; name: string | null; at: number }>`
      select entra_tenant_id as id, display_name as name, extract(epoch from last_synced_at)::float8 as at
      from entra_sync.entra_tenants where last_synced_at is not null and gone_at is null`.execute(db)
    complete.reset()
    for (const { id, name, at } of fresh.rows) complete.set({ entra_tenant: id, name: name ?? '' }, at)

    const states = await sql<{ kind: string; state: string; count: number }>`
      select kind, state, count(*)::int as count from entra_sync.tenant_status group by 1, 2`.execute(db)
    tenants.reset()
    for (const { kind, state, count } of states.rows) tenants.set({ kind, state }, count)

    const open = await sql<{ code: string; count: number }>`
      select code, count(*)::int as count from entra_sync.open_problems where not silenced group by 1`.execute(
      db,
    )
    problems.reset()
    for (const { code, count } of open.rows) problems.set({ code }, count)

    const kept = await sql<{ kind: string; count: number; items: number }>`
      select kind, count(*)::int as count, sum(size)::int as items
      from entra_sync.holds where status = 'open' group by 1`.execute(db)
    holds.reset()
    held.reset()
    for (const { kind, count, items } of kept.rows) {
      holds.set({ kind }, count)
      held.set({ kind }, items)
    }

    for (const [loop, seconds] of await readHeartbeats(db)) loops.set({ loop }, seconds)
    const outages = await readOutages(db)
    for (const service of services)
      away.set({ service }, outages.some((one) => one.service === service) ? 1 : 0)
    frozen.set((await readFreeze(db)) === null ? 0 : 1)

    const work = await sql<{ age: number | null; waiting: number; busy: number }>`
      select extract(epoch from now() - min(requested_at))::float8 as age, count(*)::int as waiting,
        (select count(*)::int from entra_sync.sync_leases where expires_at > now()) as busy
      from entra_sync.sync_requests where requested_seq > served_seq`.execute(db)
    due.set(Math.max(0, work.rows[0]?.age ?? 0))
    waiting.set(work.rows[0]?.waiting ?? 0)
    busy.set(work.rows[0]?.busy ?? 0)

    const counts = await Promise.all(
      queues.map(async (queue) => [queue.name, await queue.getJobCounts()] as const),
    )
    for (const [queue, states] of counts) {
      for (const [state, count] of Object.entries(states)) depth.set({ queue, state }, count)
    }
  }

  const readTargets = await addTargetMetrics(db, registry)
  const collect = registry.metrics.bind(registry)
  registry.metrics = async () => {
    await Promise.all([countRuns(), readGauges(), readTargets()])
    return collect()
  }
  return registry
}

interface EndedRun {
  run_id: string
  mode: string
  outcome: string | null
  error_code: string | null
  requests: number
  resource_units: number
  throttled_ms: number
  collections: Record<string, Record<string, unknown> | null> | null
}

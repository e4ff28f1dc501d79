import { sql, type Kysely } from 'kysely'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Database } from '../db/tables.ts'
import { readTargetLag } from '../db/target-status.ts'

/** Millions of rows are counted no oftener than this. */
const countEveryMs = 60_000
/** A run that commits later than a scrape is still within this; see the counters of syncs. */
const lookBackSeconds = 600

/** Metrics of the resolution of targets, read from Postgres. Answers what reads them at a scrape. */
export async function addTargetMetrics(
  db: Kysely<Database>,
  registry: Registry,
): Promise<() => Promise<void>> {
  const registers = [registry]
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const targets = gauge('deployment_targets', 'Deployment targets, counted once a minute.')
  const dirty = gauge(
    'target_families_dirty',
    'Tenant families with changes to resolve, frozen ones left out.',
  )
  const oldest = gauge(
    'target_dirt_age_seconds',
    'Age of the oldest change to resolve, frozen families left out.',
  )
  const frozen = gauge('target_families_frozen', 'Frozen tenant families whose changes wait.')
  const failing = gauge('target_families_failing', 'Tenant families whose last resolution failed.')
  const held = gauge('targets_held', 'Changes of targets that are kept back in open holds.')
  const changes = new Counter({
    name: 'target_changes_total',
    help: 'Changes of deployment targets.',
    labelNames: ['change'],
    registers,
  })
  const seconds = new Histogram({
    name: 'target_resolution_seconds',
    help: 'How long resolutions took that changed or held something.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  })
  const seen = new Map<string, number>()
  const startedAt = (await sql<{ now: Date }>`select now()`.execute(db)).rows[0]?.now ?? new Date()
  let countedAt = -Infinity

  async function readRuns(): Promise<void> {
    const { rows } = await sql<Run>`
      select run_id, assigned, changed, unassigned, extract(epoch from finished_at - started_at)::float8 as seconds
      from target_runs
      where finished_at > greatest(${startedAt}::timestamptz, now() - make_interval(secs => ${lookBackSeconds}))`.execute(
      db,
    )
    for (const run of rows) {
      if (seen.has(run.run_id)) continue
      seen.set(run.run_id, performance.now())
      seconds.observe(Math.max(0, run.seconds))
      for (const change of ['assigned', 'changed', 'unassigned'] as const)
        changes.inc({ change }, run[change])
    }
    for (const [id, at] of seen) {
      if (performance.now() - at > 2 * lookBackSeconds * 1000) seen.delete(id)
    }
  }

  return async () => {
    await readRuns()
    const lag = await readTargetLag(db)
    dirty.set(lag.dirty)
    oldest.set(Math.max(0, lag.oldestSeconds ?? 0))
    frozen.set(lag.frozen)
    failing.set(lag.failing)
    const kept = await sql<{ count: number }>`
      select count(*)::int as count from holds h join hold_items using (hold_id)
      where h.kind = 'target' and h.status = 'open'`.execute(db)
    held.set(kept.rows[0]?.count ?? 0)
    if (performance.now() - countedAt < countEveryMs) return
    countedAt = performance.now()
    const all = await sql<{
      count: number
    }>`select count(*)::float8 as count from deployment_targets`.execute(db)
    targets.set(all.rows[0]?.count ?? 0)
  }
}

interface Run {
  run_id: string
  assigned: number
  changed: number
  unassigned: number
  seconds: number
}

import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { EntraSyncError } from '../errors.ts'
import type { Output } from './context.ts'
import { createProgressBar } from './progress-bar.ts'
import { number } from './text.ts'

export interface Asked {
  entraTenantId: string
  name: string
  requestSeq: number
}

/** How the request of one Entra tenant ended; counts are over all collections. */
export interface Outcome {
  entraTenantId: string
  name: string
  /** As in `sync_runs`, or `stopped` when the command was. */
  outcome: string
  runId: string | null
  mode: string | null
  added: number
  changed: number
  removed: number
  requests: number
  seconds: number | null
  remark: string | null
}

export interface Watch {
  db: Kysely<Database>
  asked: Asked[]
  /** By the database's clock, before the requests were written. */
  since: Date
  /** True while no worker is there. */
  missing: () => Promise<boolean>
  noWorker: () => EntraSyncError
  output: Output
  signal: AbortSignal
}

interface Seen {
  entra_tenant_id: string
  served_seq: number
  busy: boolean
  throttled: boolean
  pages: number
  rows: number
  run_id: string | null
  mode: string | null
  outcome: string | null
  started_at: Date | null
  finished_at: Date | null
  requests: number | null
  error_message: string | null
  collections: Record<string, Record<string, unknown> | null> | null
}

const pollMs = 400
/** A worker that restarts is gone for some seconds; one that is away for longer was stopped. */
const missingPolls = 50

/**
 * Follows requests in Postgres, where every worker's progress is, until each is served or its run has failed. Throws
 * `noWorker()` when the workers go away. Ends early, with the rest `stopped`, when `signal` aborts.
 */
export async function watchSync(watch: Watch): Promise<Outcome[]> {
  const { db, asked, since, output, signal } = watch
  const bar = createProgressBar(process.stderr)
  const open = new Map(asked.map((one) => [one.entraTenantId, one]))
  const outcomes = new Map<string, Outcome>()
  let polls = 0
  let away = 0
  try {
    while (open.size > 0 && !signal.aborted) {
      const seen = await look(db, [...open.keys()], since)
      for (const row of seen) {
        const one = open.get(row.entra_tenant_id)
        if (!one || !isOver(row, one, since)) continue
        open.delete(one.entraTenantId)
        const outcome = outcomeOf(one, row)
        outcomes.set(one.entraTenantId, outcome)
        if (!output.json)
          bar.line(`${one.name}: ${outcome.outcome}${outcome.remark ? ` – ${outcome.remark}` : ''}`)
      }
      bar.show(outcomes.size / asked.length, progressText(seen, open, outcomes.size, asked.length))
      polls += 1
      if (polls % 10 === 0) away = (await watch.missing()) ? away + 10 : 0
      if (away >= missingPolls) throw watch.noWorker()
      if (open.size > 0) await sleep(pollMs, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    bar.done()
  }
  return asked.map((one) => outcomes.get(one.entraTenantId) ?? stopped(one))
}

/**
 * Served, whatever the run's outcome; or failed by a run that began after the request. A run that began before it may
 * fail without having tried what was asked.
 */
function isOver(row: Seen, one: Asked, since: Date): boolean {
  if (row.served_seq >= one.requestSeq) return true
  return (
    row.outcome !== null && ['failed', 'partial'].includes(row.outcome) && (row.started_at ?? since) >= since
  )
}

function outcomeOf(one: Asked, row: Seen): Outcome {
  const sum = (key: string): number =>
    Object.values(row.collections ?? {}).reduce((total, counts) => {
      const count = counts?.[key]
      return total + (typeof count === 'number' ? count : 0)
    }, 0)
  const seconds =
    row.started_at && row.finished_at ? (row.finished_at.getTime() - row.started_at.getTime()) / 1000 : null
  return {
    entraTenantId: one.entraTenantId,
    name: one.name,
    outcome: row.outcome ?? 'succeeded',
    runId: row.run_id,
    // A first run asks for a delta and reads all: what it did is what people want to know.
    mode: ['users', 'groups'].some((name) => row.collections?.[name]?.['mode'] === 'full')
      ? 'full'
      : row.mode,
    added: sum('added'),
    changed: sum('changed'),
    removed: sum('removed'),
    requests: row.requests ?? 0,
    seconds,
    remark: row.error_message,
  }
}

function stopped(one: Asked): Outcome {
  const nothing = { runId: null, mode: null, added: 0, changed: 0, removed: 0, requests: 0, seconds: null }
  const remark = 'The command was stopped; the request is kept.'
  return { entraTenantId: one.entraTenantId, name: one.name, outcome: 'stopped', ...nothing, remark }
}

function progressText(seen: Seen[], open: Map<string, Asked>, done: number, all: number): string {
  const running = seen.filter((row) => row.busy && open.has(row.entra_tenant_id))
  const throttled = seen.filter((row) => row.throttled).length
  const rows = running.reduce((sum, row) => sum + row.rows, 0)
  const pages = running.reduce((sum, row) => sum + row.pages, 0)
  const names = running.map((row) => open.get(row.entra_tenant_id)?.name ?? '').join(', ')
  const waits = throttled === 0 ? '' : `, ${throttled} throttled`
  const read = rows === 0 ? '' : `  ${number(rows)} objects on ${number(pages)} pages`
  return `${done}/${all} done${waits}${read}  ${names}`
}

/** The newest run that ended since `since`, and the running round's counts, for each Entra tenant of `ids`. */
async function look(db: Kysely<Database>, ids: string[], since: Date): Promise<Seen[]> {
  const { rows } = await sql<Seen>`
    select r.entra_tenant_id, r.served_seq,
      coalesce(l.expires_at > now(), false) as busy, coalesce(l.throttled_until > now(), false) as throttled,
      coalesce(c.pages, 0)::int as pages, coalesce(c.rows, 0)::int as rows,
      u.run_id, u.mode, u.outcome, u.started_at, u.finished_at, u.requests, u.error_message, u.collections
    from entra_sync.sync_requests r
    left join entra_sync.sync_leases l using (entra_tenant_id)
    left join lateral (
      select sum(round_pages) as pages,
        sum(round_added + round_changed + round_removed + round_unchanged) as rows
      from entra_sync.sync_cursors c where c.entra_tenant_id = r.entra_tenant_id and c.round_id is not null
    ) c on true
    left join lateral (
      select * from entra_sync.sync_runs u
      where u.entra_tenant_id = r.entra_tenant_id and u.finished_at >= ${since}
        and u.outcome is distinct from 'fenced'
      order by u.finished_at desc limit 1
    ) u on true
    where r.entra_tenant_id = any (${ids}::uuid[])`.execute(db)
  return rows
}

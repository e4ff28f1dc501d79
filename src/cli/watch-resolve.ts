import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { EntraSyncError } from '../errors.ts'
import { printable } from './text.ts'

export interface AskedFamily {
  familyId: string
  name: string
  /** Resolved when no dirt up to this one is left. */
  dirtId: number
}

/** How the resolution of one family ended; changes are those since it was asked, whoever made them. */
export interface FamilyOutcome {
  familyId: string
  name: string
  outcome: 'resolved' | 'held' | 'failed' | 'stopped'
  assigned: number
  changed: number
  unassigned: number
  /** Kept back in all open holds of the family. */
  held: number
  targets: number
  remark: string | null
}

export interface ResolveWatch {
  db: Kysely<Database>
  asked: AskedFamily[]
  /** By the database's clock, before it was asked. */
  since: Date
  /** True while no worker is there. */
  missing: () => Promise<boolean>
  noWorker: () => EntraSyncError
  signal: AbortSignal
}

const pollMs = 300
/** A worker that restarts is gone for some seconds; one that is away for longer was stopped. */
const missingPolls = 60

/**
 * Follows the families in Postgres until each is resolved or its resolution has failed. Throws `noWorker()` when the
 * workers go away. Ends early, with the rest `stopped`, when `signal` aborts.
 */
export async function watchResolve(watch: ResolveWatch): Promise<FamilyOutcome[]> {
  const { db, asked, since, signal } = watch
  const ended = new Map<string, string | null>()
  let polls = 0
  let away = 0
  while (!signal.aborted) {
    for (const { family_id: familyId, dirty, failure } of await look(db, asked, since)) {
      if (failure !== null) ended.set(familyId, failure)
      else if (!dirty) ended.set(familyId, null)
    }
    if (ended.size === asked.length) break
    polls += 1
    if (polls % 10 === 0) away = (await watch.missing()) ? away + 10 : 0
    if (away >= missingPolls) throw watch.noWorker()
    await sleep(pollMs, undefined, { signal }).catch(() => undefined)
  }
  const counts = await readCounts(db, asked, since)
  return asked.map(({ familyId, name }): FamilyOutcome => {
    const { assigned = 0, changed = 0, unassigned = 0, held = 0, targets = 0 } = counts.get(familyId) ?? {}
    const remark = ended.get(familyId) ?? null
    const done = held > 0 ? 'held' : 'resolved'
    const outcome = !ended.has(familyId) ? 'stopped' : remark === null ? done : 'failed'
    return { familyId, name, outcome, assigned, changed, unassigned, held, targets, remark }
  })
}

async function look(
  db: Kysely<Database>,
  asked: AskedFamily[],
  since: Date,
): Promise<{ family_id: string; dirty: boolean; failure: string | null }[]> {
  const { rows } = await sql<{ family_id: string; dirty: boolean; failure: string | null }>`
    select a.family_id, exists (
      select from target_dirt d where d.family_id = a.family_id and d.dirt_id <= a.dirt_id) as dirty, x.message as failure
    from unnest(${asked.map((one) => one.familyId)}::uuid[], ${asked.map((one) => one.dirtId)}::bigint[])
      as a (family_id, dirt_id)
    left join target_failures x on x.family_id = a.family_id and x.failed_at >= ${since}`.execute(db)
  return rows.map((row) => ({ ...row, failure: row.failure === null ? null : printable(row.failure) }))
}

type Counts = Record<'assigned' | 'changed' | 'unassigned' | 'held' | 'targets', number>

async function readCounts(
  db: Kysely<Database>,
  asked: AskedFamily[],
  since: Date,
): Promise<Map<string, Counts>> {
  const { rows } = await sql<Counts & { family_id: string }>`
    select a.family_id, coalesce(c.assigned, 0) as assigned, coalesce(c.changed, 0) as changed,
      coalesce(c.unassigned, 0) as unassigned,
      (select count(*)::int from deployment_targets t where t.family_id = a.family_id) as targets,
      (select count(*)::int from holds h join hold_items i using (hold_id) join tenant_families f on f.tenant_id = h.tenant_id
        where h.kind = 'target' and h.status = 'open' and f.family_id = a.family_id) as held
    from unnest(${asked.map((one) => one.familyId)}::uuid[]) as a (family_id)
    left join (
      select f.family_id, count(*) filter (where c.change = 'assigned')::int as assigned,
        count(*) filter (where c.change = 'changed')::int as changed,
        count(*) filter (where c.change = 'unassigned')::int as unassigned
      from target_changes c join tenant_families f using (tenant_id) where c.at >= ${since} group by f.family_id
    ) c on c.family_id = a.family_id`.execute(db)
  return new Map(rows.map(({ family_id: familyId, ...counts }) => [familyId, counts]))
}

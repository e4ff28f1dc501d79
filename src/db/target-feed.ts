import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely'
import { EntraSyncError } from '../errors.ts'
import type { Database } from './tables.ts'

/** A constant that no other advisory lock has: whoever appends to the feed waits for the one before. */
const feedLock = 6_210_387_044

/**
 * Appends changes to the feed; to be called last in a transaction. `from` is a query of (tenant_id, subject_kind,
 * subject_id, item_id, change, reason, before, after, deliberate, ordinal), `ordinal` ordering rows of one subject and
 * item. Under the lock, which ends with the transaction, the order of the numbers is the order of the commits, so that
 * a reader never finds a lower one later; and they have no gaps, since no sequence gives them.
 */
export async function appendChanges(
  trx: Transaction<Database>,
  { runId, from }: { runId: string; from: RawBuilder<unknown> },
): Promise<void> {
  await sql`select pg_advisory_xact_lock(${feedLock})`.execute(trx)
  await sql`
    with appended as (
      insert into target_changes (seq, at, tenant_id, subject_kind, subject_id, item_id, change, reason, before, after, run_id, deliberate)
      select f.last_seq + row_number() over (order by c.subject_id, c.item_id, c.ordinal), clock_timestamp(),
        c.tenant_id, c.subject_kind, c.subject_id, c.item_id, c.change, c.reason, c.before, c.after, ${runId}::uuid, c.deliberate
      from target_feed f, (${from}) c
      returning seq
    ), raised as (
      update target_feed set last_seq = (select max(seq) from appended)
      where exists (select from appended) returning last_seq
    )
    select pg_notify('entra_sync_target_changes', last_seq::text) from raised`.execute(trx)
}

export interface TargetChange {
  seq: number
  at: Date
  tenant_id: string
  subject_kind: 'person' | 'computer'
  subject_id: string
  item_id: string
  change: 'assigned' | 'changed' | 'unassigned'
  reason: Record<string, unknown>
  before: TargetFacts | null
  after: TargetFacts | null
  run_id: string | null
}

/** A target, as the feed tells it. */
export interface TargetFacts {
  deployment_id: string
  scope: string
  version: string
  desired_state: string
  enforcement: string
}

/**
 * Changes after `after`, in commit order, at most `max`.
 * @throws kind `input`, code `feed_truncated` or `feed_rewound`: the reader has to take a snapshot
 */
export async function readChanges(db: Kysely<Database>, after: number, max: number): Promise<TargetChange[]> {
  try {
    const { rows } = await sql<TargetChange>`
      select seq, at, tenant_id, subject_kind, subject_id, item_id, change, reason, before, after, run_id
      from read_target_changes(${after}, ${max})`.execute(db)
    return rows
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (!(error instanceof Error) || (code !== 'ES001' && code !== 'ES002')) throw error
    throw new EntraSyncError('input', `${error.message.replace(/^feed_\w+: /, '')}.`, {
      code: code === 'ES001' ? 'feed_truncated' : 'feed_rewound',
      remedy: 'Take a snapshot (entra-sync changes --snapshot) and go on from its seq.',
    })
  }
}

/** Where the feed ends, and below which seq it is cut. */
export async function readFeedEnds(db: Kysely<Database>): Promise<{ lastSeq: number; floorSeq: number }> {
  const feed = await db.selectFrom('target_feed').select(['last_seq', 'floor_seq']).executeTakeFirstOrThrow()
  return { lastSeq: feed.last_seq, floorSeq: feed.floor_seq }
}

/**
 * Cuts changes older than `days` off, at most `batch`; answers how many. The floor rises with them, so that a reader who
 * is further back is told, and never misses any in silence.
 */
export async function cutFeed(db: Kysely<Database>, days: number, batch: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with old as (
      select seq from target_changes
      where seq <= (select coalesce(max(seq), 0) from target_changes where at < now() - make_interval(days => ${days}))
      order by seq limit ${batch}
    ), cut as (
      delete from target_changes where seq in (select seq from old) returning seq
    ), raised as (
      update target_feed set floor_seq = (select max(seq) from old) where exists (select from old)
    )
    select count(*)::int as count from cut`.execute(db)
  return rows[0]?.count ?? 0
}

import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely'
import pg from 'pg'
import { EntraSyncError } from '../errors.ts'
import type { Database, SubjectKind } from './tables.ts'
import { advisoryLocks } from './advisory-locks.ts'

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
  await sql`select pg_advisory_xact_lock(${advisoryLocks.feed})`.execute(trx)
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

/** A change, as readers are told. */
export interface TargetChange {
  seq: number
  at: Date
  tenantId: string
  subjectKind: SubjectKind
  subjectId: string
  itemId: string
  change: 'assigned' | 'changed' | 'unassigned'
  reason: Record<string, unknown>
  before: TargetFacts | null
  after: TargetFacts | null
  runId: string | null
  deliberate: boolean
}

/** A target, with the keys that the feed's rows have. */
export interface TargetFacts {
  deployment_id: string
  scope: string
  version: string
  desired_state: string
  enforcement: string
}

export interface FeedPage {
  changes: TargetChange[]
  /** Where to go on from: what is between the last change and this one is of other tenants. */
  next: number
  /** Where the feed ended when this was read. */
  lastSeq: number
}

/** Null from the outer join where there is nothing. */
type Row = { [K in keyof TargetChange]: TargetChange[K] | null } & { lastSeq: number }

const columns = sql`f.last_seq as "lastSeq", c.seq, c.at, c.tenant_id as "tenantId", c.subject_kind as "subjectKind",
  c.subject_id as "subjectId", c.item_id as "itemId", c.change, c.reason, c.before, c.after, c.run_id as "runId", c.deliberate`

/**
 * Changes after the seq `after`, in commit order, at most `max`; of all tenants, or of one.
 * @throws kind `input`, code `feed_truncated` or `feed_rewound`: the reader has to take a snapshot
 */
export async function readChanges(
  db: Kysely<Database>,
  { after, max, tenantId = null }: { after: number; max: number; tenantId?: string | null },
): Promise<FeedPage> {
  try {
    const { rows } = await sql<Row>`
      select ${columns}
      from target_feed f
      left join lateral read_target_changes(${after}::bigint, ${max}::int, ${tenantId}::uuid) c on true
      order by c.seq`.execute(db)
    return pageOf(rows, max)
  } catch (error) {
    throw feedError(error)
  }
}

/** The last `max` changes that are kept, in commit order. */
export async function readLastChanges(
  db: Kysely<Database>,
  { max, tenantId = null }: { max: number; tenantId?: string | null },
): Promise<FeedPage> {
  const { rows } = await sql<Row>`
    select ${columns}
    from target_feed f
    left join lateral (
      select * from target_changes x
      where x.seq <= f.last_seq and (${tenantId}::uuid is null or x.tenant_id = ${tenantId}::uuid)
      order by x.seq desc limit ${max}
    ) c on true
    order by c.seq`.execute(db)
  return { ...pageOf(rows, max), next: rows[0]?.lastSeq ?? 0 }
}

function pageOf(rows: readonly Row[], max: number): FeedPage {
  const changes: TargetChange[] = []
  let end = 0
  for (const { lastSeq, ...row } of rows) {
    end = lastSeq
    if (row.seq !== null) changes.push(row as TargetChange)
  }
  return { changes, lastSeq: end, next: changes.length < max ? end : (changes.at(-1)?.seq ?? end) }
}

/** What the SQL functions raise, as an error of ours; anything else as it is. */
function feedError(error: unknown): unknown {
  const code = error instanceof pg.DatabaseError ? error.code : null
  if (!(error instanceof Error) || (code !== 'ES001' && code !== 'ES002')) return error
  return new EntraSyncError('input', `${sentence(error.message.replace(/^feed_\w+: /, ''))}.`, {
    code: code === 'ES001' ? 'feed_truncated' : 'feed_rewound',
    remedy: 'Take a snapshot (entra-sync changes --snapshot) and go on from its seq.',
    cause: error,
  })
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** Where the feed ends, and below which seq it is cut. */
export async function readFeedEnds(db: Kysely<Database>): Promise<{ lastSeq: number; floorSeq: number }> {
  const feed = await db.selectFrom('target_feed').select(['last_seq', 'floor_seq']).executeTakeFirstOrThrow()
  return { lastSeq: feed.last_seq, floorSeq: feed.floor_seq }
}

/**
 * Cuts changes older than `days` off, at most `batch` and what a clock that went back has put between them; answers how
 * many. The floor rises with them, in one statement, so that a reader who is further back is told, and never misses any
 * in silence.
 */
export async function cutFeed(db: Kysely<Database>, days: number, batch: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with old as (
      select max(seq) as seq from (select seq, at from target_changes order by seq limit ${batch}) first
      where at < now() - make_interval(days => ${days})
    ), cut as (
      delete from target_changes where seq <= (select seq from old) returning seq
    ), raised as (
      -- greatest: two that cut at once must not lower it again.
      update target_feed set floor_seq = greatest(floor_seq, (select seq from old))
      where (select seq from old) is not null
    )
    select count(*)::int as count from cut`.execute(db)
  return rows[0]?.count ?? 0
}

import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export interface Cursor {
  collection: string
  start_link: string | null
  next_link: string | null
  round_id: string | null
  round_mode: 'delta' | 'full' | null
  round_started_at: Date | null
  round_pages: number
  round_added: number
  round_changed: number
  round_removed: number
  round_unchanged: number
  round_linked: number
  round_sweeps: boolean
  round_basis: string | null
  restarts: number
  partial_rounds: number
  drift_rounds: number
  full_round_due: boolean
  completed_at: Date | null
  last_full_at: Date | null
  served_seq: number
  select_hash: string | null
  app_id: string | null
  permissions_hash: string | null
}

/** Counts of a round up to a page, as they are stored with it. */
export interface RoundCounts {
  pages: number
  added: number
  changed: number
  removed: number
  unchanged: number
  /** Memberships or licences added or changed. */
  linked: number
}

/** The cursor of a collection, made when there is none yet. */
export async function loadCursor(
  db: Kysely<Database>,
  entraTenantId: string,
  collection: string,
): Promise<Cursor> {
  const { rows } = await sql<Cursor>`
    insert into sync_cursors as c (entra_tenant_id, collection) values (${entraTenantId}, ${collection})
    on conflict (entra_tenant_id, collection) do update set collection = c.collection
    returning *`.execute(db)
  const cursor = rows[0]
  if (cursor === undefined) throw new TypeError('insert into sync_cursors returned no row')
  return cursor
}

export interface RunningRound {
  entraTenantId: string
  collection: string
  roundId: string
  mode: 'delta' | 'full'
  startedAt: Date
  /** A full round over rows that were there before it: it notes what it sees. The first one of an Entra tenant need not. */
  sweeps: boolean
  /** Properties, app and permissions that it was begun with. */
  basis: string
}

/** Saves where a round goes on, together with the page before it. */
export async function saveNextLink(
  db: Kysely<Database>,
  round: RunningRound,
  nextLink: string,
  counts: RoundCounts,
): Promise<void> {
  await sql`
    update sync_cursors set next_link = ${nextLink}, round_id = ${round.roundId}, round_mode = ${round.mode},
      round_started_at = ${round.startedAt}, round_pages = ${counts.pages}, round_added = ${counts.added},
      round_changed = ${counts.changed}, round_removed = ${counts.removed}, round_unchanged = ${counts.unchanged},
      round_linked = ${counts.linked}, round_sweeps = ${round.sweeps}, round_basis = ${round.basis}
    where entra_tenant_id = ${round.entraTenantId} and collection = ${round.collection}`.execute(db)
}

/** Ends a complete round: only here start_link moves. */
export async function completeCursor(
  db: Kysely<Database>,
  round: RunningRound,
  facts: {
    startLink: string | null
    servingSeq: number
    selectHash: string
    appId: string | null
    permissionsHash: string | null
  },
): Promise<void> {
  await sql`
    update sync_cursors set start_link = ${facts.startLink}, ${ENDED}, restarts = 0, partial_rounds = 0,
      full_round_due = full_round_due and ${round.mode} <> 'full',
      completed_at = now(), last_full_at = case when ${round.mode} = 'full' then now() else last_full_at end,
      served_seq = ${facts.servingSeq}, select_hash = ${facts.selectHash}, app_id = ${facts.appId},
      permissions_hash = coalesce(${facts.permissionsHash}, permissions_hash)
    where entra_tenant_id = ${round.entraTenantId} and collection = ${round.collection}`.execute(db)
}

/** Has the next round of a collection read everything: what delta told is known to be incomplete. */
export async function askFullRound(
  db: Kysely<Database>,
  entraTenantId: string,
  collection: string,
): Promise<void> {
  await sql`
    update sync_cursors set full_round_due = true
    where entra_tenant_id = ${entraTenantId} and collection = ${collection}`.execute(db)
}

const ENDED = sql`next_link = null, round_id = null, round_mode = null, round_started_at = null, round_pages = 0, round_added = 0,
  round_changed = 0, round_removed = 0, round_unchanged = 0, round_linked = 0, round_sweeps = false,
  round_basis = null`

/** Ends a round that was not complete: start_link stays, what was added stays. */
export async function dropCursorRound(
  db: Kysely<Database>,
  entraTenantId: string,
  collection: string,
  why: 'restart' | 'partial' | 'reset' | 'other',
): Promise<Cursor> {
  // Two partial rounds running: what delta builds on cannot be trusted, so the next round is full.
  await sql`
    update sync_cursors set ${ENDED},
      restarts = case when ${why} = 'restart' then restarts + 1 else 0 end,
      partial_rounds = case when ${why} = 'partial' then partial_rounds + 1 else partial_rounds end,
      full_round_due = full_round_due or ${why} = 'reset' or (${why} = 'partial' and partial_rounds >= 1)
    where entra_tenant_id = ${entraTenantId} and collection = ${collection}`.execute(db)
  return loadCursor(db, entraTenantId, collection)
}

/** Notes whether the stored count differed from Graph's after a full round. Answers in how many full rounds running. */
export async function noteDrift(
  db: Kysely<Database>,
  entraTenantId: string,
  collection: string,
  differs: boolean,
): Promise<number> {
  const { rows } = await sql<{ drift_rounds: number }>`
    update sync_cursors set drift_rounds = case when ${differs} then drift_rounds + 1 else 0 end
    where entra_tenant_id = ${entraTenantId} and collection = ${collection} returning drift_rounds`.execute(
    db,
  )
  return rows[0]?.drift_rounds ?? 0
}

/** True when nothing of a collection was ever stored, not even as soft-deleted: a full round has nothing to sweep. */
export async function isBlank(db: Kysely<Database>, entraTenantId: string, table: string): Promise<boolean> {
  const { rows } = await sql`
    select 1 from ${sql.table(table)} where entra_tenant_id = ${entraTenantId}
      ${sql.raw(table === 'persons' ? 'and object_id is not null' : '')} limit 1`.execute(db)
  return rows.length === 0
}

import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export type Mode = 'delta' | 'full'

/** What a run has taken to serve. */
export interface Serving {
  seq: number
  mode: Mode
  /** null = all. */
  collections: string[] | null
  priority: number
  requestedBy: string[]
}

// Something waits when a request is newer than what is being served and than what was served last.
const PENDING = sql`r.requested_seq > greatest(r.served_seq, coalesce(r.serving_seq, 0))`

/**
 * Merges a wish into what is already wanted of an Entra tenant: full beats delta, collections unite (null, all, wins),
 * the lowest priority number wins. Answers its number: it is served once served_seq has reached it.
 */
export async function mergeRequest(
  db: Kysely<Database>,
  entraTenantId: string,
  wish: { mode: Mode; collections: string[] | null; priority: number; requestedBy: string },
): Promise<number> {
  const { rows } = await sql<{ requested_seq: number }>`
    insert into sync_requests as r (entra_tenant_id, requested_seq, mode, collections, priority, requested_by, requested_at)
    values (${entraTenantId}, 1, ${wish.mode}, ${wish.collections}::text[], ${wish.priority}, array[${wish.requestedBy}]::text[], now())
    on conflict (entra_tenant_id) do update set
      requested_seq = r.requested_seq + 1,
      mode = case when ${PENDING} and r.mode = 'full' then 'full' else excluded.mode end,
      collections = case when ${PENDING} then ${unite(sql`r.collections`, sql`excluded.collections`)} else excluded.collections end,
      priority = case when ${PENDING} then least(r.priority, excluded.priority) else excluded.priority end,
      requested_by = case when ${PENDING} then ${union(sql`r.requested_by`, sql`excluded.requested_by`)} else excluded.requested_by end,
      requested_at = case when ${PENDING} then r.requested_at else now() end
    returning requested_seq`.execute(db)
  const seq = rows[0]?.requested_seq
  if (seq === undefined) throw new TypeError('insert into sync_requests returned no row')
  return seq
}

export interface RequestState {
  requested_seq: number
  served_seq: number
  serving_seq: number | null
  priority: number
}

/** Where the requests of an Entra tenant stand; null = nobody ever asked. */
export async function readRequest(db: Kysely<Database>, entraTenantId: string): Promise<RequestState | null> {
  const { rows } = await sql<RequestState>`
    select requested_seq, served_seq, serving_seq, coalesce(serving_priority, priority) as priority
    from sync_requests where entra_tenant_id = ${entraTenantId}`.execute(db)
  return rows[0] ?? null
}

/** Takes what is wanted, or goes on with what a yielded or dead slice had taken; null = nothing is wanted. */
export async function takeRequest(db: Kysely<Database>, entraTenantId: string): Promise<Serving | null> {
  const { rows } = await sql<{
    seq: number
    mode: Mode
    collections: string[] | null
    priority: number
    by: string[]
  }>`
    update sync_requests r set
      serving_seq = coalesce(serving_seq, requested_seq),
      serving_mode = coalesce(serving_mode, mode),
      serving_collections = case when serving_seq is null then collections else serving_collections end,
      serving_priority = coalesce(serving_priority, priority),
      serving_by = coalesce(serving_by, requested_by),
      mode = case when serving_seq is null then 'delta' else mode end,
      collections = case when serving_seq is null then null else collections end,
      priority = case when serving_seq is null then 20 else priority end,
      requested_by = case when serving_seq is null then '{}' else requested_by end
    where entra_tenant_id = ${entraTenantId} and (serving_seq is not null or requested_seq > served_seq)
    returning serving_seq as seq, serving_mode as mode, serving_collections as collections, serving_priority as priority,
      serving_by as by`.execute(db)
  const row = rows[0]
  return row === undefined ? null : { ...row, requestedBy: row.by }
}

/** Ends a serving: served, or (`served` false) put back into the request so that nothing wanted is lost. */
export async function settleRequest(
  db: Kysely<Database>,
  entraTenantId: string,
  served: boolean,
): Promise<void> {
  const done = sql`serving_seq = null, serving_mode = null, serving_collections = null, serving_priority = null, serving_by = null`
  if (served) {
    await sql`
      update sync_requests set served_seq = serving_seq, ${done}
      where entra_tenant_id = ${entraTenantId} and serving_seq is not null`.execute(db)
    return
  }
  await sql`
    update sync_requests r set
      mode = case when r.serving_mode = 'full' or (${PENDING} and r.mode = 'full') then 'full' else 'delta' end,
      collections = case when ${PENDING} then ${unite(sql`r.serving_collections`, sql`r.collections`)} else r.serving_collections end,
      priority = case when ${PENDING} then least(r.serving_priority, r.priority) else r.serving_priority end,
      requested_by = ${union(sql`r.serving_by`, sql`r.requested_by`)}, ${done}
    where entra_tenant_id = ${entraTenantId} and serving_seq is not null`.execute(db)
}

type Fragment = ReturnType<typeof sql>

function unite(one: Fragment, other: Fragment) {
  return sql`case when ${one} is null or ${other} is null then null else ${union(one, other)} end`
}

function union(one: Fragment, other: Fragment) {
  return sql`array(select distinct v from unnest(${one} || ${other}) as u(v) order by v)`
}

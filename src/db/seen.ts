import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export type RemovalKind = 'person' | 'group' | 'membership' | 'license' | 'device' | 'sku'

/** person, group, device: object id; membership: group id, member id; license: object id, sku id; sku: sku id; plan: sku id, plan id. */
export type Key = readonly string[]

/**
 * A page shows these keys: takes back their pending removal and their place in open and rejected holds, and (with
 * `seen`) notes them for the sweep at the end of a full round. To be called before the rows are written: it waits for an
 * operator who approves such a hold at this moment, and the write after it then restores what he removed.
 */
export async function notePresent(
  db: Kysely<Database>,
  facts: { entraTenantId: string; roundId: string; kind: RemovalKind | 'plan'; seen: boolean },
  keys: readonly Key[],
): Promise<void> {
  if (keys.length === 0) return
  const { entraTenantId, roundId, kind } = facts
  await sql`
    with input as (select distinct key from ${unnestKeys(keys)} as i(key)),
    taken_back as (
      delete from sync_pending_removals p using input i
      where p.round_id = ${roundId} and p.kind = ${kind} and p.key = i.key
    ), reappeared as (
      delete from hold_items h using input i, holds o
      where o.hold_id = h.hold_id and o.status in ('open', 'rejected')
        and h.entra_tenant_id = ${entraTenantId} and h.kind = ${kind} and h.key = i.key
      returning h.hold_id
    ), shrunk as (
      update holds o set size = o.size - r.items,
        status = case when o.size = r.items and o.status = 'open' then 'withdrawn' else o.status end,
        closed_at = case when o.size = r.items and o.status = 'open' then now() else o.closed_at end
      from (select hold_id, count(*)::int as items from reappeared group by hold_id) r
      where o.hold_id = r.hold_id
    )
    insert into sync_seen (round_id, kind, key)
    select ${roundId}::uuid, ${kind}::text, key from input where ${facts.seen}::boolean
    on conflict do nothing`.execute(db)
}

/** Notes removals that a page tells of. `purged` are those that Graph says cannot be restored. */
export async function pendRemovals(
  db: Kysely<Database>,
  facts: { entraTenantId: string; roundId: string; kind: RemovalKind },
  keys: readonly Key[],
  purged = false,
): Promise<void> {
  if (keys.length === 0) return
  await sql`
    insert into sync_pending_removals as p (round_id, entra_tenant_id, kind, key, purged)
    select distinct ${facts.roundId}::uuid, ${facts.entraTenantId}::uuid, ${facts.kind}::text, key, ${purged}::boolean
    from ${unnestKeys(keys)} as i(key)
    on conflict (round_id, kind, key) do update set purged = true where excluded.purged and not p.purged`.execute(
    db,
  )
}

/** How many keys of a kind the round has seen. */
export async function countSeen(db: Kysely<Database>, roundId: string, kind: RemovalKind): Promise<number> {
  const { rows } = await sql<{ seen: number }>`
    select count(*) as seen from sync_seen where round_id = ${roundId} and kind = ${kind}`.execute(db)
  return rows[0]?.seen ?? 0
}

/** Forgets what a round has noted. Rows it has written stay. */
export async function dropNotes(db: Kysely<Database>, roundId: string): Promise<void> {
  await sql`
    with pending as (delete from sync_pending_removals where round_id = ${roundId})
    delete from sync_seen where round_id = ${roundId}`.execute(db)
}

function unnestKeys(keys: readonly Key[]) {
  const first = keys.map((key) => key[0])
  if (keys[0]?.length === 1) return sql`(select array[a] from unnest(${first}::uuid[]) as u(a))`
  return sql`(select array[a, b] from unnest(${first}::uuid[], ${keys.map((key) => key[1])}::uuid[]) as u(a, b))`
}

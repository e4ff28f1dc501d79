import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { RemovalKind } from './seen.ts'
import type { Database } from './tables.ts'

/*
 * Of the tables that a round notes its keys in, the planner knows what was there a while ago: of this round nothing, it
 * believes. Joined by its choice ten thousand removals were compared pair by pair: 9 s, and with a hundred thousand no
 * round ended within its statement_timeout, nothing was held, nobody was told why. `offset 0` in an exists() keeps it what
 * it says: one look into the index for each key.
 */

/** How a kind's live rows are found. In these fragments x is the row and k.key the key looked for. */
interface LiveRows {
  from: string
  key: string
  match: string
  live: string
  /** Which live rows a full round vouches for: what it has not seen of them is gone. */
  swept: string
  kept: string
  remove: string
}

const bySeen = (kind: string, key: string) =>
  `exists (select 1 from sync_seen o where o.round_id = r.round_id and o.kind = '${kind}' and o.key = array[${key}] offset 0)`

const softDelete = (table: string) =>
  `update ${table} x set deleted_at = now(), changed_at = now() from keys k where`
const hardDelete = (table: string) => `delete from ${table} x using keys k where`

const LIVE: Record<RemovalKind, LiveRows> = {
  person: {
    from: 'persons x',
    key: 'array[x.object_id]',
    match: 'x.object_id = k.key[1]',
    live: 'x.object_id is not null and x.deleted_at is null',
    swept: 'true',
    kept: 'x.protected_reason is not null',
    remove: softDelete('persons'),
  },
  group: {
    from: 'groups x',
    key: 'array[x.object_id]',
    match: 'x.object_id = k.key[1]',
    live: 'x.deleted_at is null',
    swept: 'true',
    kept: 'false',
    remove: softDelete('groups'),
  },
  device: {
    from: 'devices x',
    key: 'array[x.object_id]',
    match: 'x.object_id = k.key[1]',
    live: 'true',
    swept: 'true',
    kept: 'false',
    remove: hardDelete('devices'),
  },
  sku: {
    from: 'subscribed_skus x',
    key: 'array[x.sku_id]',
    match: 'x.sku_id = k.key[1]',
    live: 'true',
    swept: 'true',
    kept: 'false',
    remove: hardDelete('subscribed_skus'),
  },
  // Edges and licences of an object that itself goes are left to it: they count once, as that object.
  membership: {
    from: 'group_members x join groups g on g.entra_tenant_id = x.entra_tenant_id and g.object_id = x.group_id',
    key: 'array[x.group_id, x.member_id]',
    match: 'x.group_id = k.key[1] and x.member_id = k.key[2]',
    live: 'g.deleted_at is null',
    swept: `g.members_visible and ${bySeen('group', 'x.group_id')}`,
    kept: `exists (select 1 from sync_pending_removals o where o.round_id = k.round_id and o.kind = 'group' and o.key = array[x.group_id])`,
    remove: hardDelete('group_members'),
  },
  license: {
    from: 'person_licenses x join persons p on p.entra_tenant_id = x.entra_tenant_id and p.object_id = x.object_id',
    key: 'array[x.object_id, x.sku_id]',
    match: 'x.object_id = k.key[1] and x.sku_id = k.key[2]',
    live: 'p.deleted_at is null',
    swept: bySeen('person', 'x.object_id'),
    kept: `exists (select 1 from sync_pending_removals o where o.round_id = k.round_id and o.kind = 'person' and o.key = array[x.object_id])`,
    remove: hardDelete('person_licenses'),
  },
}

/** Adds to the pending removals what a full round, read to its end, has not seen. */
export async function pendUnseen(
  db: Kysely<Database>,
  entraTenantId: string,
  roundId: string,
  kind: RemovalKind,
): Promise<void> {
  const rows = LIVE[kind]
  await sql`
    insert into sync_pending_removals (round_id, entra_tenant_id, kind, key)
    select r.round_id, ${entraTenantId}::uuid, ${kind}::text, ${sql.raw(rows.key)}
    from (select ${roundId}::uuid as round_id) r cross join ${sql.raw(rows.from)}
    where x.entra_tenant_id = ${entraTenantId} and ${sql.raw(rows.live)}
      and not exists (select 1 from sync_seen s where s.round_id = ${roundId} and s.kind = ${kind}
        and s.key = ${sql.raw(rows.key)} offset 0)
      and ${sql.raw(rows.swept)}
    on conflict do nothing`.execute(db)
}

/** How many removals of each kind a round has noted. */
export async function countPending(db: Kysely<Database>, roundId: string): Promise<Map<RemovalKind, number>> {
  const { rows } = await sql<{ kind: RemovalKind; count: number }>`
    select kind, count(*) as count from sync_pending_removals where round_id = ${roundId} group by kind`.execute(
    db,
  )
  return new Map(rows.map((row) => [row.kind, row.count]))
}

/**
 * Drops pending removals of a kind that are none: not live (any more), protected, waiting in an open hold, or rejected
 * by an operator less than 30 days ago. Answers what is left and how many were kept: protected persons, or what hangs on an object that goes itself.
 */
export async function narrowPending(
  db: Kysely<Database>,
  entraTenantId: string,
  roundId: string,
  kind: RemovalKind,
): Promise<{ left: number; kept: number }> {
  const rows = LIVE[kind]
  const kept = sql`(select ${sql.raw(rows.kept)} from ${sql.raw(rows.from)}
    where x.entra_tenant_id = ${entraTenantId} and ${sql.raw(rows.match)} and ${sql.raw(rows.live)})`
  const result = await sql<{ left: number; kept: number }>`
    with dropped as (
      delete from sync_pending_removals k
      where k.round_id = ${roundId} and k.kind = ${kind} and (coalesce(${kept}, true)
        or exists (select from hold_items h where h.entra_tenant_id = ${entraTenantId} and h.kind = ${kind} and h.key = k.key
          and (select o.status = 'open' or (o.status = 'rejected' and o.closed_at > now() - interval '30 days')
            from holds o where o.hold_id = h.hold_id) offset 0))
      returning ${kept} as kept
    )
    select count(*) filter (where d.kept) as kept, (select count(*) from sync_pending_removals
      where round_id = ${roundId} and kind = ${kind}) - count(*) as left from dropped d`.execute(db)
  return result.rows[0] ?? { left: 0, kept: 0 }
}

/** Live rows of a kind: what a set of removals is a share of. */
export async function countLive(
  db: Kysely<Database>,
  entraTenantId: string,
  kind: RemovalKind,
): Promise<number> {
  const rows = LIVE[kind]
  const { rows: counts } = await sql<{ count: number }>`
    select count(*) as count from ${sql.raw(rows.from)}
    where x.entra_tenant_id = ${entraTenantId} and ${sql.raw(rows.live)}`.execute(db)
  return counts[0]?.count ?? 0
}

/**
 * Removes the rows of the given keys. `noted`: how many is kept for the guard, so that it sees a slow drip as one set; what
 * an operator has approved is no drip.
 */
export async function applyRemovals(
  db: Kysely<Database>,
  entraTenantId: string,
  kind: RemovalKind,
  keys: RawBuilder<unknown>,
  { noted }: { noted: boolean },
): Promise<number> {
  const rows = LIVE[kind]
  const condition = kind === 'person' || kind === 'group' ? 'and x.deleted_at is null' : ''
  const spared = kind === 'person' ? 'and x.protected_reason is null' : ''
  const result = await sql<{ count: number }>`
    with keys as (${keys}),
    removed as (
      ${sql.raw(rows.remove)} x.entra_tenant_id = ${entraTenantId} and ${sql.raw(rows.match)} ${sql.raw(condition)} ${sql.raw(spared)}
      returning 1
    ), counted as (select count(*)::int as count from removed),
    noted as (
      insert into applied_removals (entra_tenant_id, kind, count)
      select ${entraTenantId}::uuid, ${kind}::text, count from counted where count > 0 and ${noted}::boolean
    )
    select count from counted`.execute(db)
  return result.rows[0]?.count ?? 0
}

/** The pending removals of a round, but those in the holds `except`, as keys for `applyRemovals`. */
export function pendingKeys(
  roundId: string,
  kind: RemovalKind,
  except: readonly string[],
): RawBuilder<unknown> {
  return sql`select p.key from sync_pending_removals p where p.round_id = ${roundId} and p.kind = ${kind}
    except select h.key from hold_items h where h.hold_id = any (${except}::uuid[])`
}

/** Sum of the removals applied in the last 24 hours. */
export async function recentRemovals(
  db: Kysely<Database>,
  entraTenantId: string,
  kind: RemovalKind,
): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select coalesce(sum(count), 0)::int as count from applied_removals
    where entra_tenant_id = ${entraTenantId} and kind = ${kind} and group_id is null
      and at > now() - interval '24 hours'`.execute(db)
  return rows[0]?.count ?? 0
}

/**
 * Deletes edges to objects that Graph has purged and that are not live here. Group delta need not tell of these, and
 * nobody's membership changes by it: the member is gone already.
 */
export async function deletePurgedEdges(
  db: Kysely<Database>,
  entraTenantId: string,
  roundId: string,
  kind: RemovalKind,
): Promise<void> {
  if (kind !== 'person' && kind !== 'group' && kind !== 'device') return
  const rows = LIVE[kind]
  await sql`
    delete from group_members m using sync_pending_removals k
    where k.round_id = ${roundId} and k.kind = ${kind} and k.purged
      and m.entra_tenant_id = ${entraTenantId} and m.member_id = k.key[1]
      and not exists (select 1 from ${sql.raw(rows.from)}
        where x.entra_tenant_id = ${entraTenantId} and ${sql.raw(rows.match)} and ${sql.raw(rows.live)})`.execute(
    db,
  )
}

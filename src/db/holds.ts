import { sql, type Kysely } from 'kysely'
import type { RemovalKind } from './seen.ts'
import type { Database } from './tables.ts'

/**
 * Keeps a round's pending removals of one kind back as an open hold: those of one group, or all that no hold of `except`
 * has. Answers its id.
 */
export async function insertHold(
  db: Kysely<Database>,
  hold: {
    entraTenantId: string
    roundId: string
    kind: RemovalKind
    reason: string
    size: number
    total: number
    runId: string
    groupId?: string
    except?: readonly string[]
  },
): Promise<string> {
  const { groupId = null, except = [] } = hold
  const result = await sql<{ hold_id: string }>`
    with hold as (
      insert into holds (entra_tenant_id, kind, reason, size, of_total, run_id, group_id)
      values (${hold.entraTenantId}, ${hold.kind}, ${hold.reason}, ${hold.size}, ${hold.total}, ${hold.runId}, ${groupId})
      returning hold_id
    ), items as (
      insert into hold_items (hold_id, entra_tenant_id, kind, key)
      select hold_id, ${hold.entraTenantId}::uuid, ${hold.kind}::text, k.key
      from hold, (select p.key from sync_pending_removals p where p.round_id = ${hold.roundId} and p.kind = ${hold.kind}
          and (${groupId}::uuid is null or p.key[1] = ${groupId})
        except select h.key from hold_items h where h.hold_id = any (${except}::uuid[])) k
    )
    select hold_id from hold`.execute(db)
  const id = result.rows[0]?.hold_id
  if (id === undefined) throw new TypeError('insert into holds returned no row')
  return id
}

/** How many removals of a kind are kept back: by open holds, and by those an operator has rejected less than 30 days ago. */
export async function keptBackSize(
  db: Kysely<Database>,
  entraTenantId: string,
  kind: RemovalKind,
): Promise<number> {
  const { rows } = await sql<{ size: number }>`
    select coalesce(sum(size), 0)::int as size from holds
    where entra_tenant_id = ${entraTenantId} and kind = ${kind}
      and (status = 'open' or (status = 'rejected' and closed_at > now() - interval '30 days'))`.execute(db)
  return rows[0]?.size ?? 0
}

export interface HoldRow {
  hold_id: string
  entra_tenant_id: string | null
  tenant_id: string | null
  kind: RemovalKind | 'target'
  size: number
  status: 'open' | 'approved' | 'rejected' | 'withdrawn'
  closed_by: string | null
  run_id: string | null
}

/** Locks one hold for a decision; null = there is none of that id. */
export async function lockHold(db: Kysely<Database>, holdId: string): Promise<HoldRow | null> {
  const { rows } = await sql<HoldRow>`
    select hold_id, entra_tenant_id, tenant_id, kind, size, status, closed_by, run_id
    from holds where hold_id = ${holdId} for update`.execute(db)
  return rows[0] ?? null
}

/** Closes a hold by an operator's decision. `hash`: of the set that was approved. */
export async function closeHold(
  db: Kysely<Database>,
  holdId: string,
  decision:
    { status: 'approved'; by: string; hash: string } | { status: 'rejected'; by: string; reason: string },
): Promise<void> {
  await db
    .updateTable('holds')
    .set({
      status: decision.status,
      // The clock, not the transaction's start: a decision counts from when it is made.
      closed_at: sql<Date>`clock_timestamp()`,
      closed_by: decision.by,
      ...(decision.status === 'approved' ? { hash: decision.hash } : { close_reason: decision.reason }),
    })
    .where('hold_id', '=', holdId)
    .execute()
}

/**
 * Fingerprint of exactly the set that a hold keeps now, of no other hold: an approval names it, and is refused for any
 * other set.
 */
export async function holdHash(db: Kysely<Database>, holdId: string): Promise<string> {
  const { rows } = await sql<{ hash: string }>`
    select encode(sha256(convert_to(${holdId}::uuid::text
      || coalesce(string_agg(key::text || coalesce(wanted::text, ''), ',' order by key), ''), 'UTF8')), 'hex') as hash
    from hold_items where hold_id = ${holdId}`.execute(db)
  return rows[0]?.hash ?? ''
}

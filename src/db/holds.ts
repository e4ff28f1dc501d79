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
      select hold_id, ${hold.entraTenantId}::uuid, ${hold.kind}::text, p.key
      from hold, sync_pending_removals p where p.round_id = ${hold.roundId} and p.kind = ${hold.kind}
        and (${groupId}::uuid is null or p.key[1] = ${groupId})
        and not exists (select from hold_items h where h.hold_id = any (${except}::uuid[]) and h.key = p.key)
    )
    select hold_id from hold`.execute(db)
  const id = result.rows[0]?.hold_id
  if (id === undefined) throw new TypeError('insert into holds returned no row')
  return id
}

/** How many Entra tenants were newly held within the last hour (not counting the freeze's own holds), and of how many. */
export async function fleetHolds(db: Kysely<Database>): Promise<{ held: number; tenants: number }> {
  const { rows } = await sql<{ held: number; tenants: number }>`
    select
      (select count(distinct entra_tenant_id) from holds
        where created_at > now() - interval '1 hour' and reason <> 'fleet_frozen') as held,
      (select count(*) from entra_tenants where gone_at is null) as tenants`.execute(db)
  return rows[0] ?? { held: 0, tenants: 0 }
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
  entra_tenant_id: string
  kind: RemovalKind
  reason: string
  size: number
  of_total: number
  status: 'open' | 'approved' | 'rejected' | 'withdrawn'
  created_at: Date
  closed_at: Date | null
  run_id: string | null
}

/** Locks one hold for a decision; null = there is none of that id. */
export async function lockHold(db: Kysely<Database>, holdId: string): Promise<HoldRow | null> {
  const { rows } = await sql<HoldRow>`select * from holds where hold_id = ${holdId} for update`.execute(db)
  return rows[0] ?? null
}

export async function closeHold(
  db: Kysely<Database>,
  holdId: string,
  status: 'approved' | 'rejected',
): Promise<void> {
  await sql`update holds set status = ${status}, closed_at = now() where hold_id = ${holdId}`.execute(db)
}

/** Fingerprint of exactly the set a hold keeps now: an approval names it, and is refused for any other set. */
export async function holdHash(db: Kysely<Database>, holdId: string): Promise<string> {
  const { rows } = await sql<{ hash: string }>`
    select encode(sha256(convert_to(coalesce(string_agg(key::text, ',' order by key), ''), 'UTF8')), 'hex') as hash
    from hold_items where hold_id = ${holdId}`.execute(db)
  return rows[0]?.hash ?? ''
}

export async function insertAudit(
  db: Kysely<Database>,
  entry: { actor: string; action: string; entraTenantId: string; detail: Record<string, unknown> },
): Promise<void> {
  await sql`
    insert into audit_log (actor, action, entra_tenant_id, detail)
    values (${entry.actor}, ${entry.action}, ${entry.entraTenantId}, ${JSON.stringify(entry.detail)}::jsonb)`.execute(
    db,
  )
}

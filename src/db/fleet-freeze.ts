import { sql, type Kysely } from 'kysely'
import { isFleetFrozen } from '../guard.ts'
import { audit } from './audit.ts'
import type { Database } from './tables.ts'
import { advisoryLocks } from './advisory-locks.ts'

/** While one is on, nothing is removed and no target unassigned, in any tenant. */
export interface FleetFreeze {
  freezeId: string
  startedAt: Date
  /** Null = by itself. */
  startedBy: string | null
  reason: string
}

/** The freeze that is on; null = none is. */
export async function readFreeze(db: Kysely<Database>): Promise<FleetFreeze | null> {
  const { rows } = await sql<FleetFreeze>`
    select freeze_id as "freezeId", started_at as "startedAt", started_by as "startedBy", reason
    from entra_sync.fleet_freezes where ended_at is null`.execute(db)
  return rows[0] ?? null
}

/**
 * Whether removals are frozen, asked by a transaction that is about to remove: the last operator's freeze counts, and
 * one that begins here, by itself, since too many Entra tenants were newly held within an hour (or since the last freeze
 * ended). It stays until an operator ends it: what strikes many tenants at once seldom passes within the hour.
 */
export async function isFleetFrozenNow(trx: Kysely<Database>): Promise<boolean> {
  if ((await freezeBeforeRemoving(trx)) !== null) return true
  const { held, tenants } = await fleetHolds(trx)
  if (!isFleetFrozen(held, tenants)) return false
  // Whoever comes second must not wait for the first one's commit, which may be a long resolution: it is frozen anyway.
  const { rows } = await sql<{
    first: boolean
  }>`select pg_try_advisory_xact_lock(${advisoryLocks.freezing}) as first`.execute(trx)
  if (rows[0]?.first !== true) return true
  const reason = `${held} of ${tenants} Entra tenants were newly held within an hour`
  await insertFreeze(trx, { by: null, reason })
  await audit(trx, { actor: 'guard', action: 'fleet_frozen', detail: { reason } })
  return true
}

/** The freeze that is on, asked by a transaction that is about to remove: one that begins later waits for its end. */
export async function freezeBeforeRemoving(trx: Kysely<Database>): Promise<FleetFreeze | null> {
  await sql`select pg_advisory_xact_lock_shared(${advisoryLocks.removing})`.execute(trx)
  return readFreeze(trx)
}

/** False = one was on already. */
export async function insertFreeze(
  db: Kysely<Database>,
  { by, reason }: { by: string | null; reason: string },
): Promise<boolean> {
  const result = await sql`
    insert into entra_sync.fleet_freezes (started_by, reason) values (${by}, ${reason})
    on conflict do nothing`.execute(db)
  return result.numAffectedRows === 1n
}

/** Ends the freeze that is on; false = none was. */
export async function endFreeze(db: Kysely<Database>, by: string): Promise<boolean> {
  const result = await sql`
    update entra_sync.fleet_freezes set ended_at = clock_timestamp(), ended_by = ${by} where ended_at is null`.execute(
    db,
  )
  return result.numAffectedRows === 1n
}

/**
 * Waits until no transaction that began to remove before the freeze is still open; false = one was, after `waitMs`.
 * Whatever asks after this sees the freeze.
 */
export async function awaitRemovals(db: Kysely<Database>, waitMs: number): Promise<boolean> {
  return db
    .transaction()
    .execute(async (trx) => {
      await sql`select set_config('lock_timeout', ${`${waitMs}ms`}, true)`.execute(trx)
      await sql`select pg_advisory_xact_lock(${advisoryLocks.removing})`.execute(trx)
      return true
    })
    .catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === '55P03') return false
      throw error
    })
}

/** What only the freeze had kept back before is held as it was, not newly: an end of it would be its next beginning. */
async function fleetHolds(db: Kysely<Database>): Promise<{ held: number; tenants: number }> {
  const { rows } = await sql<{ held: number; tenants: number }>`
    select
      (select count(distinct h.entra_tenant_id) from entra_sync.holds h
        where h.created_at > now() - interval '1 hour' and h.reason <> 'fleet_frozen'
          and h.created_at > coalesce((select max(ended_at) from entra_sync.fleet_freezes), '-infinity')
          and not exists (
            select from entra_sync.holds w join entra_sync.hold_items x using (hold_id)
            join entra_sync.hold_items i on i.hold_id = h.hold_id and i.key = x.key
            where w.entra_tenant_id = h.entra_tenant_id and w.kind = h.kind and w.reason = 'fleet_frozen'
              and w.status = 'withdrawn' and w.closed_at > now() - interval '1 hour')) as held,
      (select count(*) from entra_sync.entra_tenants where gone_at is null) as tenants`.execute(db)
  return rows[0] ?? { held: 0, tenants: 0 }
}

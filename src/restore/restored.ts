import { sql, type Kysely, type Transaction } from 'kysely'
import { advisoryLocks } from '../db/advisory-locks.ts'
import { audit } from '../db/audit.ts'
import type { Database } from '../db/tables.ts'

export interface Restored {
  /** Entra tenants whose targets are frozen until they were read whole. */
  entraTenants: number
  /** Open holds that were withdrawn: what they were made of is of another time. */
  holds: number
  /** Where the change feed goes on: every reader before it is told to take a snapshot. */
  feedSeq: number
}

/** Beyond any number that the time that was lost can have given. */
const jump = 1_000_000_000

/** Full reads of all Entra tenants are spread over this long. */
const spreadMinutes = 10

/**
 * What a database needs that was restored from a backup, in one transaction: whoever still works is fenced, all cursors
 * drop (Graph keeps delta tokens for seven days), so that nothing is removed before a whole round that began after it
 * says so; targets freeze until their Entra tenant was read whole; open holds, approvals and sign-ins under way are void;
 * readers of the change feed, who may be ahead of it, are told to take a snapshot.
 */
export async function markRestored(
  trx: Transaction<Database>,
  { by, detail = {} }: { by: string; detail?: object },
): Promise<Restored> {
  await fenceWorkers(trx)
  await sql`
    update sync_leases set expires_at = '-infinity', worker = null, run_id = null, claims_without_page = 0,
      throttled_until = null`.execute(trx)
  // Before the requests, as the tick and the ends of runs take them.
  await sql`select from entra_tenants order by entra_tenant_id for no key update`.execute(trx)
  await sql`
    update sync_runs set finished_at = now(), outcome = 'failed', error_code = 'restored',
      error_message = 'The database was restored from a backup while it ran.' where finished_at is null`.execute(
    trx,
  )
  await sql`delete from sync_seen`.execute(trx)
  await sql`delete from sync_pending_removals`.execute(trx)
  await sql`delete from sync_cursors`.execute(trx)
  await sql`
    update sync_requests set served_seq = requested_seq, serving_seq = null, serving_mode = null,
      serving_collections = null, serving_priority = null, serving_by = null`.execute(trx)
  const tenants = await sql`
    update entra_tenants set restored_at = now(), consecutive_failures = 0,
      next_sync_at = now() + random() * make_interval(mins => ${spreadMinutes})`.execute(trx)
  const holds = await sql`
    update holds set status = 'withdrawn', closed_at = now() where status = 'open' and kind <> 'target'`.execute(
    trx,
  )
  await sql`
    update holds set applied_at = now() where status = 'approved' and applied_at is null`.execute(trx)
  // Used up since the backup, they would count a second time.
  await sql`delete from consent_requests`.execute(trx)
  await sql`delete from partner_sign_in_requests`.execute(trx)
  const feedSeq = await jumpFeed(trx)
  const restored = {
    entraTenants: Number(tenants.numAffectedRows ?? 0n),
    holds: Number(holds.numAffectedRows ?? 0n),
    feedSeq,
  }
  await audit(trx, { actor: by, action: 'restored', detail: { ...detail, ...restored } })
  return restored
}

/**
 * Waits for pages that are being written, each of which proves its lease by this row, and fences whoever works: the
 * number of a lease that was taken in the time that was lost must not be given a second time.
 */
export async function fenceWorkers(trx: Transaction<Database>): Promise<void> {
  await sql`select from sync_leases order by entra_tenant_id for update`.execute(trx)
  await sql`update sync_leases set run_seq = run_seq + ${jump}`.execute(trx)
}

/** Numbers of the feed that were given and lost must not be given again. Answers where it goes on. */
export async function jumpFeed(trx: Transaction<Database>): Promise<number> {
  await sql`select pg_advisory_xact_lock(${advisoryLocks.feed})`.execute(trx)
  const { rows } = await sql<{ seq: number }>`
    update target_feed set last_seq = last_seq + ${jump}, floor_seq = last_seq + ${jump} returning last_seq as seq`.execute(
    trx,
  )
  await sql`select pg_notify('entra_sync_target_changes', ${String(rows[0]?.seq)})`.execute(trx)
  return rows[0]?.seq ?? 0
}

/** Told by an operator: `entra-sync restored`. */
export async function restoredBy(db: Kysely<Database>, by: string): Promise<Restored> {
  return db.transaction().execute(async (trx) => {
    await sql`set local lock_timeout = '2min'`.execute(trx)
    await sql`select pg_advisory_xact_lock(${advisoryLocks.restoring})`.execute(trx)
    return markRestored(trx, { by })
  })
}

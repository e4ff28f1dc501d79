import { sql, type RawBuilder, type Transaction } from 'kysely'
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
      select f.last_seq + row_number() over (order by c.tenant_id, c.subject_id, c.item_id, c.ordinal), clock_timestamp(),
        c.tenant_id, c.subject_kind, c.subject_id, c.item_id, c.change, c.reason, c.before, c.after, ${runId}::uuid, c.deliberate
      from target_feed f, (${from}) c
      returning seq
    ), raised as (
      update target_feed set last_seq = (select max(seq) from appended)
      where exists (select from appended) returning last_seq
    )
    select pg_notify('entra_sync_target_changes', last_seq::text) from raised`.execute(trx)
}

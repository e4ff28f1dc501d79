import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Kysely } from 'kysely'
import type { Database } from '../../src/db/tables.ts'

/** How long the daemon may take to go on by itself after whatever happened: the promise of the issue. */
export const promisedMs = 90_000

/** How long it is waited for here: on a machine as busy as these tests make it all takes longer. */
const patienceMs = 3 * promisedMs

/**
 * What is still to be done: tenants that are due, requests, dirt. Nothing that a process has in its memory or a queue:
 * it may be dead, and the queue empty.
 */
export async function somethingOpen(db: Kysely<Database>): Promise<string | null> {
  const { rows } = await sql<{ open: string | null }>`
    select concat_ws(', ',
      (select 'due: ' || string_agg(entra_tenant_id::text, ' ') from entra_tenants where next_sync_at <= now()),
      (select 'wanted: ' || string_agg(entra_tenant_id || ' ' || requested_seq || '/' || coalesce(serving_seq, 0) || '/' || served_seq, ' ')
        from sync_requests where served_seq < requested_seq or serving_seq is not null),
      (select 'dirty: ' || string_agg(distinct family_id::text, ' ') from target_dirt),
      (select 'dirty tenants: ' || string_agg(name, ' ') from tenants where targets_dirty_seq > targets_clean_seq)
    ) as open`.execute(db)
  const open = rows[0]?.open ?? ''
  return open === '' ? null : open
}

/**
 * Waits until nothing is open; nobody is asked anew, so that what was lost stays lost and is found.
 * @throws when something is still open after three times the time that is promised
 */
export async function settled(db: Kysely<Database>, signal?: AbortSignal): Promise<void> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const open = await somethingOpen(db)
    if (open === null) {
      // A group that came back has its members read whole in the next cycle.
      const { numUpdatedRows } = await db
        .updateTable('entra_tenants')
        .set({ next_sync_at: sql<Date>`now()` })
        .where('entra_tenant_id', 'in', (due) =>
          due.selectFrom('sync_cursors').select('entra_tenant_id').where('full_round_due', '=', true),
        )
        .executeTakeFirstOrThrow()
      if (numUpdatedRows === 0n) return
    } else if (Date.now() > deadline) throw new Error(`still open after ${patienceMs} ms: ${open}`)
    if (signal?.aborted === true) return
    await sleep(50)
  }
}

import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'

/** Deletes up to `most` links for admins that have expired; answers how many. */
export async function deleteOldTickets(db: Kysely<Database>, most: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from entra_sync.consent_tickets where ticket_hash in (
      select ticket_hash from entra_sync.consent_tickets where expires_at < now() limit ${most})`.execute(db)
  return Number(numAffectedRows ?? 0n)
}

/** Deletes up to `most` states a day after their end: until then whoever comes with one is told what became of it. */
export async function deleteOldRequests(db: Kysely<Database>, most: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from entra_sync.consent_requests where state_hash in (
      select state_hash from entra_sync.consent_requests
      where expires_at < now() - interval '1 day' limit ${most})`.execute(db)
  return Number(numAffectedRows ?? 0n)
}

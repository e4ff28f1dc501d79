import { sql, type Transaction } from 'kysely'
import { advisoryLocks } from './advisory-locks.ts'
import type { Database } from './tables.ts'

/**
 * To be called first in every transaction that makes tenants or changes links: one at a time, so that slugs, owners of
 * domains and the chain of parents are judged by what is there. The lock ends with the transaction.
 */
export async function lockLinks(trx: Transaction<Database>): Promise<void> {
  await sql`select pg_advisory_xact_lock(${advisoryLocks.links})`.execute(trx)
}

/**
 * Waits for the pages of these Entra tenants that are being written, and keeps further ones out until the transaction
 * ends: a page that assigned its persons by the old links must not commit after the new ones. Pages lock the lease,
 * then persons, then tenants; whoever moves persons takes the same order.
 */
export async function lockPages(
  trx: Transaction<Database>,
  entraTenantIds: readonly string[],
): Promise<void> {
  await sql`
    insert into entra_sync.sync_leases (entra_tenant_id)
    select id from unnest(${entraTenantIds}::uuid[]) as id order by id on conflict do nothing`.execute(trx)
  await sql`
    select 1 from entra_sync.sync_leases where entra_tenant_id = any (${entraTenantIds}::uuid[])
    order by entra_tenant_id for update`.execute(trx)
}

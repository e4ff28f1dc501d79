import { sql, type Kysely, type Transaction } from 'kysely'
import type { Database } from '../db/tables.ts'
import { advisoryLocks, familyLock } from '../db/advisory-locks.ts'

/**
 * Families with something to resolve that are not frozen, the longest waiting ones first: with dirt, with raised
 * `targets_dirty_seq`, or synced whole and never resolved.
 */
export async function dirtyFamilies(db: Kysely<Database>): Promise<string[]> {
  const { rows } = await sql<{ family_id: string }>`
    with dirty as (
      select family_id, min(at) as since from target_dirt group by family_id
      union all
      select f.family_id, now() from tenants t join tenant_families f using (tenant_id)
      where t.targets_dirty_seq > t.targets_clean_seq
      union all
      select e.entra_tenant_id, e.last_synced_at from entra_tenants e
      where not exists (select from target_families f where f.family_id = e.entra_tenant_id)
        and exists (select from tenant_links l where l.entra_tenant_id = e.entra_tenant_id)
    )
    select d.family_id from dirty d left join target_family_status s using (family_id)
    where s.frozen is null group by d.family_id order by min(d.since), d.family_id`.execute(db)
  return rows.map((row) => row.family_id)
}

/** The family of a tenant: the Entra tenant it is linked to, or itself. Null = there is no such tenant. */
export async function familyOfTenant(db: Kysely<Database>, tenantId: string): Promise<string | null> {
  const family = await db
    .selectFrom('tenant_families')
    .select('family_id')
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst()
  return family?.family_id ?? null
}

/** One resolution of a family at a time, and none while deployments change; all locks end with the transaction. */
export async function lockFamilies(trx: Transaction<Database>, familyIds: readonly string[]): Promise<void> {
  await sql`select pg_advisory_xact_lock_shared(${advisoryLocks.deployments})`.execute(trx)
  await sql`
    select pg_advisory_xact_lock(${familyLock}, hashtext(id))
    from (select id from unnest(${familyIds}::text[]) as id order by hashtext(id)) as ordered`.execute(trx)
}

/** As `lockFamilies`, and no page of a sync of theirs is written meanwhile: each proves its lease by this row. */
export async function lockWithSyncs(trx: Transaction<Database>, familyIds: readonly string[]): Promise<void> {
  // A first resolution takes longer than our connections wait for a lock otherwise.
  await sql`set local lock_timeout = '2min'`.execute(trx)
  await lockFamilies(trx, familyIds)
  await sql`
    select from sync_leases where entra_tenant_id = any (${familyIds}::uuid[])
    order by entra_tenant_id for update`.execute(trx)
}

/** Waits for all resolutions and keeps others out: for whoever changes deployments. */
export async function lockDeployments(trx: Transaction<Database>): Promise<void> {
  // A first resolution of many tenants takes longer than our connections wait for a lock otherwise.
  await sql`set local lock_timeout = '10min'`.execute(trx)
  await sql`select pg_advisory_xact_lock(${advisoryLocks.deployments})`.execute(trx)
}

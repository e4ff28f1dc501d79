import { sql, type Kysely } from 'kysely'
import { steadyNow } from '../clock.ts'
import type { Database } from './tables.ts'

export interface SyncedTenant {
  entra_tenant_id: string
  /** By the clock of Postgres, as the others are that it is compared with. */
  read_at: Date
  display_name: string | null
  /** Own interval in milliseconds; null = the installation's. */
  sync_interval_ms: number | null
  last_full_at: Date | null
  organization_read_at: Date | null
  /** A problem of topic `organization` is open. */
  organization_disputed: boolean
  devices_read_at: Date | null
  teams_read_at: Date | null
  license_sources_read_at: Date | null
  consecutive_failures: number
}

/** What a run must know of its Entra tenant; null = it is not in the table. */
export async function readSyncedTenant(
  db: Kysely<Database>,
  entraTenantId: string,
): Promise<SyncedTenant | null> {
  const { rows } = await sql<SyncedTenant>`
    select entra_tenant_id, clock_timestamp() as read_at, display_name, (extract(epoch from sync_interval) * 1000)::float8 as sync_interval_ms, last_full_at,
      organization_read_at, devices_read_at, teams_read_at, license_sources_read_at, consecutive_failures,
      exists (select from problems p where p.entra_tenant_id = t.entra_tenant_id and p.topic = 'organization'
        and p.closed_at is null) as organization_disputed
    from entra_tenants t where entra_tenant_id = ${entraTenantId}`.execute(db)
  return rows[0] ?? null
}

export async function saveOrganization(
  db: Kysely<Database>,
  entraTenantId: string,
  organization: { displayName: string | null; defaultDomain: string | null; domains: string[] },
): Promise<void> {
  await sql`
    update entra_tenants set display_name = coalesce(${organization.displayName}, display_name),
      default_domain = coalesce(${organization.defaultDomain}, default_domain), domains = ${organization.domains}::text[],
      organization_read_at = now()
    where entra_tenant_id = ${entraTenantId}`.execute(db)
}

export async function noteOptionalRead(
  db: Kysely<Database>,
  entraTenantId: string,
  column: 'organization_read_at' | 'devices_read_at' | 'teams_read_at' | 'license_sources_read_at',
): Promise<void> {
  await sql`update entra_tenants set ${sql.ref(column)} = now() where entra_tenant_id = ${entraTenantId}`.execute(
    db,
  )
}

/**
 * Locks the row, for transactions that write it after the tenant's request: the tick takes the two in this order, and
 * whoever takes them in the other one waits for it in a circle.
 */
export async function lockEntraTenant(db: Kysely<Database>, entraTenantId: string): Promise<void> {
  await sql`select 1 from entra_tenants where entra_tenant_id = ${entraTenantId} for no key update`.execute(
    db,
  )
}

/** Freshness follows from the cursors: all required collections were read to their ends at least as late as this. */
export async function noteFreshness(
  db: Kysely<Database>,
  entraTenantId: string,
  required: readonly string[],
): Promise<void> {
  await sql`
    update entra_tenants e set last_synced_at = coalesce(c.synced_at, e.last_synced_at),
      last_full_at = coalesce(c.full_at, e.last_full_at),
      restored_at = case when c.full_at > e.restored_at then null else e.restored_at end
    from (
      select case when count(completed_at) = ${required.length} then min(completed_at) end as synced_at,
        case when count(last_full_at) = ${required.length} then min(last_full_at) end as full_at
      from sync_cursors where entra_tenant_id = ${entraTenantId} and collection = any (${required}::text[])
    ) c
    where e.entra_tenant_id = ${entraTenantId}
      and (coalesce(c.synced_at, e.last_synced_at), coalesce(c.full_at, e.last_full_at))
        is distinct from (e.last_synced_at, e.last_full_at)`.execute(db)
}

/**
 * Sets when the tick wants this Entra tenant again. `nextSyncAt`, by this process' steady clock, is stored by that of Postgres,
 * which the tick asks: a host whose clock is an hour behind would have every tenant due again at once, and one a day
 * ahead would let it rest for a day. Null = as already planned.
 */
export async function planNextSync(
  db: Kysely<Database>,
  entraTenantId: string,
  plan: { nextSyncAt: Date | null; consecutiveFailures: number },
): Promise<void> {
  const seconds = plan.nextSyncAt === null ? null : secondsUntil(plan.nextSyncAt)
  await sql`
    update entra_tenants set next_sync_at = coalesce(now() + make_interval(secs => ${seconds}), next_sync_at),
      consecutive_failures = ${plan.consecutiveFailures}
    where entra_tenant_id = ${entraTenantId}`.execute(db)
}

/** From now until then by this process' steady clock: what Postgres adds to its own. */
export function secondsUntil(at: Date): number {
  return (at.getTime() - steadyNow()) / 1000
}

/** Tells the resolver that the inputs of every ImmyBot tenant linked to this Entra tenant have changed. */
export async function raiseTargetsDirty(db: Kysely<Database>, entraTenantId: string): Promise<void> {
  // Locked in one order, or two collections of one Entra tenant could wait for each other. Not FOR UPDATE: that waits
  // for the key share that a page of users holds through persons.tenant_id, while that page waits for our lease row.
  await sql`
    with touched as (
      select tenant_id from tenants
      where tenant_id in (select tenant_id from tenant_links where entra_tenant_id = ${entraTenantId})
      order by tenant_id for no key update
    )
    update tenants t set targets_dirty_seq = targets_dirty_seq + 1 from touched where t.tenant_id = touched.tenant_id`.execute(
    db,
  )
}

import { sql, type Transaction } from 'kysely'
import { isFleetFrozenNow } from '../../db/fleet-freeze.ts'
import { readGuards } from '../../db/hold-limits.ts'
import type { Database } from '../../db/tables.ts'
import { judgeSize, type GuardSettings } from '../../guard.ts'

/** A computer that an import takes software from: it is gone, or another person's, or nobody's. */
export interface ComputerLoss {
  computerId: string
  name: string
  tenantId: string
  /** Maintenance items that it had, and has no more or in another state. */
  items: string[]
}

/** A tenant in which so many computers lose something that the import has to be confirmed. */
export interface TenantLoss {
  tenantId: string
  tenant: string
  losing: number
  /** Computers of the tenant that had a target before. */
  of: number
  reason: 'fleet_frozen' | 'over_max' | 'over_percent'
}

/**
 * Keeps what computers get, for `readLosses`; to be called in the transaction before it changes them. `offset 0`: see
 * `noteComputers`.
 */
export async function noteTargets(trx: Transaction<Database>, computerIds: readonly string[]): Promise<void> {
  await sql`
    create temp table imported_before (computer_id uuid, name text, tenant_id uuid, item_id uuid, desired_state text)
    on commit drop`.execute(trx)
  await sql`
    insert into imported_before select c.computer_id, c.name, c.tenant_id, t.item_id, t.desired_state
    from unnest(${[...computerIds]}::uuid[]) as n (computer_id) join computers c using (computer_id)
    cross join lateral (select * from computer_targets x where x.computer_id = c.computer_id offset 0) t`.execute(
    trx,
  )
  await sql`analyze imported_before`.execute(trx)
}

/**
 * Who has lost something since `noteTargets`. What a computer gets by itself and not through its primary user follows
 * with the next resolution, under the guard of that one; it is counted here when the computer is gone.
 */
export async function readLosses(trx: Transaction<Database>): Promise<ComputerLoss[]> {
  const { rows } = await sql<ComputerLoss>`
    with now_there as materialized (
      select c.computer_id, t.item_id, t.desired_state from (select distinct computer_id from imported_before) c
      cross join lateral (select * from computer_targets x where x.computer_id = c.computer_id offset 0) t
    )
    select b.computer_id as "computerId", b.name, b.tenant_id as "tenantId",
      array_agg(coalesce(i.name, b.item_id::text) order by i.name) as items
    from imported_before b left join maintenance_items i using (item_id)
    where not exists (select from now_there t
      where t.computer_id = b.computer_id and t.item_id = b.item_id and t.desired_state = b.desired_state)
    group by b.computer_id, b.name, b.tenant_id order by b.name, b.computer_id`.execute(trx)
  return rows
}

/** How many computers of each tenant lose something, by tenant id. */
export function losingOf(losses: readonly ComputerLoss[]): Record<string, number> {
  const byTenant = Map.groupBy(losses, ({ tenantId }) => tenantId)
  return Object.fromEntries([...byTenant].map(([tenantId, of]) => [tenantId, of.length]))
}

/**
 * The tenants of which an import takes more than the guard lets pass in 24 hours (design rule 8.4). An export that has
 * lost a column would else uninstall software everywhere: computers find their persons through it, and no sync is asked.
 */
export async function judgeLosses(
  trx: Transaction<Database>,
  losses: readonly ComputerLoss[],
  configured: GuardSettings,
): Promise<TenantLoss[]> {
  if (losses.length === 0) return []
  const frozen = await isFleetFrozenNow(trx)
  const guards = await readGuards(trx, configured)
  const counts = losingOf(losses)
  const { rows } = await sql<{
    tenantId: string
    tenant: string
    entraTenantId: string | null
    total: number
    recent: number
  }>`
    with passed as (
      select taken.key::uuid as tenant_id, sum(taken.value::int) as losing
      from audit_log a cross join lateral jsonb_each_text(a.detail -> 'taken') as taken
      where a.action = 'computers_imported' and a.at > now() - interval '24 hours' group by 1
    )
    select t.tenant_id as "tenantId", t.name as tenant, f.entra_tenant_id as "entraTenantId",
      (select count(distinct b.computer_id) from imported_before b where b.tenant_id = t.tenant_id)
        + (select count(*) from computers c
          cross join lateral (select from computer_targets x where x.computer_id = c.computer_id limit 1) x
          where c.tenant_id = t.tenant_id
            and not exists (select from imported_before b where b.computer_id = c.computer_id)) as total,
      coalesce(p.losing, 0) as recent
    from tenants t join tenant_families f using (tenant_id) left join passed p using (tenant_id)
    where t.tenant_id = any (${Object.keys(counts)}::uuid[]) order by t.name`.execute(trx)
  return rows.flatMap(({ tenantId, tenant, entraTenantId, total, recent }) => {
    const losing = counts[tenantId] ?? 0
    const settings = guards.get(entraTenantId ?? '') ?? configured
    const reason = frozen ? 'fleet_frozen' : judgeSize({ count: losing, total, recent }, settings)
    return reason === null ? [] : [{ tenantId, tenant, losing, of: total, reason }]
  })
}

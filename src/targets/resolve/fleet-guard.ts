import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { readGuards } from '../../db/hold-limits.ts'
import { judgeSize, type GuardSettings } from '../../guard.ts'
import { isJudged, holdSet } from './guard.ts'

/** What one deployment would lose in all the tenants of this resolution. */
interface FleetSet {
  deploymentId: string
  tenantIds: string[]
  count: number
  total: number
  recent: number
}

/**
 * Holds what a deployment would lose across tenants. In each of three hundred tenants of four persons it is less than
 * HOLD_MIN, and passes; together it is the deployment, and what takes it from all of them at once is no customer's
 * doing. Tenants with limits of their own are judged by these, and count for nothing here. To be called after the
 * tenants were judged one by one: what these have held already is none of it.
 */
export async function holdAcrossTenants(
  trx: Transaction<Database>,
  facts: { guard: GuardSettings; runId: string },
): Promise<void> {
  const own = [...(await readGuards(trx, facts.guard)).keys()]
  for (const set of await fleetSets(trx, facts.guard.holdMin, own)) {
    // By share only: HOLD_MAX is a tenant's, and many small tenants lose more than that in a year of ordinary days.
    if (judgeSize(set, { ...facts.guard, holdMax: Infinity }) === null) continue
    for (const tenantId of set.tenantIds) {
      const { deploymentId, total } = set
      const one = { tenantId, deploymentId, direction: 'unassign' as const, total }
      await holdSet(trx, one, 'deployment_over_percent', facts.runId)
    }
  }
}

/** What deployments lose here, where that is more than `holdMin` with what they lost in the last 24 hours. */
async function fleetSets(
  trx: Transaction<Database>,
  holdMin: number,
  own: readonly string[],
): Promise<FleetSet[]> {
  const isOthers = (familyId: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`${familyId} <> all (${own}::uuid[])`
  const { rows: losing } = await sql<Pick<FleetSet, 'deploymentId' | 'tenantIds' | 'count'>>`
    select c.deployment_before as "deploymentId", array_agg(distinct c.tenant_before) as "tenantIds", count(*) as count
    from resolving_changes c join tenant_families f on f.tenant_id = c.tenant_before
    where c.change in ('unassigned', 'changed', 'moved') and ${isJudged()} and ${isOthers(sql`f.family_id`)}
    group by c.deployment_before order by c.deployment_before`.execute(trx)
  if (losing.length === 0) return []
  const ids = losing.map(({ deploymentId }) => deploymentId)
  const { rows: recents } = await sql<{ deploymentId: string; recent: number }>`
    select (c.before ->> 'deployment_id')::uuid as "deploymentId", count(*) as recent
    from tenant_families f join target_changes c using (tenant_id)
    where not c.deliberate and c.before is not null and c.at > now() - interval '24 hours'
      and (c.before ->> 'deployment_id')::uuid = any (${ids}::uuid[]) and ${isOthers(sql`f.family_id`)}
    group by 1`.execute(trx)
  const recentOf = new Map(recents.map(({ deploymentId, recent }) => [deploymentId, recent]))
  const sets: FleetSet[] = []
  for (const one of losing) {
    const recent = recentOf.get(one.deploymentId) ?? 0
    if (one.count + recent <= holdMin) continue
    const { rows } = await sql<{ total: number }>`
      select count(*) as total from deployment_targets t
      where t.deployment_id = ${one.deploymentId} and ${isOthers(sql`t.family_id`)}`.execute(trx)
    sets.push({ ...one, recent, total: rows[0]?.total ?? 0 })
  }
  return sets
}

import { sql, type Kysely, type Transaction } from 'kysely'
import type { Database, DeploymentScope, DesiredState, Enforcement, TargetType } from '../../db/tables.ts'
import { openTables } from '../resolve/tables.ts'
import { barredBy, findExcluded, reachedBy } from '../resolve/reached.ts'
import { match } from '../resolve/resolution.ts'
import { lookAt } from '../resolve/scope.ts'
import type { Subject } from './subject.ts'

/** One deployment as the resolver sees it for one subject. */
export interface Candidate {
  deploymentId: string
  name: string
  itemId: string
  item: string
  version: string
  desiredState: DesiredState
  enforcement: Enforcement
  scope: DeploymentScope
  targetType: TargetType
  target: Record<string, string>
  rank: number
  createdAt: Date
  enabled: boolean
  ownerTenantId: string | null
  ownerTenant: string | null
  /** Null = the subject's tenant does not have it. The smallest wins. */
  precedence: number | null
  distance: number | null
  /** Its group is gone: it keeps what it has. */
  kept: boolean
  reached: boolean
  reason: Record<string, unknown> | null
  /** A filter that leaves the subject out. */
  barred: string | null
  excluded: boolean
}

/** A target as it stands in the table. */
export interface Standing {
  itemId: string
  deploymentId: string
  reason: Record<string, unknown>
  since: Date
}

export interface Matched {
  candidates: Candidate[]
  standing: Standing[]
}

/**
 * Runs the resolver's own steps for one subject and takes all back: what it finds is what the resolver would find
 * (design rule 8.8). `itemId` null = all items.
 */
export async function readMatched(
  db: Kysely<Database>,
  subject: Subject,
  itemId: string | null,
  licenseGraceMs: number,
): Promise<Matched> {
  const trx = await db.startTransaction().execute()
  try {
    await openTables(trx)
    await lookAt(trx, subject.familyId, [subject.id])
    await match(trx, licenseGraceMs)
    await findExcluded(trx)
    const candidates = await readCandidates(trx, itemId)
    const { rows: standing } = await sql<Standing>`
      select item_id as "itemId", deployment_id as "deploymentId", reason, since from deployment_targets
      where subject_id = ${subject.id} and (${itemId}::uuid is null or item_id = ${itemId})`.execute(trx)
    return { candidates, standing }
  } finally {
    await trx.rollback().execute()
  }
}

async function readCandidates(trx: Transaction<Database>, itemId: string | null): Promise<Candidate[]> {
  const { rows } = await sql<Candidate>`
    with reached as (
      select r.deployment_id, min(r.ref) as ref from (${reachedBy('target')}) r group by r.deployment_id
    )
    select d.deployment_id as "deploymentId", d.name, d.item_id as "itemId", i.name as item, d.version,
      d.desired_state as "desiredState", d.enforcement, d.scope, d.target_type as "targetType", d.target, d.rank,
      d.created_at as "createdAt", d.enabled, d.tenant_id as "ownerTenantId", o.name as "ownerTenant", a.precedence, a.distance,
      coalesce(a.kept, false) as kept, r.deployment_id is not null and a.precedence is not null as reached, k.reason,
      a.barred, x.deployment_id is not null as excluded
    from deployments d join maintenance_items i using (item_id)
    left join tenants o on o.tenant_id = d.tenant_id
    left join lateral (
      select p.precedence, p.distance, p.kept, p.barred
      from (select s.no, d.*, ${barredBy} as barred from resolving_subjects s join resolving_deployments d using (tenant_id)) p
      where p.deployment_id = d.deployment_id
    ) a on true
    left join reached r on r.deployment_id = d.deployment_id
    left join resolving_reasons k on k.ref = r.ref
    left join resolving_excluded x on x.deployment_id = d.deployment_id
    where ${itemId}::uuid is null or d.item_id = ${itemId}
    order by i.name, a.precedence nulls last, d.name`.execute(trx)
  return rows
}

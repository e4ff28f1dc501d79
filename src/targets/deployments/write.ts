import { sql, type Transaction } from 'kysely'
import { audit } from '../../db/audit.ts'
import type { Database } from '../../db/tables.ts'
import type { ResolvedDeployment } from '../files/types.ts'
import type { DeploymentPlan } from './plan.ts'

/** Writes a plan: items, additions, changes (id and age of a deployment stay), removals; audited. */
export async function writePlan(
  trx: Transaction<Database>,
  plan: DeploymentPlan,
  actor: string,
): Promise<void> {
  const items = await writeItems(trx, plan)
  await upsert(trx, plan.added, items)
  await upsert(
    trx,
    plan.changed.map(({ deployment }) => deployment),
    items,
  )
  await removeDeployments(
    trx,
    plan.removed.map(({ name }) => name),
  )
  const detail = {
    source: plan.source,
    added: plan.added.map(({ name }) => name),
    changed: plan.changed.map(({ deployment, changes }) => ({
      name: deployment.name,
      fields: changes.map(({ field }) => field),
    })),
    removed: plan.removed.map(({ name }) => name),
  }
  await audit(trx, { actor, action: 'deployments_applied', detail })
}

/** Removes deployments by name; their triggers tell the resolver. */
export async function removeDeployments(trx: Transaction<Database>, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  await sql`delete from deployments where name = any (${[...names]}::text[])`.execute(trx)
}

/** Makes items that are not there; answers the ids of all by name. */
async function writeItems(trx: Transaction<Database>, plan: DeploymentPlan): Promise<Map<string, string>> {
  const wanted = JSON.stringify(plan.items.map(({ name, kind }) => ({ name, kind })))
  const columns = sql`jsonb_to_recordset(${wanted}::jsonb) as w (name text, kind text)`
  await sql`
    insert into maintenance_items (name, kind) select w.name, w.kind from ${columns} order by lower(w.name)
    on conflict (lower(name)) do nothing`.execute(trx)
  // A statement of its own sees what another transaction has made meanwhile.
  const { rows } = await sql<{ name: string; item_id: string }>`
    select w.name, i.item_id from ${columns} join maintenance_items i on lower(i.name) = lower(w.name)`.execute(
    trx,
  )
  return new Map(rows.map((row) => [row.name, row.item_id]))
}

async function upsert(
  trx: Transaction<Database>,
  deployments: readonly ResolvedDeployment[],
  items: Map<string, string>,
): Promise<void> {
  if (deployments.length === 0) return
  const rows = deployments.map((one) => ({ ...one, item_id: items.get(one.item) }))
  await sql`
    insert into deployments as d (name, item_id, version, desired_state, enforcement, scope, tenant_id, target_type, target,
      excludes, filters, enabled, rank, source)
    select name, item_id, version, desired_state, enforcement, scope, tenant_id, target_type, target, excludes, filters,
      enabled, rank, source
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as x(name text, item_id uuid, version text, desired_state text,
      enforcement text, scope text, tenant_id uuid, target_type text, target jsonb, excludes jsonb, filters jsonb,
      enabled boolean, rank int, source text)
    order by name
    on conflict (name) do update set item_id = excluded.item_id, version = excluded.version,
      desired_state = excluded.desired_state, enforcement = excluded.enforcement, scope = excluded.scope,
      tenant_id = excluded.tenant_id, target_type = excluded.target_type, target = excluded.target,
      excludes = excluded.excludes, filters = excluded.filters, enabled = excluded.enabled, rank = excluded.rank,
      source = excluded.source, updated_at = now()`.execute(trx)
}

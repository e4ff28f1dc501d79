import { isDeepStrictEqual } from 'node:util'
import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import type { DeploymentColumns, ResolvedDeployment, ResolvedItem } from '../files/types.ts'

/** A deployment as the table has it, in the columns that a file decides. */
export interface StoredDeployment extends DeploymentColumns {
  deploymentId: string
  item: string
}

export type FieldChange = { field: string; from: unknown; to: unknown }

/** What applying a file does to the table, by name. */
export interface DeploymentPlan {
  source: string
  items: ResolvedItem[]
  added: ResolvedDeployment[]
  changed: { deployment: ResolvedDeployment; before: StoredDeployment; changes: FieldChange[] }[]
  unchanged: string[]
  /** With prune: those that this source brought and the file no longer has. */
  removed: StoredDeployment[]
  /** Those of another source that the file takes over. */
  taken: { name: string; from: string }[]
}

const fields = [
  'item',
  'version',
  'desired_state',
  'enforcement',
  'scope',
  'tenant_id',
  'target_type',
  'target',
  'excludes',
  'filters',
  'enabled',
  'rank',
  'source',
] as const

/** Compares a file with the table (pure). Names are the identity: a changed target changes a deployment, never replaces it. */
export function planDeployments(
  file: { source: string; items: ResolvedItem[]; deployments: ResolvedDeployment[] },
  stored: readonly StoredDeployment[],
  options: { prune: boolean },
): DeploymentPlan {
  const byName = new Map(stored.map((one) => [one.name, one]))
  const names = new Set(file.deployments.map(({ name }) => name))
  const plan: DeploymentPlan = {
    source: file.source,
    items: file.items,
    added: [],
    changed: [],
    unchanged: [],
    removed: options.prune ? stored.filter((one) => one.source === file.source && !names.has(one.name)) : [],
    taken: [],
  }
  for (const deployment of file.deployments) {
    const before = byName.get(deployment.name)
    if (before === undefined) {
      plan.added.push(deployment)
      continue
    }
    const changes = fields
      .filter((field) => !isDeepStrictEqual(before[field], deployment[field]))
      .map((field) => ({ field, from: before[field], to: deployment[field] }))
    if (changes.length === 0) plan.unchanged.push(deployment.name)
    else plan.changed.push({ deployment, before, changes })
    if (before.source !== deployment.source) plan.taken.push({ name: before.name, from: before.source })
  }
  return plan
}

/** True when applying it would write nothing. */
export function isEmptyPlan(plan: DeploymentPlan): boolean {
  return (
    plan.added.length + plan.changed.length + plan.removed.length === 0 &&
    plan.items.every(({ itemId }) => itemId !== null)
  )
}

/** All deployments, or those of the given names. */
export async function readDeployments(
  db: Kysely<Database>,
  names?: readonly string[],
): Promise<StoredDeployment[]> {
  const { rows } = await sql<StoredDeployment>`
    select d.deployment_id as "deploymentId", d.name, i.name as item, d.version, d.desired_state, d.enforcement, d.scope,
      d.tenant_id, d.target_type, d.target, d.excludes, d.filters, d.enabled, d.rank, d.source
    from deployments d join maintenance_items i using (item_id)
    where ${names === undefined ? null : [...names]}::text[] is null or d.name = any (${names === undefined ? null : [...names]}::text[])
    order by d.name`.execute(db)
  return rows
}

import { sql, type Kysely, type Transaction } from 'kysely'
import { audit } from '../../db/audit.ts'
import type { Database } from '../../db/tables.ts'
import type { ConfiguredEntitlement } from '../../config/app-entitlements.ts'
import { EntraSyncError } from '../../errors.ts'

/** What came and went, as `entitlement` or `entitlement: plan`. */
export interface EntitlementChanges {
  added: string[]
  removed: string[]
  changed: string[]
}

interface PlanRow {
  entitlement: string
  service_plan_id: string
  service_plan_name: string
}

interface Rows {
  entitlements: Map<string, { product_name: string; yields_to: string | null }>
  plans: Map<string, PlanRow>
}

/**
 * Makes the app entitlements and plans of source `configuration` exactly those of the configuration, and notes in the
 * audit log what that changed. Without a difference nothing is written: every write lets all families be resolved anew.
 * @throws kind `config`, code `entitlement_in_use`, when a deployment names an entitlement that is not configured any
 *   more: a variable forgotten at a start would take everybody's software away.
 */
export async function syncEntitlements(
  db: Kysely<Database>,
  configured: readonly ConfiguredEntitlement[],
): Promise<EntitlementChanges> {
  return db.transaction().execute(async (trx) => {
    // Daemons that start at the same time write one after the other.
    await sql`lock table app_entitlements in share row exclusive mode`.execute(trx)
    const [before, after] = [await readRows(trx), rowsOf(configured)]
    const changes = compare(before, after)
    if (Object.values(changes).every((list) => list.length === 0)) return changes
    await refuseInUse(trx, before, after)
    await write(trx, before, after)
    await audit(trx, { actor: 'configuration', action: 'app_entitlements_changed', detail: changes })
    return changes
  })
}

function rowsOf(configured: readonly ConfiguredEntitlement[]): Rows {
  const rows: Rows = { entitlements: new Map(), plans: new Map() }
  for (const { name, productName, yieldsTo, plans } of configured) {
    if (productName !== null) rows.entitlements.set(name, { product_name: productName, yields_to: yieldsTo })
    for (const plan of plans) {
      const row = { entitlement: name, service_plan_id: plan.id, service_plan_name: plan.name }
      rows.plans.set(`${name} ${plan.id}`, row)
    }
  }
  return rows
}

async function readRows(trx: Transaction<Database>): Promise<Rows> {
  const entitlements = await trx
    .selectFrom('app_entitlements')
    .select(['entitlement', 'product_name', 'yields_to'])
    .where('source', '=', 'configuration')
    .execute()
  const plans = await trx
    .selectFrom('app_entitlement_plans')
    .select(['entitlement', 'service_plan_id', 'service_plan_name'])
    .where('source', '=', 'configuration')
    .execute()
  return {
    entitlements: new Map(entitlements.map(({ entitlement, ...row }) => [entitlement, row])),
    plans: new Map(plans.map((row) => [`${row.entitlement} ${row.service_plan_id}`, row])),
  }
}

function compare(before: Rows, after: Rows): EntitlementChanges {
  const planOf = ({ entitlement, service_plan_name: plan }: PlanRow): string => `${entitlement}: ${plan}`
  const entitlements = different(before.entitlements, after.entitlements)
  const plans = different(before.plans, after.plans)
  return {
    added: [...entitlements.added.keys(), ...[...plans.added.values()].map(planOf)],
    removed: [...entitlements.removed.keys(), ...[...plans.removed.values()].map(planOf)],
    changed: [...entitlements.changed.keys(), ...[...plans.changed.values()].map(planOf)],
  }
}

/** By key: rows that are new, old ones that are gone, and new values of rows that were otherwise. */
function different<Row extends object>(before: ReadonlyMap<string, Row>, after: ReadonlyMap<string, Row>) {
  const rows = [...after]
  const was = (key: string): Row | undefined => before.get(key)
  return {
    added: new Map(rows.filter(([key]) => was(key) === undefined)),
    changed: new Map(rows.filter(([key, row]) => !equal(was(key) ?? row, row))),
    removed: new Map([...before].filter(([key]) => !after.has(key))),
  }
}

function equal<Row extends object>(one: Row, other: Row): boolean {
  const rest = new Map<string, unknown>(Object.entries(other))
  return Object.entries(one).every(([key, value]) => value === rest.get(key))
}

async function refuseInUse(trx: Transaction<Database>, before: Rows, after: Rows): Promise<void> {
  const gone = [...different(before.entitlements, after.entitlements).removed.keys()]
  const { rows } = await sql<{ entitlement: string; deployments: string }>`
    select t.entitlement, string_agg(distinct d.name, ', ' order by d.name) as deployments
    from deployment_terms t join deployments d using (deployment_id)
    where t.entitlement = any (${gone}::text[]) group by 1 order by 1`.execute(trx)
  if (rows.length === 0) return
  const named = rows.map((row) => `${row.entitlement} (by ${row.deployments})`).join('; ')
  throw new EntraSyncError(
    'config',
    `App entitlements that deployments name are missing from the configuration: ${named}.`,
    {
      code: 'entitlement_in_use',
      remedy:
        'Set APP_ENTITLEMENTS_FILE to the file that has them, or change or remove these deployments first.',
    },
  )
}

/** Row by row: the triggers fire for a statement without rows as well. */
async function write(trx: Transaction<Database>, before: Rows, after: Rows): Promise<void> {
  const entitlements = different(before.entitlements, after.entitlements)
  const plans = different(before.plans, after.plans)
  for (const { entitlement, service_plan_id } of plans.removed.values()) {
    await trx
      .deleteFrom('app_entitlement_plans')
      .where('entitlement', '=', entitlement)
      .where('service_plan_id', '=', service_plan_id)
      .execute()
  }
  const written = [...entitlements.added, ...entitlements.changed]
  // First without what they yield to: it may be one that comes after them.
  for (const [entitlement, { product_name }] of written) {
    await trx
      .insertInto('app_entitlements')
      .values({ entitlement, product_name, source: 'configuration' })
      .onConflict((row) => row.column('entitlement').doUpdateSet({ product_name, yields_to: null }))
      .execute()
  }
  for (const [entitlement, { yields_to }] of written) {
    if (yields_to === null) continue
    await trx
      .updateTable('app_entitlements')
      .set({ yields_to })
      .where('entitlement', '=', entitlement)
      .execute()
  }
  const gone = [...entitlements.removed.keys()]
  if (gone.length > 0) await trx.deleteFrom('app_entitlements').where('entitlement', 'in', gone).execute()
  for (const row of [...plans.added.values(), ...plans.changed.values()]) {
    const { service_plan_name } = row
    await trx
      .insertInto('app_entitlement_plans')
      .values({ ...row, source: 'configuration' })
      .onConflict((one) => one.columns(['entitlement', 'service_plan_id']).doUpdateSet({ service_plan_name }))
      .execute()
  }
}

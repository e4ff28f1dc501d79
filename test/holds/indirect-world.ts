import { sql, type Kysely } from 'kysely'
import type { Database } from '../../src/db/tables.ts'
import { listHolds } from '../../src/holds/list.ts'
import type { TargetContext } from '../../src/targets/context.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { dirtyDaily } from '../../src/targets/waiting.ts'
import { testDatabase } from '../harness/database.ts'
import {
  group,
  guid,
  member,
  numbers,
  Script,
  scriptedContext,
  sku,
  syncOnce,
  user,
} from '../sync/scripted.ts'
import { holdContext } from './world.ts'

export const entra = guid(1, 99)
export const tenant = guid(1, 98)
/** Persons in all, and of these who have what the deployments name. */
export const [people, meant] = [100, 40]

const plan = guid(1, 4)
/** Each deployment by its way of naming the same forty; the last takes all. */
const deployments: [string, string, object, object?][] = [
  ['by department', 'everyone', {}, { departments: ['Engineering'] }],
  ['by domain', 'everyone', {}, { domains: ['contoso.example'] }],
  ['by licence', 'license', { sku_id: guid(1, 3) }],
  ['by plan', 'license', { service_plan_id: plan }],
  ['by app', 'app_entitlement', { entitlement: 'cad' }],
  ['by nesting', 'group_name', { name: 'Group 1' }],
  ['by pattern', 'group_name', { pattern: 'Group 1*' }],
  ['by rule', 'group_name', { name: 'Group 3' }],
  ['by team', 'team', { group_id: guid(4, 2) }],
  ['by tag', 'tag', { tag: 'cad' }],
  ['everyone', 'everyone', {}],
]

export const engineer = {
  department: 'Engineering',
  userType: 'Member',
  assignedLicenses: [{ skuId: guid(1, 3), disabledPlans: [] }],
}
const rule = { groupTypes: ['DynamicMembership'] }
export const team = { groupTypes: ['Unified'], resourceProvisioningOptions: ['Team'] }

export const engineers = () => numbers(meant)
export const below = (isRemoved = false): object => ({
  '@odata.type': '#microsoft.graph.group',
  id: guid(2, 2),
  ...(isRemoved ? { '@removed': { reason: 'deleted' } } : {}),
})

/**
 * A hundred persons, of whom forty are engineers by department, domain, licence and tag, in Group 2 that is nested in Group 1, in
 * the dynamic Group 3 and in the team Group 4; each has a computer.
 */
export class Indirect {
  readonly db: Kysely<Database>
  readonly context: TargetContext
  readonly drop: () => Promise<void>
  private readonly script = new Script(entra)

  private constructor(database: { db: Kysely<Database>; drop(): Promise<void> }) {
    this.db = database.db
    this.drop = () => database.drop()
    this.context = holdContext(this.db)
  }

  static async begin(): Promise<Indirect> {
    const world = new Indirect(await testDatabase())
    const { db } = world
    for (const statement of [
      sql`insert into tenants (tenant_id, name, slug) values (${tenant}, 'Contoso', 'contoso')`,
      sql`insert into entra_tenants (entra_tenant_id, display_name) values (${entra}, 'Contoso')`,
      sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${tenant}, ${entra})`,
      sql`insert into app_entitlements (entitlement, product_name, source) values ('cad', 'CAD', 'configuration')`,
      sql`insert into app_entitlement_plans (entitlement, service_plan_id, service_plan_name, source) values ('cad', ${plan}, 'PLAN_1', 'configuration')`,
      sql`insert into computers (tenant_id, name, primary_user_principal_name)
        select ${tenant}::uuid, 'PC-' || n, 'user' || n || case when n <= ${meant} then '@contoso.example' else '@office.example' end
        from generate_series(1, ${people}::int) n`,
    ])
      await statement.execute(db)
    await world.sync('full', {
      users: [
        ...numbers(meant).map((n) => user(n, engineer)),
        ...numbers(people - meant, meant + 1).map((n) =>
          user(n, { department: 'Sales', userType: 'Member', userPrincipalName: `user${n}@office.example` }),
        ),
      ],
      groups: [
        group(1, [below()]),
        group(
          2,
          engineers().map((n) => member(n)),
        ),
        group(
          3,
          engineers().map((n) => member(n)),
          rule,
        ),
        group(
          4,
          engineers().map((n) => member(n)),
          team,
        ),
      ],
      skus: [sku(1), sku(2)],
    })
    await sql`update persons set tags = '{cad}' where department = 'Engineering'`.execute(db)
    // Else what the deployments give them would be judged, since something else has changed for them, too.
    await world.resolve()
    for (const [name, type, target, filters = {}] of deployments)
      await sql`
        with item as (insert into maintenance_items (name) values (${name}) returning item_id)
        insert into deployments (name, item_id, scope, tenant_id, target_type, target, filters)
        select ${name}, item_id, ${type === 'team' ? 'single_tenant' : 'cross_tenant'}, ${type === 'team' ? tenant : null},
          ${type}, ${JSON.stringify(target)}::jsonb, ${JSON.stringify(filters)}::jsonb from item`.execute(db)
    await world.resolve()
    return world
  }

  /** A round of what is told; the SKUs are those of the last time unless they are told. */
  async sync(
    mode: 'delta' | 'full',
    told: { users?: object[]; groups?: object[]; skus?: object[] },
  ): Promise<void> {
    for (const [collection, objects] of Object.entries(told)) {
      this.script.clear(collection)
      this.script.round(collection, objects)
    }
    const run = await syncOnce(scriptedContext(this.db, this.script), entra, { mode })
    if (run.status !== 'finished' || (run.outcome !== 'succeeded' && run.outcome !== 'held'))
      throw new Error(`the run ended as ${JSON.stringify(run)}`)
    await dirtyDaily(this.db)
    await this.resolve()
  }

  async resolve(): Promise<void> {
    const { failed } = await resolveTargets(this.context, { trigger: 'test' })
    if (failed.length > 0) throw new Error(`not resolved: ${JSON.stringify(failed)}`)
  }

  /** Who has what: subjects by item, and computers by item through whomever. */
  async given(): Promise<Record<string, number>> {
    const { rows } = await sql<{ name: string; n: number }>`
      select d.name, count(t.subject_id)::int as n from maintenance_items d left join deployment_targets t using (item_id) group by 1
      union all
      select d.name || ' on computers', count(t.computer_id)::int from maintenance_items d left join computer_targets t using (item_id) group by 1
      order by 1`.execute(this.db)
    return Object.fromEntries(rows.map(({ name, n }) => [name, n]))
  }

  /** What is held, as `kind reason size`, each with what it is about. */
  async held(): Promise<string[]> {
    const holds = await listHolds(this.db)
    return holds.map(({ kind, reason, size }) => `${kind} ${reason} ${size}`).toSorted()
  }
}

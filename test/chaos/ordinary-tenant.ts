import { sql, type Kysely } from 'kysely'
import type { Database } from '../../src/db/tables.ts'
import { holdHash } from '../../src/db/holds.ts'
import { approveHold } from '../../src/holds/decide.ts'
import { listHolds } from '../../src/holds/list.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { dirtyDaily } from '../../src/targets/waiting.ts'
import { testDatabase } from '../harness/database.ts'
import { holdContext } from '../holds/world.ts'
import {
  group,
  guid,
  member,
  numbers,
  removed,
  Script,
  scriptedContext,
  sku,
  syncOnce,
  user,
} from '../sync/scripted.ts'

const [entra, tenant] = [guid(1, 99), guid(1, 98)]
export const departments = ['Sales', 'Service', 'Engineering', 'Finance', 'Works', 'Office']
/** The group of the team that is dissolved; those before it are the departments'. */
const teamGroup = departments.length + 1
const plan = guid(1, 4)

interface Employee {
  department: number
  skus: number[]
}

/**
 * A customer with a group and a deployment for each department, one by attribute, one by a service plan, one for a team
 * of eight and one for everybody. Changes are collected over a day and told by one delta round.
 */
export class OrdinaryTenant {
  readonly db: Kysely<Database>
  readonly employees = new Map<number, Employee>()
  readonly drop: () => Promise<void>
  private readonly script = new Script(entra)
  private next = 1
  private changed = new Map<number, object>()
  private moved = new Map<number, Map<number, object>>()

  private constructor(database: { db: Kysely<Database>; drop(): Promise<void> }) {
    this.db = database.db
    this.drop = () => database.drop()
  }

  static async begin(people: number): Promise<OrdinaryTenant> {
    const world = new OrdinaryTenant(await testDatabase())
    const { db } = world
    await sql`insert into tenants (tenant_id, name, slug) values (${tenant}, 'Contoso', 'contoso')`.execute(
      db,
    )
    await sql`insert into entra_tenants (entra_tenant_id, display_name) values (${entra}, 'Contoso')`.execute(
      db,
    )
    await sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${tenant}, ${entra})`.execute(db)
    for (let n = 0; n < people; n++) world.join(n % departments.length)
    for (const n of numbers(8)) world.tell(teamGroup, n, false)
    // Both SKUs have the plan that Office is for.
    const both = [
      sku(1),
      {
        ...sku(2),
        servicePlans: [{ servicePlanId: plan, servicePlanName: 'PLAN_1', provisioningStatus: 'Success' }],
      },
    ]
    world.script.round('skus', both)
    await world.sync('full')
    const deployments: [string, string, object, object][] = [
      ['Agent', 'everyone', {}, {}],
      ['CAD viewer', 'everyone', {}, { departments: ['Engineering', 'Works'] }],
      ['Office', 'license', { service_plan_id: plan }, {}],
      ['Project', 'group_name', { name: `Group ${teamGroup}` }, {}],
      ...departments.map((name, at): [string, string, object, object] => [
        `Tools of ${name}`,
        'group_name',
        { name: `Group ${at + 1}` },
        {},
      ]),
    ]
    for (const [name, type, target, filters] of deployments)
      await sql`
        with item as (insert into maintenance_items (name) values (${name}) returning item_id)
        insert into deployments (name, item_id, scope, target_type, target, filters)
        select ${name}, item_id, 'cross_tenant', ${type}, ${JSON.stringify(target)}::jsonb, ${JSON.stringify(filters)}::jsonb
        from item`.execute(db)
    await world.resolve()
    return world
  }

  join(department: number): void {
    const n = this.next++
    this.employees.set(n, { department, skus: [1] })
    this.tellUser(n)
    this.tell(department + 1, n, false)
  }

  leave(n: number): void {
    this.employees.delete(n)
    this.changed.set(n, removed(guid(n, 1)))
  }

  move(n: number, department: number): void {
    const one = this.employees.get(n)
    if (one === undefined || one.department === department) return
    this.tell(one.department + 1, n, true)
    this.tell(department + 1, n, false)
    one.department = department
    this.tellUser(n)
  }

  dissolveTeam(): void {
    for (const n of numbers(8)) this.tell(teamGroup, n, true)
  }

  license(skus: number[]): void {
    for (const [n, one] of this.employees) {
      one.skus = skus
      this.tellUser(n)
    }
  }

  private tellUser(n: number): void {
    const one = this.employees.get(n)
    if (one === undefined) return
    const assignedLicenses = one.skus.map((id) => ({ skuId: guid(id, 3), disabledPlans: [] }))
    this.changed.set(
      n,
      user(n, { department: departments[one.department], userType: 'Member', assignedLicenses }),
    )
  }

  private tell(groupNumber: number, n: number, isRemoved: boolean): void {
    const members = this.moved.get(groupNumber) ?? new Map<number, object>()
    this.moved.set(groupNumber, members.set(n, member(n, isRemoved)))
  }

  /** The end of a day: what happened is synced; answers what is newly held, which is approved then. */
  async endDay(): Promise<string[]> {
    const past = sql`interval '24 hours'`
    await sql`update applied_removals set at = at - ${past}`.execute(this.db)
    await sql`update target_changes set at = at - ${past}`.execute(this.db)
    await sql`update target_families set whole_at = whole_at - ${past}`.execute(this.db)
    await this.sync('delta')
    const told: string[] = []
    for (let [hold] = await listHolds(this.db); hold !== undefined; [hold] = await listHolds(this.db)) {
      const { holdId, kind, reason, size } = hold
      told.push(`${kind} ${reason} ${size}`)
      const hash = await holdHash(this.db, holdId)
      await approveHold(holdContext(this.db), { holdId, hash, by: 'anna' })
      await this.resolve()
    }
    return told
  }

  /** Persons and their targets, as they stand. */
  async standing(): Promise<{ persons: number; office: number }> {
    const { rows } = await sql<{ persons: number; office: number }>`
      select (select count(*)::int from persons where deleted_at is null) as persons,
        (select count(*)::int from deployment_targets join maintenance_items using (item_id) where name = 'Office') as office`.execute(
      this.db,
    )
    return rows[0] ?? { persons: 0, office: 0 }
  }

  private async sync(mode: 'delta' | 'full'): Promise<void> {
    this.script.clear('users')
    this.script.clear('groups')
    this.script.round('users', [...this.changed.values()])
    this.script.round(
      'groups',
      [...this.moved].map(([n, members]) => group(n, [...members.values()])),
    )
    this.changed = new Map()
    this.moved = new Map()
    const run = await syncOnce(scriptedContext(this.db, this.script), entra, { mode })
    if (run.status !== 'finished' || (run.outcome !== 'succeeded' && run.outcome !== 'held'))
      throw new Error(`the run ended as ${JSON.stringify(run)}`)
    await dirtyDaily(this.db)
    await this.resolve()
  }

  private async resolve(): Promise<void> {
    const { failed } = await resolveTargets(holdContext(this.db), { trigger: 'test' })
    if (failed.length > 0) throw new Error(`not resolved: ${JSON.stringify(failed)}`)
  }
}

import { sql, type Kysely } from 'kysely'
import { holdHash } from '../../src/db/holds.ts'
import type { Database } from '../../src/db/tables.ts'
import type { GuardSettings } from '../../src/guard.ts'
import { listHolds, type ListedHold } from '../../src/holds/list.ts'
import { createLog } from '../../src/log.ts'
import type { TargetContext } from '../../src/targets/context.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { dirtyDaily } from '../../src/targets/waiting.ts'
import { testDatabase } from '../harness/database.ts'
import { group, guid, member, numbers, Script, scriptedContext, syncOnce, user } from '../sync/scripted.ts'

export const people = 40
const entra = guid(1, 99)
const tenant = guid(1, 98)
const [office, autocad] = [guid(1, 97), guid(2, 97)]

/** What stands in the tables: numbers of persons, and of the members of the one group. */
export interface Standing {
  persons: Set<number>
  /** With those whose person is gone. */
  edges: Set<number>
  office: Set<number>
  autocad: Set<number>
}

export interface HoldShown extends ListedHold {
  hash: string
  /** Numbers of persons, or of the members whose membership it is. */
  keys: Set<number>
}

/**
 * One Entra tenant of 40 persons, 30 of them in a group: Office is for everybody, AutoCAD for the group. `users` and
 * `members` are the cloud's truth, to be changed by whoever tells a sync of it.
 */
export class Days {
  readonly db: Kysely<Database>
  readonly context: TargetContext
  readonly users = new Set(numbers(people))
  readonly members = new Set(numbers(30))
  /** Simulated hours since the beginning. */
  hours = 0
  private readonly script = new Script(entra)
  readonly drop: () => Promise<void>

  private constructor(database: { db: Kysely<Database>; drop(): Promise<void> }, guard: GuardSettings) {
    this.db = database.db
    this.drop = () => database.drop()
    const log = createLog({ level: 'silent', pretty: false })
    this.context = { db: this.db, guard, licenseGraceMs: 1, log }
  }

  static async begin(guard: GuardSettings): Promise<Days> {
    const days = new Days(await testDatabase(), guard)
    const { db } = days
    await sql`insert into tenants (tenant_id, name, slug) values (${tenant}, 'Contoso', 'contoso')`.execute(
      db,
    )
    await sql`insert into entra_tenants (entra_tenant_id, display_name) values (${entra}, 'Contoso')`.execute(
      db,
    )
    await sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${tenant}, ${entra})`.execute(db)
    await sql`insert into maintenance_items (item_id, name) values (${office}, 'Office'), (${autocad}, 'AutoCAD')`.execute(
      db,
    )
    await sql`insert into deployments (name, item_id, scope, target_type, target) values
      ('Office', ${office}, 'cross_tenant', 'everyone', '{}'),
      ('AutoCAD', ${autocad}, 'cross_tenant', 'group_name', '{"name": "Group 1"}')`.execute(db)
    await days.readWhole()
    return days
  }

  /** Members whom Graph shows: a deleted user is none. */
  edges(): number[] {
    return [...this.members].filter((n) => this.users.has(n))
  }

  /** A full round of users and groups. */
  async readWhole(): Promise<void> {
    this.script.clear('users')
    this.script.clear('groups')
    this.script.round(
      'users',
      [...this.users].map((n) => user(n)),
    )
    this.script.round('groups', [
      group(
        1,
        this.edges().map((n) => member(n)),
      ),
    ])
    await this.sync('full')
  }

  /** A delta round that tells just this. */
  async readDelta(told: { users?: object[]; members?: object[] }): Promise<void> {
    this.script.clear('users')
    this.script.clear('groups')
    this.script.round('users', told.users ?? [])
    this.script.round('groups', told.members === undefined ? [] : [group(1, told.members)])
    await this.sync('delta')
  }

  private async sync(mode: 'delta' | 'full'): Promise<void> {
    const context = scriptedContext(this.db, this.script, { guard: this.context.guard })
    const run = await syncOnce(context, entra, { mode })
    if (run.status !== 'finished' || (run.outcome !== 'succeeded' && run.outcome !== 'held'))
      throw new Error(`the run ended as ${JSON.stringify(run)}`)
    // As the job does behind a run: what no change tells, but the day, is resolved then.
    await dirtyDaily(this.db)
    await this.resolve()
  }

  async resolve(): Promise<void> {
    const { failed } = await resolveTargets(this.context, { trigger: 'test' })
    if (failed.length > 0) throw new Error(`not resolved: ${JSON.stringify(failed)}`)
  }

  /** All that has happened, the guard's memory too, is so much longer ago. */
  async pass(hours: number): Promise<void> {
    this.hours += hours
    const past = sql`make_interval(hours => ${hours})`
    await sql`update applied_removals set at = at - ${past}`.execute(this.db)
    await sql`update holds set created_at = created_at - ${past}, closed_at = closed_at - ${past}, applied_at = applied_at - ${past}`.execute(
      this.db,
    )
    await sql`update target_changes set at = at - ${past}`.execute(this.db)
    await sql`update target_families set whole_at = whole_at - ${past}`.execute(this.db)
    await sql`update fleet_freezes set started_at = started_at - ${past}, ended_at = ended_at - ${past}`.execute(
      this.db,
    )
  }

  async standing(): Promise<Standing> {
    const set = async (query: ReturnType<typeof sql<{ id: string }>>): Promise<Set<number>> =>
      new Set((await query.execute(this.db)).rows.map(({ id }) => numberOf(id)))
    const having = (item: string) => sql<{ id: string }>`
      select p.object_id as id from deployment_targets t join persons p on p.person_id = t.subject_id where t.item_id = ${item}`
    return {
      persons: await set(sql`select object_id as id from persons where deleted_at is null`),
      edges: await set(sql`select member_id as id from group_members`),
      office: await set(having(office)),
      autocad: await set(having(autocad)),
    }
  }

  async openHolds(): Promise<HoldShown[]> {
    const shown: HoldShown[] = []
    for (const hold of await listHolds(this.db))
      shown.push({
        ...hold,
        hash: await holdHash(this.db, hold.holdId),
        keys: await this.keysOf(sql`h.hold_id = ${hold.holdId}`, hold.kind),
      })
    return shown
  }

  /** Who is kept by a decision or for want of one: in an open hold, or in a rejected one. */
  async kept(kind: 'person' | 'membership'): Promise<Set<number>> {
    return this.keysOf(sql`o.status in ('open', 'rejected')`, kind)
  }

  private async keysOf(which: ReturnType<typeof sql>, kind: string): Promise<Set<number>> {
    const at = sql.raw(kind === 'membership' ? '2' : '1')
    const { rows } = await sql<{ id: string }>`
      select h.key[${at}] as id from hold_items h join holds o using (hold_id) where o.kind = ${kind} and ${which}`.execute(
      this.db,
    )
    return new Set(rows.map(({ id }) => numberOf(id)))
  }
}

function numberOf(id: string): number {
  return Number.parseInt(id.slice(-12), 16)
}

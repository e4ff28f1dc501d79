import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { holdHash } from '../../src/db/holds.ts'
import { dropNotes, type RemovalKind } from '../../src/db/seen.ts'
import { approveHold } from '../../src/holds/decide.ts'
import { settleRemovals } from '../../src/sync/removals.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testDatabase } from '../harness/database.ts'
import { contoso, holdContext } from './world.ts'

const id = (n: string) => sql.raw(`('00000000-0000-4000-8000-' || lpad((${n})::text, 12, '0'))::uuid`)
const tenant = sql`${contoso}::uuid`

/**
 * Persons in two groups of the half each; each of them has Firefox by a tag, and the first group AutoCAD. What
 * the planner knows of the tables of rounds and holds is of a moment at which they were empty, as it is between rounds.
 */
async function manyPersons(size: number) {
  const { db, drop } = await testDatabase()
  const unknown = ['sync_seen', 'sync_pending_removals', 'holds', 'hold_items']
  for (const table of unknown)
    await sql`alter table ${sql.table(table)} set (autovacuum_enabled = false)`.execute(db)
  await sql`analyze ${sql.join(unknown.map((table) => sql.table(table)))}`.execute(db)
  await sql`insert into entra_tenants (entra_tenant_id, last_synced_at) values (${tenant}, now())`.execute(db)
  await sql`with t as (insert into tenants (name, slug) values ('Contoso', 'contoso') returning tenant_id)
    insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${tenant} from t`.execute(db)
  await sql`insert into persons (entra_tenant_id, object_id, user_principal_name, tenant_id, tags)
    select ${tenant}, ${id('n')}, 'p' || n, tenant_id, '{web}' from tenants, generate_series(1, ${size}::int) n`.execute(
    db,
  )
  await sql`insert into groups (entra_tenant_id, object_id, display_name, kind)
    select ${tenant}, ${id('n')}, 'Group ' || n, 'security' from generate_series(0, 1) n`.execute(db)
  await sql`insert into group_members
    select ${tenant}, ${id('n % 2')}, ${id('n')}, 'user' from generate_series(1, ${size}::int) n`.execute(db)
  await sql`with i as (insert into maintenance_items (name) values ('Firefox'), ('AutoCAD') returning item_id, name)
    insert into deployments (name, item_id, scope, target_type, target)
    select name, item_id, 'cross_tenant', case name when 'Firefox' then 'tag' else 'group_name' end,
      case name when 'Firefox' then '{"tag": "web"}'::jsonb else '{"name": "Group 1"}' end from i`.execute(db)
  await sql`analyze persons, groups, group_members`.execute(db)
  const context = holdContext(db)

  /** Ends a full round that was shown both groups and nothing else. */
  async function settle(kind: RemovalKind) {
    const roundId = randomUUID()
    await sql`insert into sync_seen (round_id, kind, key)
      select ${roundId}::uuid, 'group', array[${id('n')}] from generate_series(0, 1) n`.execute(db)
    const round = { entraTenantId: contoso, roundId, sweeps: true }
    const configured = { guard: context.guard, runId: randomUUID() }
    const { removed, unlinked, held } = await db
      .transaction()
      .execute((trx) => settleRemovals(trx, round, [kind], configured))
    await dropNotes(db, roundId)
    return { gone: removed + unlinked, held: held.map((one) => `${one.reason} ${one.size}`) }
  }
  return { db, drop, context, settle }
}

// Its statements compared keys pair by pair: 9 s with ten thousand, and with a hundred thousand none ended within its
// statement_timeout: the round failed every time, nothing was held, and nobody was told what was wrong.
test('a round that shows nobody of a hundred thousand ends, and holds them', async () => {
  const size = 100_000
  const { drop, settle } = await manyPersons(size)
  try {
    expect(await settle('person')).toEqual({ gone: 0, held: [`empties_collection ${size}`] })
    // What is held already is not held again.
    expect(await settle('person')).toEqual({ gone: 0, held: [] })
    expect(await settle('membership')).toMatchObject({ gone: 0, held: { length: 2 } })
    expect(await settle('membership')).toEqual({ gone: 0, held: [] })
  } finally {
    await drop()
  }
})

test('what is approved of ten thousand goes, and nothing beside it', async () => {
  const size = 10_000
  const { db, drop, context, settle } = await manyPersons(size)
  try {
    await resolveTargets(context, { trigger: 'test' })
    expect(await settle('membership')).toEqual({
      gone: 0,
      held: [`empties_named_group ${size / 2}`, `over_percent ${size / 2}`],
    })
    expect(await settle('person')).toEqual({ gone: 0, held: [`empties_collection ${size}`] })
    // The tag goes, too: as many targets that are held themselves.
    await sql`update persons set tags = '{}'`.execute(db)
    expect(await resolveTargets(context, { trigger: 'test' })).toMatchObject({ unassigned: 0 })

    const open = await db
      .selectFrom('holds')
      .select(['hold_id', 'kind', 'size'])
      .where('status', '=', 'open')
      .orderBy('created_at')
      .execute()
    expect(open.map((hold) => `${hold.kind} ${hold.size}`)).toEqual([
      `membership ${size / 2}`,
      `membership ${size / 2}`,
      `person ${size}`,
      `target ${size}`,
    ])
    const left = async () => {
      const { rows } = await sql<{ name: string; targets: number }>`
        select d.name, count(t.subject_id)::int as targets from deployments d left join deployment_targets t using (deployment_id)
        group by d.name order by d.name`.execute(db)
      return Object.fromEntries(rows.map(({ name, targets }) => [name, targets]))
    }
    expect(await left()).toEqual({ AutoCAD: size / 2, Firefox: size })
    const approve = async (holdId = '') =>
      approveHold(context, { holdId, by: 'operator', hash: await holdHash(db, holdId) })
    // Group 1's memberships go and AutoCAD with them; what the tag's end would take away is as held as before.
    expect((await approve(open[0]?.hold_id)).applied).toBe(size / 2)
    expect(await left()).toEqual({ AutoCAD: 0, Firefox: size })
    expect((await approve(open[2]?.hold_id)).applied).toBe(size)
    expect(await left()).toEqual({ AutoCAD: 0, Firefox: 0 })
  } finally {
    await drop()
  }
})

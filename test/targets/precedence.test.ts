import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLog } from '../../src/log.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'

const parent = '00000002-0000-4000-8000-000000000001'
const child = '00000002-0000-4000-8000-000000000002'
const entra = '00000001-0000-4000-8000-000000000001'
const person = '00000003-0000-4000-8000-000000000001'
const group = '00000004-0000-4000-8000-000000000001'
const sku = '00000008-0000-4000-8000-000000000001'
const visio = '663a804f-1c30-4ff0-9915-9db84f0d1cea'

/** Every way to name the one person, the winning ones first: the order that the design gives, written down by hand. */
const kinds = [
  { scope: 'individual', tenant: null, type: 'person', target: { person_id: person } },
  ...[child, parent].flatMap((tenant) =>
    [
      { type: 'tag', target: { tag: 'cad' } },
      { type: 'team', target: { group_id: group } },
      { type: 'group_name', target: { name: 'engineering' } },
      { type: 'license', target: { sku_id: sku } },
      { type: 'app_entitlement', target: { entitlement: 'visio_desktop' } },
      { type: 'everyone', target: {} },
    ].map((one) => ({ scope: 'single_tenant', tenant, ...one })),
  ),
  ...[
    { type: 'tag', target: { tag: 'cad' } },
    { type: 'group_name', target: { name: 'engineering' } },
    { type: 'license', target: { service_plan_id: visio } },
    { type: 'app_entitlement', target: { entitlement: 'visio_desktop' } },
    { type: 'everyone', target: {} },
  ].map((one) => ({ scope: 'cross_tenant', tenant: null, ...one })),
]
const states = ['ignored', 'uninstalled', 'installed', 'update_if_found']
const enforcements = ['required', 'onboarding', 'ad_hoc']
const ranks = [50, 100]

interface Contestant {
  kind: number
  state: string
  enforcement: string
  rank: number
  created: string
  id?: string
}

/** Two deployments of one item, of which the first is to win. */
interface Contest {
  what: string
  winner: Contestant
  loser: Contestant
}

let database: TestDatabase
const contests: Contest[] = []

beforeAll(async () => {
  database = await testDatabase()
  const { db } = database
  for (const statement of [
    sql`insert into tenants (tenant_id, name, slug, parent_tenant_id) values (${parent}, 'Parent', 'parent', null), (${child}, 'Child', 'child', ${parent})`,
    sql`insert into entra_tenants (entra_tenant_id, last_synced_at) values (${entra}, now())`,
    sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${child}, ${entra})`,
    sql`insert into persons (person_id, entra_tenant_id, object_id, tenant_id, user_principal_name, tags) values (${person}, ${entra}, ${person}, ${child}, 'ada@a.example', '{cad}')`,
    sql`insert into groups (entra_tenant_id, object_id, display_name, kind, is_team) values (${entra}, ${group}, 'Engineering', 'microsoft365', true)`,
    sql`insert into group_members values (${entra}, ${group}, ${person}, 'user')`,
    sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, capability_status) values (${entra}, ${sku}, 'VISIOCLIENT', 'Enabled')`,
    sql`insert into sku_service_plans (entra_tenant_id, sku_id, service_plan_id, service_plan_name) values (${entra}, ${sku}, ${visio}, 'VISIO_CLIENT_SUBSCRIPTION')`,
    sql`insert into person_licenses values (${entra}, ${person}, ${sku})`,
  ])
    await statement.execute(db)
  collectContests()
  const rows = contests.flatMap(({ winner, loser }, n) => [row(n, 'winner', winner), row(n, 'loser', loser)])
  await sql`insert into maintenance_items (name) select 'Item ' || n from generate_series(0, ${contests.length - 1}::int) n`.execute(
    db,
  )
  await sql`
    insert into deployments (deployment_id, name, item_id, scope, tenant_id, target_type, target, desired_state, enforcement, rank, created_at)
    select coalesce(x.id, gen_random_uuid()), x.name, i.item_id, x.scope, x.tenant, x.type, x.target, x.state, x.enforcement, x.rank, x.created
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as x(id uuid, name text, item text, scope text, tenant uuid, type text,
      target jsonb, state text, enforcement text, rank int, created timestamptz)
    join maintenance_items i on i.name = x.item`.execute(db)
  const log = createLog({ level: 'silent', pretty: false })
  const guard = { holdMin: 5, holdPercent: 10, holdMax: 500 }
  const { failed } = await resolveTargets({ db, guard, licenseGraceMs: 1, log }, { trigger: 'test' })
  expect(failed).toEqual([])
})
afterAll(() => database.drop())

function row(n: number, place: string, { kind, ...rest }: Contestant) {
  return { name: `${n} ${place}`, item: `Item ${n}`, ...kinds[kind], ...rest }
}

function collectContests(): void {
  const plain = { state: 'installed', enforcement: 'required', rank: 100, created: '2026-01-01' }
  // Whatever else speaks for the other one: the lower rank, the stronger state, the later day.
  const strong = { state: 'ignored', enforcement: 'required', rank: 1, created: '2026-12-31' }
  for (const winner of kinds.keys())
    for (const loser of kinds.keys())
      if (winner < loser)
        for (const enforcement of enforcements)
          contests.push({
            what: `${nameOf(winner)} (${enforcement}) before ${nameOf(loser)}`,
            winner: { kind: winner, ...plain, enforcement },
            loser: { kind: loser, ...strong },
          })
  for (const kind of kinds.keys()) {
    for (const state of states)
      for (const other of states)
        for (const enforcement of enforcements)
          contests.push({
            what: `${nameOf(kind)}: rank 50 ${state} before rank 100 ${other} (${enforcement})`,
            winner: { kind, ...plain, rank: 50, state },
            loser: { kind, ...strong, rank: 100, state: other, enforcement },
          })
    for (const [at, state] of states.entries())
      for (const other of states.slice(at + 1))
        for (const rank of ranks)
          contests.push({
            what: `${nameOf(kind)}: ${state} before ${other} of rank ${rank}`,
            winner: { kind, ...plain, rank, state },
            loser: { kind, ...strong, rank, state: other },
          })
    contests.push({
      what: `${nameOf(kind)}: the newer one`,
      winner: { kind, ...plain, created: '2026-01-02' },
      loser: { kind, ...plain },
    })
    contests.push({
      what: `${nameOf(kind)}: all else being equal, the smaller id`,
      winner: { kind, ...plain, id: `00000000-0000-4000-8000-${String(kind).padStart(12, '0')}` },
      loser: { kind, ...plain, id: `f0000000-0000-4000-8000-${String(kind).padStart(12, '0')}` },
    })
  }
}

function nameOf(kind: number): string {
  const { scope, type, tenant } = kinds[kind] ?? { scope: '', type: '', tenant: null }
  return `${scope} ${type}${tenant === null ? '' : tenant === child ? ' of its tenant' : ' of the parent'}`
}

describe('on one person', () => {
  test('the winner of every pair is the one that the rule names', async () => {
    expect(contests.length).toBeGreaterThan(1500)
    const { rows } = await sql<{ item: string; name: string }>`
      select i.name as item, d.name from deployment_targets t join maintenance_items i using (item_id)
      join deployments d using (deployment_id) where t.subject_id = ${person}`.execute(database.db)
    const won = new Map(rows.map(({ item, name }) => [item, name]))
    const wrong = contests.filter((_, n) => won.get(`Item ${n}`) !== `${n} winner`).map(({ what }) => what)
    expect(wrong).toEqual([])
  })

  test('enforcement travels with the winner', async () => {
    const { rows } = await sql<{ item: string; enforcement: string }>`
      select i.name as item, t.enforcement from deployment_targets t join maintenance_items i using (item_id)`.execute(
      database.db,
    )
    const told = new Map(rows.map(({ item, enforcement }) => [item, enforcement]))
    expect(contests.filter(({ winner }, n) => told.get(`Item ${n}`) !== winner.enforcement)).toEqual([])
  })
})

test('a group and a Team are of one rank', async () => {
  const { db } = database
  await sql`insert into maintenance_items (item_id, name) values ('00000007-0000-4000-8000-000000000001', 'One rank')`.execute(
    db,
  )
  await sql`
    insert into deployments (name, item_id, scope, tenant_id, target_type, target, created_at)
    select t, '00000007-0000-4000-8000-000000000001', 'single_tenant', ${child}, t, ${JSON.stringify({ group_id: group })}::jsonb, at::timestamptz
    from (values ('team', '2026-01-01'), ('group', '2026-01-02')) as x (t, at)`.execute(db)
  const log = createLog({ level: 'silent', pretty: false })
  const guard = { holdMin: 5, holdPercent: 10, holdMax: 500 }
  await resolveTargets({ db, guard, licenseGraceMs: 1, log }, { trigger: 'test' })
  const { rows } = await sql<{ name: string }>`
    select d.name from deployment_targets t join deployments d using (deployment_id)
    where t.item_id = '00000007-0000-4000-8000-000000000001'`.execute(db)
  expect(rows).toEqual([{ name: 'group' }])
})

describe('on a computer, its own target and its primary user’s', () => {
  const scopes = ['individual', 'single_tenant', 'cross_tenant']
  const computer = '00000006-0000-4000-8000-000000000001'
  test.each(scopes.flatMap((own) => scopes.map((users) => [own, users] as const)))(
    'own %s beside %s of the user: the narrower one, at equal scope its own',
    async (own, users) => {
      const { db } = database
      const trx = await db.startTransaction().execute()
      try {
        await sql`insert into computers (computer_id, tenant_id, name, primary_user_principal_name) values (${computer}, ${child}, 'PC', 'ADA@A.example')`.execute(
          trx,
        )
        const { rows: items } = await sql<{
          item_id: string
        }>`insert into maintenance_items (name) values ('Both') returning item_id`.execute(trx)
        const item = items[0]?.item_id
        for (const [kind, subject, scope] of [
          ['computer', computer, own],
          ['person', person, users],
        ] as const)
          await sql`
            insert into deployment_targets (tenant_id, family_id, subject_kind, subject_id, item_id, deployment_id, scope, version, desired_state, enforcement, reason)
            values (${child}, ${entra}, ${kind}, ${subject}, ${item}, gen_random_uuid(), ${scope}, 'latest', 'installed', 'required', '{}')`.execute(
            trx,
          )
        const { rows } = await sql<{
          through: string
        }>`select through from computer_targets where computer_id = ${computer} and item_id = ${item}`.execute(
          trx,
        )
        expect(rows).toEqual([
          { through: scopes.indexOf(own) <= scopes.indexOf(users) ? 'computer' : 'person' },
        ])
      } finally {
        await trx.rollback().execute()
      }
    },
  )
})

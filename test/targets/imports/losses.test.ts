import { sql } from 'kysely'
import { beforeEach, expect, test } from 'vitest'
import { insertFreeze } from '../../../src/db/fleet-freeze.ts'
import type { GuardSettings } from '../../../src/guard.ts'
import { importComputers } from '../../../src/targets/imports/computers.ts'
import { emptyWorld, personsOf, tenantOf, type World } from '../world.ts'

const guard: GuardSettings = { holdMin: 10, holdPercent: 20, holdMax: 1000 }
const hundred = Array.from({ length: 100 }, (_, n) => n)
let world: World
let upns: string[]

/** A hundred persons of Contoso with one target each, and a computer each. */
beforeEach(async () => {
  world = await emptyWorld()
  const contoso = await tenantOf(world, 'Contoso')
  const persons = await personsOf(
    world,
    contoso,
    hundred.map((n) => `Person ${n}`),
  )
  upns = persons.map(({ upn }) => upn)
  await sql`
    with item as (insert into maintenance_items (name, kind) values ('AutoCAD', 'software') returning item_id)
    insert into deployment_targets (tenant_id, family_id, subject_kind, subject_id, item_id, deployment_id, scope, version,
      desired_state, enforcement, reason)
    select p.tenant_id, p.entra_tenant_id, 'person', p.person_id, i.item_id, gen_random_uuid(), 'cross_tenant', 'latest',
      'installed', 'required', '{}' from persons p, item i`.execute(world.db)
  await bring(hundred.map((n) => ({ name: `PC-${n}`, primary_user_principal_name: upns[n] })))
})

function bring(
  computers: Record<string, unknown>[],
  options: { confirmed?: boolean; replace?: boolean; keep?: boolean } = {},
) {
  const records = computers.map((one, n) => ({
    place: `record ${n + 1}`,
    values: { tenant: 'Contoso', ...one },
  }))
  const given = { keep: true, replace: false, confirmed: false, guard, actor: 'test', ...options }
  return importComputers(world.db, { records, problems: [] }, given)
}

/** Takes the primary users of computers `from` up to `to` away. */
const detach = (from: number, to: number, options: { confirmed?: boolean } = {}) =>
  bring(
    hundred.slice(from, to).map((n) => ({ name: `PC-${n}`, primary_user_principal_name: '' })),
    options,
  )

async function served(): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from computer_targets`.execute(world.db)
  return rows[0]?.n ?? 0
}

test('an export that has lost a column takes nothing, until somebody confirms it', async () => {
  const refused = await detach(0, 100)
  expect(refused).toMatchObject({
    applied: false,
    tooLarge: [{ tenant: 'Contoso', losing: 100, of: 100, reason: 'over_percent' }],
  })
  expect(refused.losing[0]).toMatchObject({ name: 'PC-0', items: ['AutoCAD'] })
  expect(await served()).toBe(100)
  expect(await detach(0, 100, { confirmed: true })).toMatchObject({ applied: true, losing: { length: 100 } })
  expect(await served()).toBe(0)
})

test.each([
  [10, true],
  [20, true],
  [21, false],
])('%i of a hundred computers lose their users: passes %s', async (count, applied) => {
  expect(await detach(0, count)).toMatchObject({ applied, losing: { length: count } })
  expect(await served()).toBe(applied ? 100 - count : 100)
})

test('a drip of a few a night is one loss within a day; what was confirmed does not count', async () => {
  expect(await detach(0, 10)).toMatchObject({ applied: true })
  expect(await detach(10, 20)).toMatchObject({ applied: true })
  expect(await detach(20, 22)).toMatchObject({ applied: false, tooLarge: [{ losing: 2, of: 80 }] })
  expect(await detach(20, 40, { confirmed: true })).toMatchObject({ applied: true })
  expect(await detach(40, 41)).toMatchObject({ applied: false })
  await sql`update audit_log set at = at - interval '25 hours'`.execute(world.db)
  expect(await detach(40, 41)).toMatchObject({ applied: true })
})

test('half of a list with replace is a loss, too', async () => {
  const half = hundred.slice(0, 50).map((n) => ({ name: `PC-${n}` }))
  expect(await bring(half, { replace: true })).toMatchObject({
    applied: false,
    removed: { length: 50 },
    tooLarge: [{ losing: 50, of: 100 }],
  })
  expect(await served()).toBe(100)
  expect(await bring(half, { replace: true, confirmed: true })).toMatchObject({ applied: true })
  expect(await served()).toBe(50)
})

test('computers that change hands between two who have the same lose nothing', async () => {
  const swapped = hundred.map((n) => ({ name: `PC-${n}`, primary_user_principal_name: upns[99 - n] }))
  expect(await bring(swapped)).toMatchObject({ applied: true, losing: [], changed: { length: 100 } })
  expect(await served()).toBe(100)
})

test('a state that turns from installed to uninstalled is a loss', async () => {
  await sql`update deployment_targets set desired_state = 'uninstalled'
    where subject_id in (select person_id from persons where user_principal_name = any (${upns.slice(0, 50)}))`.execute(
    world.db,
  )
  const turned = hundred
    .slice(50)
    .map((n) => ({ name: `PC-${n}`, primary_user_principal_name: upns[99 - n] }))
  expect(await bring(turned)).toMatchObject({ applied: false, losing: { length: 50 } })
})

test("a tenant's own limits count, and during a freeze nothing is lost unconfirmed", async () => {
  await sql`insert into hold_limits (entra_tenant_id, hold_percent, reason, set_by)
    select entra_tenant_id, 60, 'moves house', 'test' from entra_tenants`.execute(world.db)
  expect(await detach(0, 50)).toMatchObject({ applied: true })
  await insertFreeze(world.db, { by: 'test', reason: 'alarm' })
  expect(await detach(50, 51)).toMatchObject({ applied: false, tooLarge: [{ reason: 'fleet_frozen' }] })
  expect(await bring([{ name: 'PC-NEW', primary_user_principal_name: upns[0] }])).toMatchObject({
    applied: true,
  })
  expect(await detach(50, 51, { confirmed: true })).toMatchObject({ applied: true })
})

test('a preview changes nothing, and tells the same', async () => {
  const all = hundred.map((n) => ({ name: `PC-${n}`, primary_user_principal_name: '' }))
  expect(await bring(all, { keep: false, confirmed: true })).toMatchObject({
    applied: false,
    losing: { length: 100 },
    tooLarge: [{ losing: 100 }],
  })
  expect(await served()).toBe(100)
})

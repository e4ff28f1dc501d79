import { sql } from 'kysely'
import { beforeEach, expect, test } from 'vitest'
import { setHoldLimits } from '../../src/holds/limits.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { emptyWorld, groupOf, personsOf, tenantOf, type World, type WorldTenant } from './world.ts'

const names = ['Ann', 'Bob', 'Cid', 'Dot']
let world: World
let tenants: WorldTenant[]

/** Thirty tenants of four persons, all of them in a group that AutoCAD is for: 120 targets, and nowhere more than five. */
beforeEach(async () => {
  world = await emptyWorld()
  tenants = []
  for (let n = 0; n < 30; n++) {
    const tenant = await tenantOf(world, `Customer ${n}`)
    const persons = await personsOf(world, tenant, names)
    await groupOf(
      world,
      tenant,
      'CAD',
      persons.map(({ objectId }) => objectId),
    )
    tenants.push(tenant)
  }
  await sql`with item as (insert into maintenance_items (name) values ('AutoCAD') returning item_id)
    insert into deployments (name, item_id, scope, target_type, target)
    select 'AutoCAD', item_id, 'cross_tenant', 'group_name', '{"name": "CAD"}' from item`.execute(world.db)
  expect(await resolve()).toMatchObject({ assigned: 120 })
})

async function resolve(familyIds?: string[]) {
  const { failed, assigned, unassigned, held } = await resolveTargets(world.context, {
    trigger: 'test',
    ...(familyIds && { familyIds }),
  })
  expect(failed).toEqual([])
  return { assigned, unassigned, held }
}

const drain = (of: readonly WorldTenant[]) =>
  sql`delete from group_members where entra_tenant_id = any (${of.map((one) => one.entraTenantId)}::uuid[])`.execute(
    world.db,
  )
const standing = async () =>
  (await sql<{ n: number }>`select count(*)::int as n from deployment_targets`.execute(world.db)).rows[0]?.n

test('a deployment that loses all its small tenants at once is held, though each of them loses few', async () => {
  await drain(tenants)
  expect(await resolve()).toEqual({ assigned: 0, unassigned: 0, held: 120 })
  const { rows } = await sql`
    select reason, direction, count(*)::int as holds, sum(size)::int as size, min(of_total) as total from holds
    group by reason, direction`.execute(world.db)
  expect(rows).toEqual([
    { reason: 'deployment_over_percent', direction: 'unassign', holds: 30, size: 120, total: 120 },
  ])
  expect(await resolve()).toMatchObject({ unassigned: 0 })
  expect(await standing()).toBe(120)
})

test('tenant after tenant it is held from a tenth of the deployment on', async () => {
  for (const tenant of tenants) {
    await drain([tenant])
    await resolve([tenant.entraTenantId])
  }
  expect(await standing()).toBe(108)
})

test('a tenant or two is nothing to hold; one with limits of its own is judged by these alone', async () => {
  await drain(tenants.slice(0, 2))
  expect(await resolve()).toMatchObject({ unassigned: 8, held: 0 })
  const until = new Date(Date.now() + 3_600_000)
  for (const { entraTenantId } of tenants.slice(2, 12))
    await setHoldLimits(
      world.db,
      entraTenantId,
      { holdPercent: 100 },
      { until, reason: 'they leave', by: 'anna' },
    )
  await drain(tenants.slice(2, 12))
  expect(await resolve()).toMatchObject({ unassigned: 40, held: 0 })
})

test('an operator’s change of the deployment is no matter of the guard here either', async () => {
  await sql`update deployments set enabled = false`.execute(world.db)
  expect(await resolve()).toMatchObject({ unassigned: 120, held: 0 })
})

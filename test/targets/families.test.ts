import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { computersOf, emptyWorld, groupOf, tenantOf } from './world.ts'

test('a computer that goes to a tenant of another family leaves the targets of its groups behind', async () => {
  const world = await emptyWorld()
  const { db, context } = world
  const contoso = await tenantOf(world, 'Contoso')
  const fabrikam = await tenantOf(world, 'Fabrikam')
  const [computer = ''] = await computersOf(world, contoso, [{ name: 'PC-1' }])
  const device = '00000005-0000-4000-8000-000000000001'
  await sql`update computers set entra_device_id = ${device}`.execute(db)
  await sql`insert into devices (entra_tenant_id, object_id, device_id) values (${contoso.entraTenantId}, ${device}, ${device})`.execute(
    db,
  )
  await groupOf(world, contoso, 'Workstations', [device], 'device')
  await sql`insert into maintenance_items (name) values ('AutoCAD')`.execute(db)
  await sql`insert into deployments (name, item_id, scope, target_type, target)
    select name, item_id, 'cross_tenant', 'group_name', '{"name": "Workstations"}' from maintenance_items`.execute(
    db,
  )
  expect(await resolveTargets(context, { trigger: 'test' })).toMatchObject({ assigned: 1 })
  await sql`update computers set tenant_id = ${fabrikam.tenantId} where computer_id = ${computer}`.execute(db)
  expect(await resolveTargets(context, { trigger: 'test' })).toMatchObject({ unassigned: 1, failed: [] })
  const { rows } = await sql`select * from deployment_targets`.execute(db)
  expect(rows).toEqual([])
})

test('a computer that goes to another customer gets what its groups there give, in one resolution', async () => {
  for (let round = 0; round < 4; round++) {
    const world = await emptyWorld()
    const { db, context } = world
    const contoso = await tenantOf(world, 'Contoso')
    const fabrikam = await tenantOf(world, 'Fabrikam')
    const [computer = ''] = await computersOf(world, contoso, [{ name: 'PC-1' }])
    const device = randomUUID()
    await sql`update computers set entra_device_id = ${device}`.execute(db)
    for (const { entraTenantId } of [contoso, fabrikam])
      await sql`insert into devices (entra_tenant_id, object_id, device_id) values (${entraTenantId}, ${device}, ${device})`.execute(
        db,
      )
    await groupOf(world, fabrikam, 'Workstations', [device], 'device')
    await sql`insert into maintenance_items (name) values ('AutoCAD')`.execute(db)
    await sql`insert into deployments (name, item_id, scope, target_type, target)
      select name, item_id, 'cross_tenant', 'group_name', '{"name": "Workstations"}' from maintenance_items`.execute(
      db,
    )
    expect(await resolveTargets(context, { trigger: 'test' })).toMatchObject({ assigned: 0 })
    await sql`update computers set tenant_id = ${fabrikam.tenantId} where computer_id = ${computer}`.execute(
      db,
    )
    expect(await resolveTargets(context, { trigger: 'test' })).toMatchObject({ assigned: 1, failed: [] })
  }
})

import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { listDeployments } from '../../../src/targets/deployments/list.ts'
import { resolveTargets } from '../../../src/targets/resolve.ts'
import {
  computersOf,
  emptyWorld,
  groupOf,
  personsOf,
  tenantOf,
  type World,
  type WorldTenant,
} from '../world.ts'

type Rule = {
  type: string
  target?: object
  excludes?: object[]
  scope?: 'cross_tenant' | 'single_tenant' | 'individual'
  tenant?: WorldTenant
  enabled?: boolean
}

async function deploy({ db }: World, name: string, rule: Rule): Promise<void> {
  const { type, target = {}, excludes = [], scope = 'cross_tenant', tenant, enabled = true } = rule
  await sql`
    with item as (insert into maintenance_items (name) values (${name}) returning item_id)
    insert into deployments (name, item_id, scope, tenant_id, target_type, target, excludes, enabled)
    select ${name}, item_id, ${scope}, ${tenant?.tenantId ?? null}, ${type}, ${JSON.stringify(target)}::jsonb,
      ${JSON.stringify(excludes)}::jsonb, ${enabled} from item`.execute(db)
}

async function warnings({ db }: World, name?: string): Promise<string[]> {
  const list = await listDeployments(db, { warnings: 10, ...(name !== undefined && { names: [name] }) })
  return list.flatMap((one) =>
    one.warnings.map(({ code, tenant }) => `${one.name}: ${code}${tenant === null ? '' : ` in ${tenant}`}`),
  )
}

test('what can not reach anybody is said by a code each, and ends with its cause', async () => {
  const world = await emptyWorld()
  const { db } = world
  const contoso = await tenantOf(world, 'Contoso')
  const [adele] = await personsOf(world, contoso, ['Adele'])
  const [pc] = await computersOf(world, contoso, [{ name: 'PC-1' }])
  const group = await groupOf(world, contoso, 'Engineering', [adele?.objectId ?? ''])
  const sku = randomUUID()
  const plan = randomUUID()
  const single = { scope: 'single_tenant', tenant: contoso } as const
  await deploy(world, 'id', { type: 'group', target: { group_id: group }, ...single })
  await deploy(world, 'name', { type: 'group_name', target: { name: 'Enginering' } })
  await deploy(world, 'pattern', { type: 'group_name', target: { pattern: 'Sales_*' } })
  await deploy(world, 'excluded', { type: 'everyone', excludes: [{ type: 'group', group_id: randomUUID() }] })
  await deploy(world, 'person', {
    type: 'person',
    target: { person_id: adele?.personId },
    scope: 'individual',
  })
  await deploy(world, 'computer', { type: 'computer', target: { computer_id: pc }, scope: 'individual' })
  await deploy(world, 'sku', { type: 'license', target: { sku_id: sku } })
  await deploy(world, 'plan', { type: 'license', target: { service_plan_id: plan } })
  await deploy(world, 'app', { type: 'app_entitlement', target: { entitlement: 'paint_desktop' } })
  await deploy(world, 'off', { type: 'group_name', target: { name: 'Nothing' }, enabled: false })
  expect(await warnings(world)).toEqual([
    'app: entitlement_unknown',
    'excluded: group_gone',
    'name: no_group',
    'pattern: pattern_matches_none',
    'plan: nobody_licensed',
    'sku: nobody_licensed',
  ])
  const [named] = (await listDeployments(db, { warnings: 1, names: ['pattern'] })).flatMap(
    (one) => one.warnings,
  )
  expect(named?.message).toContain('Sales_*')

  await groupOf(world, contoso, 'ENGINERING')
  await groupOf(world, contoso, 'sales_north')
  await sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number) values (${contoso.entraTenantId}, ${sku}, 'X')`.execute(
    db,
  )
  await sql`insert into sku_service_plans (entra_tenant_id, sku_id, service_plan_id, service_plan_name)
    values (${contoso.entraTenantId}, ${sku}, ${plan}, 'Y')`.execute(db)
  await sql`update groups set deleted_at = now() where object_id = ${group}`.execute(db)
  await sql`update persons set deleted_at = now()`.execute(db)
  await sql`delete from computers`.execute(db)
  expect(await warnings(world)).toEqual([
    'app: entitlement_unknown',
    'computer: computer_gone',
    'excluded: group_gone',
    'id: group_gone',
    'person: person_gone',
  ])
  // A target that is gone is a warning: nothing throws, here or in the resolver.
  expect(await resolveTargets(world.context, { trigger: 'test' })).toMatchObject({ failed: [] })
})

test('twins and hidden members are told where the deployment reaches, and nowhere else', async () => {
  const world = await emptyWorld()
  const { db } = world
  const parent = await tenantOf(world, 'Parent')
  const child = await tenantOf(world, 'Child', parent)
  const other = await tenantOf(world, 'Other')
  const outside = await tenantOf(world, 'Outside')
  await sql`update tenants set in_cross_tenant_deployments = false where tenant_id = ${outside.tenantId}`.execute(
    db,
  )
  for (const tenant of [child, other, outside]) {
    await groupOf(world, tenant, 'Engineering')
    await groupOf(world, tenant, 'engineering')
  }
  await sql`update groups set members_visible = false where entra_tenant_id = ${other.entraTenantId}`.execute(
    db,
  )
  await deploy(world, 'everywhere', { type: 'group_name', target: { name: 'Engineering' } })
  await deploy(world, 'below', {
    type: 'group_name',
    target: { name: 'Engineering' },
    scope: 'single_tenant',
    tenant: parent,
  })
  await deploy(world, 'nowhere', {
    type: 'group_name',
    target: { pattern: 'Other*' },
    scope: 'single_tenant',
    tenant: child,
  })
  expect(await warnings(world)).toEqual([
    'below: group_ambiguous in Child',
    'everywhere: group_ambiguous in Child',
    'everywhere: group_ambiguous in Other',
    'everywhere: members_hidden in Other',
    'nowhere: pattern_matches_none',
  ])
})

test('a single tenant that is linked to nothing and has nobody is told', async () => {
  const world = await emptyWorld()
  const contoso = await tenantOf(world, 'Contoso')
  await deploy(world, 'alone', { type: 'everyone', scope: 'single_tenant', tenant: contoso })
  expect(await warnings(world)).toEqual([])
  await sql`delete from tenant_links`.execute(world.db)
  expect(await warnings(world)).toEqual(['alone: tenant_not_linked'])
  await computersOf(world, contoso, [{ name: 'PC-1' }])
  expect(await warnings(world)).toEqual([])
})

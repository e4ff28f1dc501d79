import { sql } from 'kysely'
import { beforeEach, expect, test } from 'vitest'
import { changeDeliberately } from '../../src/targets/deliberate.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { setTenantRules } from '../../src/targets/tenant-rules.ts'
import { emptyWorld, groupOf, personsOf, tenantOf, type World, type WorldTenant } from './world.ts'

let world: World
let contoso: WorldTenant
let platform: string
let everybody: { personId: string; objectId: string }[]

/** 200 persons, 60 in Engineering, 40 of these through Platform. */
beforeEach(async () => {
  world = await emptyWorld()
  contoso = await tenantOf(world, 'Contoso')
  everybody = await personsOf(
    world,
    contoso,
    Array.from({ length: 200 }, (_, n) => `P${n}`),
  )
  const objects = everybody.map(({ objectId }) => objectId)
  platform = await groupOf(world, contoso, 'Platform', objects.slice(20, 60))
  const engineering = await groupOf(world, contoso, 'Engineering', objects.slice(0, 20))
  await sql`insert into group_members values (${contoso.entraTenantId}, ${engineering}, ${platform}, 'group')`.execute(
    world.db,
  )
  await deploy('AutoCAD', 'group_name', { name: 'Engineering' })
  await deploy('Mail', 'everyone', {})
  expect(await resolve()).toMatchObject({ assigned: 260, held: 0 })
})

async function deploy(item: string, type: string, target: object): Promise<void> {
  await sql`
    with item as (insert into maintenance_items (name) values (${item}) returning item_id)
    insert into deployments (name, item_id, scope, target_type, target)
    select ${item}, item_id, 'cross_tenant', ${type}, ${JSON.stringify(target)}::jsonb from item`.execute(
    world.db,
  )
}

async function resolve() {
  const { failed, ...counts } = await resolveTargets(world.context, { trigger: 'test' })
  expect(failed).toEqual([])
  return counts
}

const drain = () => sql`delete from group_members where group_id = ${platform}`.execute(world.db)

async function given(item: string): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from deployment_targets join maintenance_items using (item_id) where name = ${item}`.execute(
    world.db,
  )
  return rows[0]?.n ?? 0
}

const acts: [string, () => Promise<unknown>][] = [
  [
    'a domain is linked',
    async () => {
      const child = await tenantOf(world, 'West', contoso)
      await sql`delete from tenant_links where tenant_id = ${child.tenantId}`.execute(world.db)
      await sql`insert into tenant_links values (${child.tenantId}, ${contoso.entraTenantId}, 'west.example')`.execute(
        world.db,
      )
      return resolve()
    },
  ],
  [
    'the tenant gets a parent',
    async () => {
      const parent = await tenantOf(world, 'Holding')
      return setTenantRules(
        world.context,
        contoso.tenantId,
        { parentTenantId: parent.tenantId },
        { actor: 'test', sampledTenants: 1, keep: true },
      )
    },
  ],
  [
    'another deployment is changed',
    () =>
      changeDeliberately(world.context, {
        trigger: 'test',
        keep: true,
        write: async (trx) => {
          await sql`update deployments set version = 'any' where name = 'Mail'`.execute(trx)
        },
      }),
  ],
]

test.each(acts)('what is held stays held when %s', async (_, act) => {
  await drain()
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 40 })
  await act()
  expect(await given('AutoCAD')).toBe(60)
  const { rows } = await sql`select size from holds where status = 'open'`.execute(world.db)
  expect(rows).toEqual([{ size: 40 }])
})

test.each<[string, () => Promise<unknown>]>([
  [
    'the tenant is left out of cross-tenant deployments',
    () =>
      setTenantRules(
        world.context,
        contoso.tenantId,
        { inCrossTenantDeployments: false },
        { actor: 'test', sampledTenants: 1, keep: true },
      ),
  ],
  [
    'the tenant is unlinked',
    async () => {
      await world.db.transaction().execute(async (trx) => {
        await sql`delete from tenant_links`.execute(trx)
        await sql`select assign_tenants(${contoso.entraTenantId}::uuid)`.execute(trx)
      })
      return resolve()
    },
  ],
  [
    'the deployment is removed',
    async () => {
      await sql`delete from deployments where name = 'AutoCAD'`.execute(world.db)
      return resolve()
    },
  ],
])('what is held goes all the same when %s', async (_, act) => {
  await drain()
  await resolve()
  await act()
  expect(await given('AutoCAD')).toBe(0)
  const { rows } = await sql`select status from holds`.execute(world.db)
  expect(rows).toEqual([{ status: 'withdrawn' }])
})

test('a drained group that nobody has resolved yet is held, though an operator changes a deployment just then', async () => {
  await drain()
  await changeDeliberately(world.context, {
    trigger: 'test',
    keep: true,
    write: async (trx) => {
      await sql`update deployments set version = 'any' where name = 'Mail'`.execute(trx)
    },
  })
  expect(await given('AutoCAD')).toBe(60)
})

/** Links another tenant to a domain of Contoso's, as the command does: persons are assigned in its transaction. */
async function linkDomain(domain: string): Promise<string> {
  const child = await tenantOf(world, 'West', contoso)
  await world.db.transaction().execute(async (trx) => {
    await sql`delete from tenant_links where tenant_id = ${child.tenantId}`.execute(trx)
    await sql`insert into tenant_links values (${child.tenantId}, ${contoso.entraTenantId}, ${domain})`.execute(
      trx,
    )
    await sql`select assign_tenants(${contoso.entraTenantId}::uuid)`.execute(trx)
  })
  return child.tenantId
}

const held = async () =>
  (await sql<{ n: number }>`select count(*)::int as n from hold_items`.execute(world.db)).rows[0]?.n

test.each<[string, () => Promise<unknown>]>([
  ['before', drain],
  ['after', async () => undefined],
])('a group drained just %s a link is held: the link has no part in it', async (_, before) => {
  await before()
  await linkDomain('west.example')
  await drain()
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 40 })
  expect(await given('AutoCAD')).toBe(60)
})

test('whom a link moves is moved, however many are held beside them', async () => {
  const west = everybody.slice(100).map(({ personId }) => personId)
  await sql`update persons set user_principal_name = split_part(user_principal_name, '@', 1) || '@west.example'
    where person_id = any (${west}::uuid[])`.execute(world.db)
  await resolve()
  await drain()
  const child = await linkDomain('west.example')
  expect(await resolve()).toMatchObject({ held: 40 })
  expect(await given('AutoCAD')).toBe(60)
  const { rows } =
    await sql`select count(*)::int as n from deployment_targets where tenant_id = ${child}`.execute(world.db)
  expect(rows).toEqual([{ n: 100 }])
})

test('what a frozen tenant loses while an operator changes the deployment is held at the thaw, the change is not', async () => {
  await sql`update deployments set version = 'exact 1'`.execute(world.db)
  await resolve()
  await sql`update entra_tenants set gone_at = now()`.execute(world.db)
  await changeDeliberately(world.context, {
    trigger: 'test',
    keep: true,
    write: async (trx) => {
      await sql`update deployments set version = 'any' where name = 'AutoCAD'`.execute(trx)
    },
  })
  await drain()
  await sql`update entra_tenants set gone_at = null`.execute(world.db)
  expect(await resolve()).toMatchObject({ unassigned: 0, changed: 20, held: 40 })
  expect(await given('AutoCAD')).toBe(60)
})

test('an app entitlement that a file lacks is for the guard, though the same file has a new one', async () => {
  const plan = '00000000-0000-4000-8000-0000000000aa'
  const sku = '00000000-0000-4000-8000-0000000000bb'
  await sql`insert into app_entitlements (entitlement, product_name, source) values ('cad', 'CAD', 'configuration')`.execute(
    world.db,
  )
  await sql`insert into app_entitlement_plans (entitlement, service_plan_id, service_plan_name, source) values ('cad', ${plan}, 'CAD', 'configuration')`.execute(
    world.db,
  )
  await sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, capability_status)
    values (${contoso.entraTenantId}, ${sku}, 'CAD', 'Enabled')`.execute(world.db)
  await sql`insert into sku_service_plans (entra_tenant_id, sku_id, service_plan_id, service_plan_name, provisioning_status)
    values (${contoso.entraTenantId}, ${sku}, ${plan}, 'CAD', 'Success')`.execute(world.db)
  await sql`insert into person_licenses (entra_tenant_id, object_id, sku_id)
    select entra_tenant_id, object_id, ${sku}::uuid from persons limit 50`.execute(world.db)
  await resolve()
  await deploy('Revit', 'app_entitlement', { entitlement: 'cad' })
  expect(await resolve()).toMatchObject({ assigned: 50 })
  await world.db.transaction().execute(async (trx) => {
    await sql`delete from app_entitlement_plans where service_plan_id = ${plan}`.execute(trx)
    await sql`insert into app_entitlements (entitlement, product_name, source) values ('bim', 'BIM', 'configuration')`.execute(
      trx,
    )
  })
  expect(await resolve()).toMatchObject({ unassigned: 0, held: 50 })
  expect(await held()).toBe(50)
})

test('readers see a resolution whole or not at all', async () => {
  await sql`update deployments set version = 'any' where name = 'Mail'`.execute(world.db)
  const seen = new Set<string>()
  const over = new AbortController()
  const read = async () => {
    while (!over.signal.aborted) {
      const { rows } = await sql<{ seen: string }>`
        select (select count(*) from deployment_targets where version = 'any') || ' ' || (select count(*) from target_changes) as seen`.execute(
        world.db,
      )
      seen.add(rows[0]?.seen ?? '')
    }
  }
  const reading = read()
  expect(await resolve()).toMatchObject({ changed: 200 })
  over.abort()
  await reading
  for (const one of seen) expect(['0 260', '200 460']).toContain(one)
})

test('some who are new get their targets; a tenth of the tenant at once waits for an operator', async () => {
  await personsOf(world, contoso, ['Eve', 'Fay', 'Flo'])
  expect(await resolve()).toMatchObject({ assigned: 3, held: 0 })
  await personsOf(
    world,
    contoso,
    Array.from({ length: 40 }, (_, n) => `New ${n}`),
  )
  expect(await resolve()).toMatchObject({ assigned: 0, held: 40 })
})

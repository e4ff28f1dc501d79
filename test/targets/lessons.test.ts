import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { changeDeliberately } from '../../src/targets/deliberate.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import {
  computersOf,
  emptyWorld,
  groupOf,
  personsOf,
  tenantOf,
  type World,
  type WorldTenant,
} from './world.ts'

// What a system like this one once got wrong, each as a test.

const visio = '663a804f-1c30-4ff0-9915-9db84f0d1cea'
const [sku, device] = [randomUUID(), randomUUID()]

let world: World
let db: Kysely<Database>
let contoso: WorldTenant
let ada: { personId: string; objectId: string; upn: string }
let pc: string
let engineering: string
let workstations: string

/** Ada, who can be named in every way, and her computer, that is in a group of its own. */
beforeEach(async () => {
  world = await emptyWorld()
  db = world.db
  contoso = await tenantOf(world, 'Contoso')
  const [first] = await personsOf(world, contoso, ['Ada', 'Bob'])
  if (first === undefined) throw new Error('nobody there')
  ada = first
  const [computer = ''] = await computersOf(world, contoso, [{ name: 'PC-1', user: ada.upn.toUpperCase() }])
  pc = computer
  engineering = await groupOf(world, contoso, 'Engineering', [ada.objectId])
  workstations = await groupOf(world, contoso, 'Workstations', [device], 'device')
  const entra = contoso.entraTenantId
  for (const statement of [
    sql`update persons set tags = '{CAD}' where person_id = ${ada.personId}`,
    sql`update computers set entra_device_id = ${device}`,
    sql`insert into devices (entra_tenant_id, object_id, device_id) values (${entra}, ${device}, ${device})`,
    sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, capability_status) values (${entra}, ${sku}, 'VISIOCLIENT', 'Enabled')`,
    sql`insert into sku_service_plans values (${entra}, ${sku}, ${visio}, 'VISIO_CLIENT_SUBSCRIPTION', 'Success')`,
    sql`insert into person_licenses values (${entra}, ${ada.objectId}, ${sku})`,
  ])
    await statement.execute(db)
})

interface Draft {
  name?: string
  type: string
  target?: object
  single?: WorldTenant
  kind?: string
  state?: string
  version?: string
  enforcement?: string
  filters?: object
  excludes?: object[]
}

/** One deployment; those of one item are named by it. */
async function deploy(draft: Draft, item = 'AutoCAD', on: Kysely<Database> = db): Promise<string> {
  const { type, target = {}, single, kind = 'software', state = 'installed', version = 'latest' } = draft
  const { enforcement = 'required', filters = {}, excludes = [], name = randomUUID() } = draft
  const isIndividual = type === 'person' || type === 'computer'
  await sql`insert into maintenance_items (name, kind) values (${item}, ${kind}) on conflict do nothing`.execute(
    on,
  )
  const { rows } = await sql<{ deployment_id: string }>`
    insert into deployments (name, item_id, version, desired_state, enforcement, scope, tenant_id, target_type, target, excludes, filters)
    select ${name}, item_id, ${version}, ${state}, ${enforcement},
      ${isIndividual ? 'individual' : single === undefined ? 'cross_tenant' : 'single_tenant'}, ${single?.tenantId ?? null},
      ${type}, ${JSON.stringify(target)}::jsonb, ${JSON.stringify(excludes)}::jsonb, ${JSON.stringify(filters)}::jsonb
    from maintenance_items where name = ${item} returning deployment_id`.execute(on)
  return rows[0]?.deployment_id ?? ''
}

interface Given {
  subject_id: string
  deployment_id: string
  desired_state: string
  enforcement: string
}

async function resolved(): Promise<Given[]> {
  const { failed } = await resolveTargets(world.context, { trigger: 'test' })
  expect(failed).toEqual([])
  const { rows } = await sql<Given>`select * from deployment_targets order by subject_id`.execute(db)
  return rows
}

const namings = (): [string, object, boolean][] => [
  ['everyone', {}, false],
  ['group', { group_id: engineering }, true],
  ['team', { group_id: engineering }, true],
  ['group_name', { name: 'engineering' }, false],
  ['group_name', { pattern: 'Eng*' }, false],
  ['license', { sku_id: sku }, false],
  ['license', { service_plan_id: visio }, false],
  ['app_entitlement', { entitlement: 'visio_desktop' }, false],
  ['tag', { tag: 'cad' }, false],
  ['person', { person_id: ada.personId }, false],
]

test('every way to name a person gives software and tasks', async () => {
  const wanted: string[] = []
  for (const [type, target, isSingle] of namings())
    for (const kind of ['software', 'task']) {
      const draft = { type, target, kind, ...(isSingle ? { single: contoso } : {}) }
      wanted.push(await deploy(draft, `${kind} by ${JSON.stringify([type, target])}`))
    }
  const given = (await resolved()).filter((row) => row.subject_id === ada.personId)
  expect(given.map((row) => row.deployment_id).sort()).toEqual(wanted.sort())
  const { rows } =
    await sql`select * from computer_targets where computer_id = ${pc} and through = 'person'`.execute(db)
  expect(rows).toHaveLength(wanted.length)
})

test('every way to name a computer gives software and tasks', async () => {
  const wanted: string[] = []
  const ways: [string, object, WorldTenant | undefined][] = [
    ['computer', { computer_id: pc }, undefined],
    ['group', { group_id: workstations }, contoso],
    ['group_name', { name: 'Workstations' }, undefined],
    ['group_name', { pattern: '*station?' }, undefined],
  ]
  for (const [type, target, single] of ways)
    for (const kind of ['software', 'task'])
      wanted.push(
        await deploy(
          { type, target, kind, ...(single && { single }) },
          `${kind} by ${JSON.stringify([type, target])}`,
        ),
      )
  const given = (await resolved()).filter((row) => row.subject_id === pc)
  expect(given.map((row) => row.deployment_id).sort()).toEqual(wanted.sort())
})

test('every way to exclude takes the person out, and nobody else', async () => {
  const items: string[] = []
  for (const [type, target] of namings()) {
    if (type === 'everyone') continue
    const item = `without ${JSON.stringify([type, target])}`
    items.push(item)
    await deploy({ type: 'everyone', excludes: [{ type, ...target }] }, item)
  }
  const given = await resolved()
  expect(given.filter((row) => row.subject_id === ada.personId)).toEqual([])
  expect(given).toHaveLength(items.length)
})

test('a target that points nowhere gives nothing and disturbs nothing', async () => {
  const gone = randomUUID()
  for (const [type, target, single] of [
    ['person', { person_id: gone }],
    ['computer', { computer_id: gone }],
    ['group', { group_id: gone }, contoso],
    ['team', { group_id: gone }, contoso],
    ['group_name', { name: 'Nobody' }],
    ['license', { sku_id: gone }],
    ['license', { service_plan_id: gone }],
    ['app_entitlement', { entitlement: 'nothing' }],
    ['tag', { tag: 'nowhere' }],
  ] as [string, object, WorldTenant?][])
    await deploy({ type, target, ...(single && { single }) }, JSON.stringify([type, target]))
  const everyone = await deploy({ type: 'everyone' }, 'Mail')
  expect((await resolved()).map((row) => row.deployment_id)).toEqual([everyone, everyone])
  // Each says so, but the tag: that nobody has it is no fault.
  const { rows } = await sql`select distinct deployment_id from deployment_warnings`.execute(db)
  expect(rows).toHaveLength(8)
})

test('a person or computer that goes after it was named takes its targets along, and the deployment says so', async () => {
  await deploy({ type: 'person', target: { person_id: ada.personId } })
  await deploy({ type: 'computer', target: { computer_id: pc } })
  expect(await resolved()).toHaveLength(2)
  await sql`update persons set deleted_at = now() where person_id = ${ada.personId}`.execute(db)
  await sql`delete from computers`.execute(db)
  expect(await resolved()).toEqual([])
  const { rows } = await sql`select code from deployment_warnings order by code`.execute(db)
  expect(rows).toEqual([{ code: 'computer_gone' }, { code: 'person_gone' }])
  const changes = await sql`select reason from target_changes where change = 'unassigned'`.execute(db)
  expect(changes.rows).toEqual([{ reason: { by: 'gone' } }, { reason: { by: 'gone' } }])
})

test('excluded tenants are neither in the preview nor in what is applied', async () => {
  const fabrikam = await tenantOf(world, 'Fabrikam')
  await personsOf(world, fabrikam, ['Eve'])
  await sql`update tenants set in_cross_tenant_deployments = false where tenant_id = ${fabrikam.tenantId}`.execute(
    db,
  )
  await resolved()
  for (const keep of [false, true]) {
    const seen: string[] = []
    await changeDeliberately(world.context, {
      trigger: 'test',
      keep,
      write: async (trx) => {
        await deploy({ name: 'New', type: 'everyone' }, 'New', trx)
      },
      afterApply: async (trx) => {
        const { rows } = await sql<{ tenant_id: string }>`select tenant_id from resolving_changes`.execute(
          trx,
        )
        seen.push(...rows.map((row) => row.tenant_id))
      },
    })
    expect(seen).toEqual([contoso.tenantId, contoso.tenantId])
  }
  expect(await resolved()).toHaveLength(2)
})

test('an onboarding deployment stays one, and in its tenant', async () => {
  const fabrikam = await tenantOf(world, 'Fabrikam')
  const [eve] = await personsOf(world, fabrikam, ['Eve'])
  await deploy({ type: 'everyone', enforcement: 'required' })
  await deploy({ type: 'everyone', single: contoso, enforcement: 'onboarding' })
  const by = new Map((await resolved()).map((row) => [row.subject_id, row.enforcement]))
  expect(by.get(ada.personId)).toBe('onboarding')
  expect(by.get(eve?.personId ?? '')).toBe('required')
  const { rows } = await sql`select enforcement from computer_targets`.execute(db)
  expect(rows).toEqual([{ enforcement: 'onboarding' }])
})

test('a tenant’s group of devices beats one of all tenants, however that one is named and whenever it was made', async () => {
  const own = await deploy({ type: 'group_name', target: { pattern: '*' }, single: contoso })
  await deploy({ type: 'group_name', target: { name: 'Workstations' }, state: 'ignored' })
  const given = (await resolved()).find((row) => row.subject_id === pc)
  expect(given?.deployment_id).toBe(own)
})

describe('of deployments that are equal else', () => {
  test.each([
    ['installed', 'update_if_found', 'installed'],
    ['update_if_found', 'installed', 'installed'],
    ['installed', 'ignored', 'ignored'],
    ['ignored', 'installed', 'ignored'],
    ['uninstalled', 'installed', 'uninstalled'],
    ['update_if_found', 'uninstalled', 'uninstalled'],
  ])('%s and, made later, %s: %s', async (first, second, winner) => {
    const target = { name: 'Engineering' }
    await deploy({ type: 'group_name', target, state: first, name: 'first' })
    await deploy({ type: 'group_name', target, state: second, name: 'second' })
    expect((await resolved()).map((row) => row.desired_state)).toEqual([winner])
  })
})

test('changing what a deployment targets keeps the deployment and the targets of whom it still reaches', async () => {
  const id = await deploy({ type: 'everyone' })
  await resolved()
  await sql`update deployments set target_type = 'group', target = ${JSON.stringify({ group_id: engineering })}::jsonb,
    scope = 'single_tenant', tenant_id = ${contoso.tenantId}`.execute(db)
  expect(await resolved()).toMatchObject([{ deployment_id: id, subject_id: ada.personId }])
  const { rows } = await sql<{
    change: string
  }>`select change from target_changes where subject_id = ${ada.personId} order by seq`.execute(db)
  expect(rows.map((row) => row.change)).toEqual(['assigned', 'changed'])
})

test('a primary user who is known late brings the targets at once', async () => {
  await sql`update computers set primary_user_principal_name = null`.execute(db)
  await deploy({ type: 'group_name', target: { name: 'Engineering' } })
  await resolved()
  const read = async () => (await sql`select computer_id, person_id from computer_targets`.execute(db)).rows
  expect(await read()).toEqual([])
  await sql`update computers set primary_user_principal_name = ${ada.upn}`.execute(db)
  expect(await read()).toEqual([{ computer_id: pc, person_id: ada.personId }])
})

test('a computer never gets a primary user of another customer', async () => {
  const fabrikam = await tenantOf(world, 'Fabrikam')
  await sql`update computers set tenant_id = ${fabrikam.tenantId}`.execute(db)
  await deploy({ type: 'everyone' })
  await resolved()
  const { rows } = await sql`select * from computer_targets`.execute(db)
  expect(rows).toEqual([])
})

test.each([
  ['a.example', 'ada@a.example', true],
  ['a.example', 'ada@A.Example', true],
  ['a.example', 'ada@ba.example', false],
  ['a.example', 'ada@sub.a.example', false],
  ['ba.example', 'ada@a.example', false],
])('the domain %s and %s', async (domain, upn, passes) => {
  await sql`update persons set user_principal_name = ${upn} where person_id = ${ada.personId}`.execute(db)
  await deploy({ type: 'tag', target: { tag: 'cad' }, filters: { domains: [domain] } })
  expect(await resolved()).toHaveLength(passes ? 1 : 0)
})

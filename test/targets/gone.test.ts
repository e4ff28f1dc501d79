import { sql } from 'kysely'
import { beforeEach, expect, test } from 'vitest'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { emptyWorld, groupOf, personsOf, tenantOf, type World, type WorldTenant } from './world.ts'

let world: World
let contoso: WorldTenant
let ada: { personId: string; objectId: string }
let bob: { personId: string; objectId: string }
let engineering: string

beforeEach(async () => {
  world = await emptyWorld()
  contoso = await tenantOf(world, 'Contoso')
  const [first, second] = await personsOf(world, contoso, ['Ada', 'Bob'])
  if (first === undefined || second === undefined) throw new Error('nobody there')
  ada = first
  bob = second
  engineering = await groupOf(world, contoso, 'Engineering', [ada.objectId, bob.objectId])
  await sql`insert into maintenance_items (name) values ('AutoCAD')`.execute(world.db)
})

const deploy = (type: string, target: object, excludes: object[] = []) =>
  sql`insert into deployments (name, item_id, scope, tenant_id, target_type, target, excludes)
    select name, item_id, 'single_tenant', ${contoso.tenantId}, ${type}, ${JSON.stringify(target)}::jsonb, ${JSON.stringify(excludes)}::jsonb
    from maintenance_items`.execute(world.db)

async function resolved(): Promise<string[]> {
  const { failed } = await resolveTargets(world.context, { trigger: 'test' })
  expect(failed).toEqual([])
  const { rows } = await sql<{ name: string }>`
    select p.display_name as name from deployment_targets t join persons p on p.person_id = t.subject_id order by name`.execute(
    world.db,
  )
  return rows.map(({ name }) => name)
}

const live = (isLive: boolean) =>
  sql`update groups set deleted_at = ${isLive ? null : sql`now()`} where object_id = ${engineering}`.execute(
    world.db,
  )

test.each([
  ['group', () => ({ group_id: engineering })],
  ['team', () => ({ group_id: engineering })],
  ['group_name', () => ({ name: 'engineering' })],
  ['group_name', () => ({ pattern: 'Eng*' })],
])('who left a %s while it was gone loses the target when it is back', async (type, target) => {
  await deploy(type, target())
  expect(await resolved()).toEqual(['Ada', 'Bob'])
  await live(false)
  await sql`delete from group_members where member_id = ${ada.objectId}`.execute(world.db)
  expect(await resolved()).toEqual(['Ada', 'Bob'])
  await live(true)
  expect(await resolved()).toEqual(['Bob'])
})

test('another group that takes the name of a gone one gives to its own members only', async () => {
  await deploy('group_name', { name: 'Engineering' })
  await resolved()
  await sql`delete from group_members`.execute(world.db)
  await sql`delete from groups`.execute(world.db)
  expect(await resolved()).toEqual(['Ada', 'Bob'])
  await groupOf(world, contoso, 'ENGINEERING', [bob.objectId])
  expect(await resolved()).toEqual(['Bob'])
})

test('who came while an excluded group was gone gets the target when it is back', async () => {
  await sql`delete from group_members where member_id = ${ada.objectId}`.execute(world.db)
  await deploy('everyone', {}, [{ type: 'group', group_id: engineering }])
  expect(await resolved()).toEqual(['Ada'])
  await live(false)
  expect(await resolved()).toEqual(['Ada'])
  await personsOf(world, contoso, ['Eve'])
  expect(await resolved()).toEqual(['Ada'])
  await live(true)
  expect(await resolved()).toEqual(['Ada', 'Eve'])
})

test('an excluded group of one tenant that is back gives in the other tenants too', async () => {
  const fabrikam = await tenantOf(world, 'Fabrikam', contoso)
  await deploy('everyone', {}, [{ type: 'group', group_id: engineering }])
  await personsOf(world, fabrikam, ['Fay'])
  expect(await resolved()).toEqual(['Fay'])
  await live(false)
  await personsOf(world, fabrikam, ['Flo'])
  expect(await resolved()).toEqual(['Fay'])
  await live(true)
  expect(await resolved()).toEqual(['Fay', 'Flo'])
})

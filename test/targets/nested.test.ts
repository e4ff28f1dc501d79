import { sql } from 'kysely'
import { beforeEach, describe, expect, test } from 'vitest'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { emptyWorld, groupOf, personsOf, tenantOf, type World, type WorldTenant } from './world.ts'

let world: World
let contoso: WorldTenant

beforeEach(async () => {
  world = await emptyWorld()
  contoso = await tenantOf(world, 'Contoso')
  await sql`insert into maintenance_items (name) values ('AutoCAD')`.execute(world.db)
})

const deploy = (type: string, target: object) =>
  sql`insert into deployments (name, item_id, scope, target_type, target)
    select name, item_id, 'cross_tenant', ${type}, ${JSON.stringify(target)}::jsonb from maintenance_items`.execute(
    world.db,
  )

/** Groups by the numbers of their ids; the edges as [group, member]. */
async function groups(
  where: WorldTenant,
  names: Record<number, string>,
  edges: readonly [number, number | string][],
): Promise<void> {
  for (const [id, name] of Object.entries(names))
    await sql`insert into groups (entra_tenant_id, object_id, display_name, kind) values (${where.entraTenantId}, ${guid(Number(id))}, ${name}, 'security')`.execute(
      world.db,
    )
  const rows = edges.map(([group, member]) => ({
    group_id: guid(group),
    member_id: typeof member === 'number' ? guid(member) : member,
    type: typeof member === 'number' ? 'group' : 'user',
  }))
  await sql`insert into group_members select ${where.entraTenantId}, group_id, member_id, type
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as x (group_id uuid, member_id uuid, type text)`.execute(
    world.db,
  )
}

const guid = (n: number) => `00000004-0000-4000-8000-${String(n).padStart(12, '0')}`

/** By person: the names of the groups of the reason. */
async function paths(): Promise<Record<string, string[]>> {
  const { failed } = await resolveTargets(world.context, { trigger: 'test' })
  expect(failed).toEqual([])
  const { rows } = await sql<{ name: string; path: string[] }>`
    select p.display_name as name, array(select g ->> 'name' from jsonb_array_elements(t.reason -> 'groups') with ordinality as x (g, n) order by n) as path
    from deployment_targets t join persons p on p.person_id = t.subject_id order by name`.execute(world.db)
  return Object.fromEntries(rows.map(({ name, path }) => [name, path]))
}

async function someone(where: WorldTenant, name: string): Promise<string> {
  const [person] = await personsOf(world, where, [name])
  if (person === undefined) throw new Error('nobody')
  return person.objectId
}

test('sixty groups deep, and back to the first: the whole way up is told, and a cut in the middle ends it', async () => {
  const deepest = 59
  const names = Object.fromEntries(Array.from({ length: deepest + 1 }, (_, n) => [n, `Level ${n}`]))
  const ada = await someone(contoso, 'Ada')
  await groups(contoso, names, [
    ...Array.from({ length: deepest }, (_, n): [number, number] => [n, n + 1]),
    [deepest, 0],
    [deepest, ada],
  ])
  await deploy('group_name', { name: 'level 0' })
  const up = Array.from({ length: deepest + 1 }, (_, n) => `Level ${deepest - n}`)
  expect(await paths()).toEqual({ Ada: up })
  await sql`update groups set deleted_at = now() where display_name = 'Level 30'`.execute(world.db)
  expect(await paths()).toEqual({})
  await sql`update groups set deleted_at = null`.execute(world.db)
  expect(await paths()).toEqual({ Ada: up })
  await sql`delete from group_members where group_id = ${guid(30)}`.execute(world.db)
  expect(await paths()).toEqual({})
  await sql`insert into group_members values (${contoso.entraTenantId}, ${guid(29)}, ${guid(31)}, 'group')`.execute(
    world.db,
  )
  expect(await paths()).toEqual({ Ada: up.filter((name) => name !== 'Level 30') })
})

describe('ways up', () => {
  test.each<[string, [number, number | 'ada'][], string[] | null]>([
    ['a direct member', [[1, 'ada']], ['Top']],
    [
      'a member twice: directly is shorter',
      [
        [1, 2],
        [2, 'ada'],
        [1, 'ada'],
      ],
      ['Top'],
    ],
    [
      'a group in itself',
      [
        [1, 1],
        [1, 'ada'],
      ],
      ['Top'],
    ],
    ['a group in itself without members', [[1, 1]], null],
    [
      'two in each other',
      [
        [1, 2],
        [2, 1],
        [2, 'ada'],
      ],
      ['Two', 'Top'],
    ],
    [
      'a ring below',
      [
        [1, 2],
        [2, 3],
        [3, 4],
        [4, 2],
        [4, 'ada'],
      ],
      ['Four', 'Three', 'Two', 'Top'],
    ],
    [
      'a diamond: the smaller id',
      [
        [1, 3],
        [1, 2],
        [2, 4],
        [3, 4],
        [4, 'ada'],
      ],
      ['Four', 'Two', 'Top'],
    ],
    [
      'a diamond with a longer side',
      [
        [1, 2],
        [2, 5],
        [5, 4],
        [1, 3],
        [3, 4],
        [4, 'ada'],
      ],
      ['Four', 'Three', 'Top'],
    ],
    [
      'of equal length: the upper groups decide',
      [
        [1, 2],
        [1, 3],
        [2, 5],
        [3, 4],
        [4, 'ada'],
        [5, 'ada'],
      ],
      ['Five', 'Two', 'Top'],
    ],
    [
      'a group above the named one',
      [
        [2, 1],
        [2, 'ada'],
      ],
      null,
    ],
    [
      'a group that we do not know between',
      [
        [1, 9],
        [9, 'ada'],
      ],
      null,
    ],
  ])('%s', async (_, edges, path) => {
    const ada = await someone(contoso, 'Ada')
    await groups(
      contoso,
      { 1: 'Top', 2: 'Two', 3: 'Three', 4: 'Four', 5: 'Five' },
      edges.map(([group, member]) => [group, member === 'ada' ? ada : member]),
    )
    await deploy('group_name', { name: 'Top' })
    expect(await paths()).toEqual(path === null ? {} : { Ada: path })
  })
})

test('a hidden group whose members we may not see any more is not an empty one', async () => {
  const ada = await someone(contoso, 'Ada')
  await groupOf(world, contoso, 'Board', [ada])
  await deploy('group_name', { name: 'Board' })
  expect(await paths()).toEqual({ Ada: ['Board'] })
  await sql`update groups set members_visible = false, visibility = 'HiddenMembership'`.execute(world.db)
  await sql`insert into target_dirt (family_id, kind) values (${contoso.entraTenantId}, 'all')`.execute(
    world.db,
  )
  expect(await paths()).toEqual({ Ada: ['Board'] })
})

test('two customers with the same ids and names never mix', async () => {
  const fabrikam = await tenantOf(world, 'Fabrikam')
  const ada = await someone(contoso, 'Ada')
  const eve = await someone(fabrikam, 'Eve')
  // Eve is the same guest in both: one object id, one UPN, two persons.
  await sql`update persons set object_id = ${ada}, user_principal_name = 'ada@both.example'`.execute(world.db)
  await groups(contoso, { 1: 'Top', 2: 'Two' }, [
    [1, 2],
    [2, ada],
  ])
  await groups(fabrikam, { 1: 'Top', 2: 'Two' }, [
    [2, ada],
    [2, eve],
  ])
  await deploy('group_name', { name: 'Top' })
  expect(await paths()).toEqual({ Ada: ['Two', 'Top'] })
  await sql`insert into group_members values (${fabrikam.entraTenantId}, ${guid(1)}, ${guid(2)}, 'group')`.execute(
    world.db,
  )
  await sql`delete from group_members where entra_tenant_id = ${contoso.entraTenantId}`.execute(world.db)
  expect(await paths()).toEqual({ Eve: ['Two', 'Top'] })
  await sql`insert into computers (tenant_id, name, primary_user_principal_name)
    select tenant_id, name, 'Ada@BOTH.example' from tenants`.execute(world.db)
  const { rows } = await sql`select computer_name from computer_targets`.execute(world.db)
  expect(rows).toEqual([{ computer_name: 'Fabrikam' }])
})

test('names are compared case-blind in any script', async () => {
  const ada = await someone(contoso, 'Ada')
  await groupOf(world, contoso, 'ÖKONOMIE und Éluard', [ada])
  await deploy('group_name', { name: 'ökonomie UND éluard' })
  expect(await paths()).toEqual({ Ada: ['ÖKONOMIE und Éluard'] })
})

test.each([
  ['100%', '100%', true],
  ['100%', '1000', false],
  ['a_b', 'axb', false],
  ['a_b', 'A_B', true],
  ['a\\b', 'a\\b', true],
  ['a?c', 'abc', true],
  ['a?c', 'ac', false],
  ['*', '', true],
  ['*eng*', 'The Engineers', true],
  ['[ab]', 'a', false],
])('the pattern %s and a group named %s', async (pattern, name, matches) => {
  const ada = await someone(contoso, 'Ada')
  await groupOf(world, contoso, name, [ada])
  await deploy('group_name', { pattern })
  expect(await paths()).toEqual(matches ? { Ada: [name] } : {})
})

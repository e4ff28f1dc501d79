import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { emptyWorld, personsOf, tenantOf, type World } from '../targets/world.ts'
import { runCommand } from './run-command.ts'

const persons = 40
let world: World
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entra-sync-imports-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Contoso with forty persons who all get AutoCAD; their computers are not there yet. */
async function begin(): Promise<string[]> {
  world = await emptyWorld()
  const contoso = await tenantOf(world, 'Contoso')
  const names = Array.from({ length: persons }, (_, n) => `User${n}`)
  const known = await personsOf(world, contoso, names)
  await sql`with i as (insert into maintenance_items (name) values ('AutoCAD') returning item_id)
    insert into deployments (name, item_id, scope, target_type, target)
    select 'CAD', item_id, 'cross_tenant', 'everyone', '{}' from i`.execute(world.db)
  await resolveTargets(world.context, { trigger: 'test' })
  return known.map(({ upn }) => upn)
}

async function command(text: string, ...args: string[]) {
  const file = join(folder, 'list.csv')
  await writeFile(file, text)
  const [first = '', second = '', ...rest] = args
  return runCommand([first, second, file, ...rest], { DATABASE_URL: world.url, HOLD_MIN: '5' })
}

test('computers import: a list that has lost its users is told, with who loses what, and refused', async () => {
  const upns = await begin()
  const list = (user: (upn: string) => string) =>
    `tenant,name,primary_user_principal_name\r\n${upns.map((upn, n) => `Contoso,PC-${n},${user(upn)}`).join('\r\n')}`
  const first = await command(list(String), 'computers', 'import')
  expect(first).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`Imported computers: ${persons} added, 0 changed, 0 unchanged.`),
  })
  expect(await command(list(String), 'computers', 'import')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`0 added, 0 changed, ${persons} unchanged.`),
  })
  const nobody = list(() => '')
  const refused = await command(nobody, 'computers', 'import')
  expect(refused.code).toBe(2)
  expect(refused.stdout).toContain('Would import computers: 0 added, 40 changed')
  expect(refused.stdout).toContain('Computers that would lose software by it: 40.')
  expect(refused.stdout).toContain('- PC-0: AutoCAD\n')
  expect(refused.stdout).toContain('  … and 20 more')
  expect(refused.stdout).toContain(
    'Contoso: 40 of 40 computers that have targets. The guard lets less pass: a larger share than HOLD_PERCENT.',
  )
  expect(refused.stdout).toMatch(/Nothing was changed\. Do it with --yes\.\n$/)
  const told = await command(nobody, 'computers', 'import', '--json')
  expect(told.code).toBe(2)
  expect(JSON.parse(told.stdout)).toMatchObject({
    applied: false,
    tooLarge: [{ tenant: 'Contoso', losing: 40, of: 40, reason: 'over_percent' }],
  })
  expect(await command(nobody, 'computers', 'import', '--yes')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Computers that lose software by it: 40.'),
  })
})

test('computers import --replace: what is removed is told first', async () => {
  await begin()
  const list = (last: number) =>
    `tenant;name\n${Array.from({ length: last }, (_, n) => `contoso;PC-${n}`).join('\n')}`
  await command(list(3), 'computers', 'import')
  const told = await command(list(2), 'computers', 'import', '--replace')
  expect(told).toMatchObject({ code: 2, stdout: expect.stringMatching(/1 removed\.\n {2}- PC-2\nNothing/) })
  expect(await command(list(2), 'computers', 'import', '--replace', '--yes')).toMatchObject({ code: 0 })
  expect(await command(list(2), 'computers', 'import', '--replace')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('0 added, 0 changed, 2 unchanged, 0 removed.'),
  })
})

test('what is wrong with a list is told by line, and nothing is imported', async () => {
  await begin()
  const wrong = await command('tenant,name\nContoso,PC-1\nNowhere,PC-2\nContoso,\n', 'computers', 'import')
  expect(wrong.code).toBe(2)
  expect(wrong.stderr).toMatch(/list\.csv: line 3: tenant: There is no tenant Nowhere/)
  expect(wrong.stderr).toMatch(/list\.csv: line 4: name/)
  expect(wrong.stdout).toContain('2 errors. Nothing was imported.')
  expect(await command('', 'computers', 'import')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('There is no record in it.'),
  })
  expect(await runCommand(['persons', 'import', folder], { DATABASE_URL: world.url })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('it is a directory'),
  })
})

test('persons import: tags, with a preview', async () => {
  const [upn] = await begin()
  const list = `tenant,user_principal_name,tags\nContoso,${upn},cad\n`
  expect(await command(list, 'persons', 'import', '--preview')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Would import persons: 0 made by hand, 1 changed, 0 unchanged.'),
  })
  expect(await command(list, 'persons', 'import')).toMatchObject({ code: 0 })
  expect(await command(list, 'persons', 'import')).toMatchObject({
    stdout: expect.stringContaining('0 changed, 1 unchanged'),
  })
})

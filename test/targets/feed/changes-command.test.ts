import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { cutFeed } from '../../../src/db/target-feed.ts'
import { runCommand } from '../../cli/run-command.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { changeOnce, itemId, tenants } from './world.ts'

let database: TestDatabase
let env: Record<string, string>

beforeEach(async () => {
  database = await testDatabase()
  env = { DATABASE_URL: database.url }
  const { db } = database
  await sql`insert into tenants (tenant_id, name, slug) values (${tenants[0]}, 'Contoso North', 'contoso-north'),
    (${tenants[1]}, 'Fabrikam', 'fabrikam')`.execute(db)
  await sql`insert into maintenance_items (item_id, name) values (${itemId(0)}, ${'AutoCAD\u001b[2J'})`.execute(
    db,
  )
})
afterEach(() => database.drop())

const change = (dice: number): Promise<void> => changeOnce(database.db, [{ subject: 0, item: 0, dice }])
const command = async (...args: string[]) => {
  const { code, stdout, stderr } = await runCommand(['changes', ...args], env)
  return { code, stdout, stderr, json: args.includes('--json') ? (JSON.parse(stdout) as unknown) : null }
}

test('tells the last ones in words, without what would steer a terminal', async () => {
  for (const dice of [2, 4, 1, 3]) await change(dice)
  const { code, stdout } = await command()
  expect(code).toBe(0)
  const lines = stdout.trim().split('\n')
  expect(lines.map((line) => line.split(/\s+/)[2])).toEqual(['+', '~', '-', '+', '-'])
  expect(lines[0]).toContain('Contoso North: person 22222222-')
  expect(lines[1]).toMatch(/AutoCAD.* 4\.0 installed, was AutoCAD.* 2\.0 installed \(.*tagged x\)/)
  expect(lines[4]).toContain('Fabrikam')
  expect(lines[4]).toContain('no longer AutoCAD')
  expect(stdout).not.toContain('\u001b')
})

test('pages by seq, of all tenants or of one, and says that there is more', async () => {
  for (const dice of [2, 4, 1, 3]) await change(dice)
  const first = await command('--after', '0', '--limit', '2')
  expect(first.stdout).toContain('There are more: --after 2')
  expect((await command('--after', '2', '--json')).json).toMatchObject({
    changes: [{ seq: 3, change: 'unassigned' }, { seq: 4, tenant: 'Fabrikam' }, { seq: 5 }],
    next: 5,
    lastSeq: 5,
  })
  expect((await command('--tenant', 'fabrikam', '--json')).json).toMatchObject({
    changes: [{ seq: 4 }, { seq: 5 }],
    next: 5,
  })
  expect(await command('--tenant', 'nobody')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('tenants list'),
  })
  expect((await command('--after', '5')).stdout).toBe('No changes after 5.\n')
})

test('a reader that is too far back gets an error with what to do, and the snapshot does it', async () => {
  for (const dice of [2, 4]) await change(dice)
  await sql`update target_changes set at = now() - interval '91 days' where seq = 1`.execute(database.db)
  await cutFeed(database.db, 90, 10)
  expect(await command('--after', '0', '--json')).toMatchObject({
    code: 1,
    json: { error: { code: 'feed_truncated', remedy: expect.stringContaining('changes --snapshot') } },
    stderr: expect.stringContaining('Changes up to 1 are no longer kept'),
  })
  expect(await command('--after', '0', '--follow')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('changes --snapshot'),
  })
  expect((await command('--snapshot', '--json')).json).toMatchObject({
    seq: 2,
    targets: [{ version: '4.0', desiredState: 'installed' }],
  })
  expect((await command('--snapshot')).stdout).toContain('changes --after 2 --follow')
  expect((await command('--snapshot', '--after', '2')).code).toBe(2)
})

test('--follow prints what was, then what comes, and ends well at Ctrl-C', async () => {
  await change(2)
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, ['src/main.ts', 'changes', '--follow', '--json', '--limit', '1'], {
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value ?? 'null') as unknown
  expect(await next()).toMatchObject({ seq: 1, change: 'assigned', tenant: 'Contoso North' })
  await change(4)
  expect(await next()).toMatchObject({ seq: 2, change: 'changed', before: { version: '2.0' } })
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'entra-sync %'`.execute(database.db)
  await change(1)
  expect(await next()).toMatchObject({ seq: 3, change: 'unassigned' })
  expect(await next()).toMatchObject({ seq: 4, change: 'assigned', tenant: 'Fabrikam' })
  child.kill('SIGINT')
  expect(await exit).toEqual([0, null])
  expect((await lines.next()).done).toBe(true)
})

import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { runCommand } from '../../cli/run-command.ts'
import { computersOf, emptyWorld, groupOf, personsOf, tenantOf, type World } from '../world.ts'

const example = `
deployments:
  - name: AutoCAD for engineers
    item: AutoCAD
    version: 2022
    target: { group_name: Engineering }
  - name: Browser
    item: Firefox
    target: { everyone: true }
`

async function fileOf(text: string, name = 'deployments.yaml'): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'deployments-')), name)
  await writeFile(file, text)
  return file
}

async function engineers() {
  const world = await emptyWorld()
  const contoso = await tenantOf(world, 'Contoso')
  const [adele, ben, cleo] = await personsOf(world, contoso, ['Adele', 'Ben', 'Cleo'])
  await groupOf(world, contoso, 'Engineering', [adele!.objectId, ben!.objectId])
  await computersOf(world, contoso, [{ name: 'PC-1', user: adele!.upn }, { name: 'PC-2' }])
  const run = (...args: string[]) => runCommand(['deployments', ...args], { DATABASE_URL: world.url })
  return { ...world, contoso, adele: adele!, ben: ben!, cleo: cleo!, run }
}

/** All that a change of deployments may touch. */
async function state({ db }: Pick<World, 'db'>) {
  const { rows } = await sql<{ all: string }>`
    select (select jsonb_agg(to_jsonb(d) order by d.name) from deployments d)::text
      || (select coalesce(jsonb_agg(to_jsonb(t) order by t.subject_id, t.item_id), '[]') from deployment_targets t)::text
      || (select coalesce(jsonb_agg(to_jsonb(c) order by c.seq), '[]') from target_changes c)::text
      || (select coalesce(jsonb_agg(to_jsonb(a) order by a), '[]') from audit_log a)::text as all`.execute(db)
  return rows[0]?.all
}

test('preview tells what a file does and changes nothing; apply does it, and nothing the second time', async () => {
  const { run, db } = await engineers()
  const file = await fileOf(example)
  const before = await state({ db })
  const preview = await run('preview', file)
  console.log(preview.stdout, preview.stderr)
  expect(preview).toMatchObject({ code: 0, stderr: '' })
  expect(await state({ db })).toBe(before)
  const applied = await run('apply', file, '--yes')
  console.log(applied.stdout, applied.stderr)
  console.log((await run('list')).stdout)
  console.log((await run('show', 'Browser')).stdout)
  const after = await state({ db })
  const again = await run('apply', file, '--yes')
  console.log(again.stdout)
  expect(await state({ db })).toBe(after)
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import type { Effect } from '../../../src/targets/effect.ts'
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
  if (adele === undefined || ben === undefined || cleo === undefined) throw new Error('nobody is there')
  const group = await groupOf(world, contoso, 'Engineering', [adele.objectId, ben.objectId])
  await computersOf(world, contoso, [{ name: 'PC-1', user: adele.upn }, { name: 'PC-2' }])
  const run = (...args: string[]) => runCommand(['deployments', ...args], { DATABASE_URL: world.url })
  return { ...world, contoso, group, adele, ben, cleo, run }
}

/** All that a change of deployments may touch. */
async function state({ db }: Pick<World, 'db'>): Promise<string> {
  const { rows } = await sql<{ all: string }>`
    select jsonb_build_array(
      (select jsonb_agg(to_jsonb(d) order by d.name) from deployments d),
      (select jsonb_agg(to_jsonb(i) order by i.name) from maintenance_items i),
      (select jsonb_agg(to_jsonb(t) order by t.subject_id, t.item_id) from deployment_targets t),
      (select jsonb_agg(to_jsonb(c) order by c.seq) from target_changes c),
      (select jsonb_agg(to_jsonb(a) order by a.audit_id) from audit_log a))::text as all`.execute(db)
  return rows[0]?.all ?? ''
}

const targets = async ({ db }: Pick<World, 'db'>) =>
  (
    await sql<{ name: string; item: string; version: string }>`
    select coalesce(p.display_name, m.name) as name, i.name as item, t.version from deployment_targets t
    join maintenance_items i using (item_id) left join persons p on p.person_id = t.subject_id
    left join computers m on m.computer_id = t.subject_id order by 2, 1`.execute(db)
  ).rows.map(({ name, item, version }) => `${name} ${item} ${version}`)

const counts = (effect: Effect) => ({ persons: effect.persons, computers: effect.computers })
const json = (stdout: string) => JSON.parse(stdout) as { plan: Record<string, unknown>; effect: Effect }

describe('apply', () => {
  test('is told by preview, then does just that, and nothing the second time', async () => {
    const world = await engineers()
    const file = await fileOf(example)
    const before = await state(world)
    const preview = await world.run('preview', file)
    expect(preview).toMatchObject({ code: 0, stderr: '' })
    expect(preview.stdout).toMatch(/^Plan of deployments.yaml: 2 added, 0 changed, 0 unchanged\.$/m)
    expect(preview.stdout).toMatch(/^Contoso +\+3 +\+1$/m)
    expect(preview.stdout).toMatch(/^ {4}\+ Adele: AutoCAD 2022 installed \(in Engineering\)$/m)
    expect(preview.stdout).toMatch(/^ {4}\+ PC-1: .*through its primary user: in Engineering\)$/m)
    const asked = await world.run('apply', file)
    expect(asked.code).toBe(2)
    expect(asked.stdout).toContain('Nothing was changed. Do it with --yes')
    const foretold = json((await world.run('preview', file, '--json')).stdout)
    // A preview that changed anything could not be run twice.
    expect(await state(world)).toBe(before)

    const applied = await world.run('apply', file, '--yes', '--json')
    expect(applied.code).toBe(0)
    expect(
      json(applied.stdout).effect.tenants.map(({ items }) => items.map(({ item, gain }) => [item, gain])),
    ).toEqual(foretold.effect.tenants.map(({ items }) => items.map(({ item, gain }) => [item, gain])))
    expect(counts(json(applied.stdout).effect)).toEqual({
      persons: { gain: 3, change: 0, lose: 0 },
      computers: { gain: 1, change: 0, lose: 0 },
    })
    expect(await targets(world)).toEqual([
      'Adele AutoCAD 2022',
      'Ben AutoCAD 2022',
      'Adele Firefox latest',
      'Ben Firefox latest',
      'Cleo Firefox latest',
    ])
    const after = await state(world)
    const again = await world.run('apply', file, '--yes')
    expect(again).toMatchObject({ code: 0 })
    expect(again.stdout).toMatch(/0 added, 0 changed, 2 unchanged/)
    expect(await state(world)).toBe(after)
  })

  test('a changed target type changes the deployment: id, age and the targets that it still gives stay', async () => {
    const world = await engineers()
    const { db, run, adele } = world
    await run('apply', await fileOf(example), '--yes')
    const identity = async () =>
      (
        await sql`select deployment_id, created_at from deployments where name = 'AutoCAD for engineers'`.execute(
          db,
        )
      ).rows
    const since = async () =>
      (
        await sql`select since from deployment_targets t join maintenance_items i using (item_id)
        where i.name = 'AutoCAD' and t.subject_id = ${adele.personId}`.execute(db)
      ).rows
    const before = { identity: await identity(), since: await since() }
    const other = example.replace('{ group_name: Engineering }', '{ everyone: true }')
    const changed = await run('apply', await fileOf(other), '--yes')
    expect(changed.stdout).toMatch(/~ AutoCAD for engineers: target_type "group_name" -> "everyone"/)
    expect(changed.stdout).toMatch(/^Contoso +\+1 +–$/m)
    expect({ identity: await identity(), since: await since() }).toEqual(before)
    expect((await sql`select from target_changes where change = 'unassigned'`.execute(db)).rows).toEqual([])
  })

  test('removes only with --prune, and only what its own source brought', async () => {
    const world = await engineers()
    const { db, run } = world
    await run('apply', await fileOf(example), '--yes')
    await run(
      'apply',
      await fileOf(
        'deployments: [{ name: Theirs, item: Notepad, target: { everyone: true } }]',
        'other.yaml',
      ),
      '--yes',
    )
    await sql`insert into deployments (name, item_id, scope, target_type)
      select 'By SQL', item_id, 'cross_tenant', 'everyone' from maintenance_items where name = 'Notepad'`.execute(
      db,
    )
    const names = async () =>
      (await sql<{ name: string }>`select name from deployments order by name`.execute(db)).rows.map(
        ({ name }) => name,
      )
    const shorter = await fileOf(
      'deployments: [{ name: Browser, item: Firefox, target: { everyone: true } }]',
    )
    const kept = await run('apply', shorter, '--yes')
    expect(kept.stdout).toMatch(/0 added, 0 changed, 1 unchanged/)
    expect(await names()).toEqual(['AutoCAD for engineers', 'Browser', 'By SQL', 'Theirs'])
    const pruned = await run('apply', shorter, '--yes', '--prune')
    expect(pruned.stdout).toMatch(/^ {2}- AutoCAD for engineers$/m)
    expect(pruned.stdout).toMatch(/^ {4}- Adele: no longer AutoCAD 2022 installed$/m)
    expect(await names()).toEqual(['Browser', 'By SQL', 'Theirs'])
  })

  test('says so when it takes over what another file brought', async () => {
    const { run, db } = await engineers()
    await run('apply', await fileOf(example, 'first.yaml'), '--yes')
    const second = await fileOf(
      'deployments: [{ name: Browser, item: Firefox, target: { everyone: true } }]',
      'second.yaml',
    )
    const asked = await run('apply', second)
    expect(asked.code).toBe(2)
    expect(asked.stdout).toMatch(/Browser comes from first\.yaml, and is this file's from now on/)
    await run('apply', second, '--yes')
    expect((await sql`select source from deployments where name = 'Browser'`.execute(db)).rows).toEqual([
      { source: 'second.yaml' },
    ])
  })

  test('a file with errors is told whole, with lines, and nothing of it is done', async () => {
    const world = await engineers()
    const before = await state(world)
    const file = await fileOf(`deployments:
  - name: Fine
    item: Firefox
    target: { everyone: true }
  - name: Wrong
    item: Firefox
    desired_state: instaled
    target: { everyone: true }
  - name: Nobody
    item: Firefox
    target: { tag: x, person: nobody@nowhere.example }
`)
    const { code, stdout, stderr } = await world.run('apply', file, '--yes')
    expect({ code, stdout }).toEqual({
      code: 2,
      stdout: expect.stringMatching(/^2 errors\. Nothing was applied\./) as string,
    })
    expect(stderr).toMatch(/deployments\.yaml:7:\d+: error: /)
    expect(stderr).toMatch(/deployments\.yaml:1[01]:\d+: error: /)
    expect(await state(world)).toBe(before)
  })

  test('killed while it waits, it leaves nothing; two at once end as one after the other', async () => {
    const world = await engineers()
    const file = await fileOf(example)
    const before = await state(world)
    const trx = await world.db.startTransaction().execute()
    await sql`lock table deployments in share mode`.execute(trx)
    const child = spawn(process.execPath, ['src/main.ts', 'deployments', 'apply', file, '--yes'], {
      env: { PATH: process.env['PATH'], DATABASE_URL: world.url, LOG_PRETTY: 'false' },
      stdio: 'ignore',
    })
    await expect
      .poll(
        async () =>
          (
            await sql`select from pg_locks where not granted and relation = 'deployments'::regclass`.execute(
              world.db,
            )
          ).rows.length,
      )
      .toBe(1)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await trx.rollback().execute()
    expect(await state(world)).toBe(before)

    const other = await fileOf(example.replace('2022', '2023'), 'other.yaml')
    const ended = await Promise.all([world.run('apply', file, '--yes'), world.run('apply', other, '--yes')])
    expect(ended.map(({ code }) => code)).toEqual([0, 0])
    // Whoever came second made its plan anew on what the first had written.
    const done = ended.map(({ stdout }) => /\d added, \d changed/.exec(stdout)?.[0])
    expect(new Set(done)).toEqual(new Set(['2 added, 0 changed', '0 added, 2 changed']))
    expect(await targets(world)).toHaveLength(5)
  })

  test('frozen tenants are named, and get it when they thaw', async () => {
    const world = await engineers()
    const fabrikam = await tenantOf(world, 'Fabrikam')
    await personsOf(world, fabrikam, ['Fay'])
    await sql`update entra_tenants set gone_at = now() where entra_tenant_id = ${fabrikam.entraTenantId}`.execute(
      world.db,
    )
    const { stdout } = await world.run('apply', await fileOf(example), '--yes')
    expect(stdout).toMatch(/^Later, when their targets are no longer frozen \(gone\): Fabrikam\.$/m)
    expect((await targets(world)).filter((one) => one.startsWith('Fay'))).toEqual([])
  })
})

describe('list, show and remove', () => {
  test('tell what is gone as a warning, and the targets stay', async () => {
    const world = await engineers()
    const { run, db, group } = world
    await run('apply', await fileOf(example), '--yes')
    await sql`update groups set deleted_at = now() where object_id = ${group}`.execute(db)
    const { stdout, code } = await run('list')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^AutoCAD for engineers .* 2 +0 +1 warning$/m)
    expect(stdout).toMatch(
      /AutoCAD for engineers in Contoso: No group Engineering is there any more\. Its 2 targets there stay as they are\./,
    )
    const shown = await run('show', 'Browser')
    expect(shown.stdout).toMatch(/^Wins for +3 persons and 1 computers in 1 tenant$/m)
    const applied = await run(
      'apply',
      await fileOf(example.replace('{ everyone: true }', '{ tag: none }')),
      '--yes',
    )
    expect(applied.code).toBe(0)
    expect(await targets(world)).toEqual(['Adele AutoCAD 2022', 'Ben AutoCAD 2022'])
  })

  test('remove tells first, does it with --yes, and knows what there is', async () => {
    const world = await engineers()
    await world.run('apply', await fileOf(example), '--yes')
    const before = await state(world)
    const asked = await world.run('remove', 'Browser')
    expect(asked.code).toBe(2)
    expect(asked.stdout).toMatch(/^Contoso +-3 +-1$/m)
    const wrong = await world.run('remove', 'Browser', 'Brewser', '--yes')
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain('There is no deployment Brewser.')
    expect(await state(world)).toBe(before)
    expect((await world.run('remove', 'Browser', '--yes')).code).toBe(0)
    expect(await targets(world)).toEqual(['Adele AutoCAD 2022', 'Ben AutoCAD 2022'])
    const { rows } = await sql`select detail from audit_log where action = 'deployments_removed'`.execute(
      world.db,
    )
    expect(rows).toEqual([{ detail: { names: ['Browser'] } }])
  })
})

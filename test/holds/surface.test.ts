import { sql } from 'kysely'
import { describe, expect, onTestFinished, test } from 'vitest'
import { listHolds } from '../../src/holds/list.ts'
import { runCommand } from '../cli/run-command.ts'
import { openBrowser } from '../harness/browser.ts'
import { testDatabase } from '../harness/database.ts'
import { hostile } from '../http/console/fleet.ts'
import { operatorToken, startTestHttp, viewerToken } from '../http/start.ts'
import { contoso, drainedGroup } from './world.ts'

describe('the commands', () => {
  async function world() {
    const database = await testDatabase()
    onTestFinished(() => database.drop())
    await drainedGroup(database.db)
    const run = (...args: string[]) => runCommand(args, { DATABASE_URL: database.url })
    const [hold] = await listHolds(database.db)
    if (hold === undefined) throw new Error('nothing is held')
    return { db: database.db, run, holdId: hold.holdId }
  }

  test('list, show and approve lead an operator from what is held to what it took away', async () => {
    const { run, holdId } = await world()
    const list = await run('holds')
    expect(list.stdout).toContain('Contoso Ltd')
    expect(list.stdout).toContain('60 of 60 targets would go')
    expect(list.stdout).toContain(holdId)
    const show = await run('holds', 'show', holdId)
    expect(show.stdout).toContain('user01@contoso.com: AutoCAD, through CAD for engineers → nothing')
    expect(show.stdout).toContain('… and 50 more (--all shows them)')
    expect(show.stdout).toContain('Together it would be: persons -60')
    const [, ...approve] = (/entra-sync (holds approve .*)/.exec(show.stdout)?.[1] ?? '').split(' ')
    const done = await run('holds', ...approve, '--by', 'Anna')
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toContain('Approved: 60 applied.')
    expect(done.stdout).toContain('Together: persons -60')
    const again = await run('holds', ...approve)
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('The hold is approved already by Anna, command (')
    expect((await run('holds')).stdout).toBe('Nothing is held.\n')
    expect((await run('holds', 'list', '--all')).stdout).toContain('approved')
  })

  test('with --json each is one document; show has everything, and the whole hash', async () => {
    const { run, holdId } = await world()
    expect(JSON.parse((await run('holds', 'list', '--json')).stdout)).toMatchObject({
      freeze: null,
      holds: [{ holdId, kind: 'target', size: 60, status: 'open' }],
    })
    const shown = JSON.parse((await run('holds', 'show', holdId, '--json')).stdout) as {
      hash: string
      items: unknown[]
    }
    expect(shown.items).toHaveLength(60)
    expect(shown.hash).toMatch(/^[0-9a-f]{64}$/)
    const rejected = await run('holds', 'reject', holdId, '--reason', 'a mistake', '--json')
    expect(JSON.parse(rejected.stdout)).toEqual({ holdId, reason: 'a mistake' })
    const { stdout } = await run('holds', 'show', holdId)
    expect(stdout).toMatch(/State: +rejected .* by command \(.*\): a mistake/)
    expect(stdout).not.toContain('approve')
  })

  test('freeze and unfreeze; status and doctor tell of it', async () => {
    const { run } = await world()
    expect(await run('holds', 'unfreeze')).toMatchObject({ code: 0, stdout: 'No freeze was on.\n' })
    expect((await run('holds', 'freeze', '--reason', 'outage')).stdout).toContain(
      'Frozen: nothing is removed',
    )
    for (const command of [['status'], ['holds'], ['doctor']]) {
      const { stdout } = await run(...command)
      expect(stdout.toLowerCase()).toContain('all removals are frozen since')
      expect(stdout).toContain('outage')
    }
    expect(await run('holds', 'freeze', '--reason', 'again')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('frozen already: outage'),
    })
    expect((await run('holds', 'unfreeze')).stdout).toContain('The freeze has ended.')
  })

  test('limits are shown, set, overridden until a day and taken back', async () => {
    const { run, db } = await world()
    const until = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10)
    expect((await run('holds', 'limits')).stdout).toContain('No Entra tenant has limits of its own.')
    await run('holds', 'limits', 'contoso.com', '--percent', '20', '--reason', 'restless')
    const set = await run('holds', 'limits', 'contoso', '--max', '100000', '--until', until)
    expect(set.stdout).toContain(`Contoso: max 100000, until ${until}T23:59:59.000Z, by command (`)
    expect(set.stdout).toMatch(/Contoso: percent 20, lasting, by command \(.*\): restless/)
    expect(await run('holds', 'limits', 'contoso', '--percent', '100')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('A lasting holdPercent is 50 at most.'),
    })
    await run('holds', 'limits', 'contoso', '--clear')
    expect(await db.selectFrom('hold_limits').selectAll().execute()).toEqual([])
  })

  test.each([
    [['holds', 'show', 'abc'], 'It is no id of a hold'],
    [['holds', 'approve', contoso], "required option '--hash <hash>'"],
    [['holds', 'approve', contoso, '--hash', 'abc'], 'It is no hash of a hold'],
    [['holds', 'reject', contoso], "required option '--reason <text>'"],
    [['holds', 'limits', 'x', '--percent', '101'], 'a number from 0 to 100'],
    [['holds', 'limits', 'x', '--percent', '-5'], 'a number from 0 to 100'],
    [['holds', 'limits', 'x', '--min', 'NaN'], 'a whole number'],
    [['holds', 'limits', 'x', '--until', '2020-01-01'], 'It has passed'],
    [['holds', 'limits', '--min', '3'], 'say of which Entra tenant'],
    [['holds', 'limits', 'x', '--until', '2999-01-01'], '--until wants a limit'],
  ])('%j is wrong use: %s', async (args, text) => {
    const { code, stderr } = await runCommand(args, { DATABASE_URL: 'postgres://127.0.0.1:9/none' })
    expect({ code, told: stderr.includes(text) }).toEqual({ code: 2, told: true })
  })
})

describe('the API', () => {
  test('shows, previews, approves once; refuses what is closed, another set, and the frozen fleet with 409', async () => {
    const { url, database } = await startTestHttp()
    await drainedGroup(database.db)
    const ask = async (method: string, path: string, body?: unknown) => {
      const answer = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: { Authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
    }
    const { body: list } = await ask('GET', '/holds?limit=1')
    const [hold] = list['items'] as { holdId: string }[]
    const path = `/holds/${hold?.holdId}`
    const { body: shown } = await ask('GET', `${path}?items=3`)
    expect(shown).toMatchObject({ size: 60, what: '60 of 60 targets would go', items: [{}, {}, {}] })
    expect(await ask('GET', `${path}/effect`)).toMatchObject({
      status: 200,
      body: { preview: { applied: 60, effect: { persons: { lose: 60 } } } },
    })
    expect(await ask('POST', `${path}/approve`, { hash: 'f'.repeat(64) })).toMatchObject({
      status: 409,
      body: { error: 'hold_changed' },
    })
    expect(await ask('PUT', '/fleet-freeze', { reason: 'night' })).toEqual({
      status: 200,
      body: { settled: true },
    })
    expect(await ask('GET', '/fleet-freeze')).toMatchObject({ body: { freeze: { reason: 'night' } } })
    expect(await ask('POST', `${path}/approve`, { hash: shown['hash'] })).toMatchObject({
      status: 409,
      body: { error: 'fleet_frozen' },
    })
    expect(await ask('DELETE', '/fleet-freeze')).toMatchObject({ status: 200, body: { wasFrozen: true } })
    expect(await ask('POST', `${path}/approve`, { hash: shown['hash'] })).toMatchObject({
      status: 200,
      body: { applied: 60, effect: { persons: { lose: 60 } } },
    })
    expect(await ask('POST', `${path}/reject`, { reason: 'no' })).toMatchObject({
      status: 409,
      body: { error: 'hold_closed' },
    })
    expect(await ask('POST', `/holds/${contoso}/approve`, { hash: 'f'.repeat(64) })).toMatchObject({
      status: 404,
    })
    expect(await ask('PUT', `/entra-tenants/${contoso}/hold-limits`, { holdPercent: 80 })).toMatchObject({
      status: 400,
      body: { error: 'limits_too_large' },
    })
    expect(await ask('PUT', `/entra-tenants/${contoso}/hold-limits`, { holdPercent: 40 })).toMatchObject({
      body: { items: [{ holdPercent: 40, setBy: expect.stringMatching(/^operator/) }] },
    })
    expect(await ask('GET', '/hold-limits')).toMatchObject({ body: { items: [{ entraTenantId: contoso }] } })
    expect(await ask('DELETE', `/entra-tenants/${contoso}/hold-limits`)).toMatchObject({
      body: { cleared: 1 },
    })
  })
})

describe('the console', () => {
  test('an operator looks at a hold and rejects it, then freezes and unfreezes; a viewer only looks', async () => {
    const { url, database } = await startTestHttp()
    await drainedGroup(database.db, hostile)
    const browser = await openBrowser()
    onTestFinished(() => browser.close())
    const open = async (token: string) => {
      const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage()
      await page.goto(url)
      await page.getByLabel('Ops token').fill(token)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('link', { name: 'Holds', exact: true }).click()
      await page.getByRole('heading', { name: 'Holds', exact: true }).waitFor()
      return page
    }
    const viewer = await open(viewerToken)
    await viewer.getByRole('link', { name: 'Contoso Ltd' }).click()
    await viewer.getByRole('heading', { name: '60 of 60 targets would go' }).waitFor()
    await viewer.getByText(`${hostile}01@contoso.com`).first().waitFor()
    expect(await viewer.getByRole('button', { name: /Approve|Reject/ }).count()).toBe(0)

    const page = await open(operatorToken)
    await page.getByText('Freeze all removals').click()
    await page.getByLabel('Why').fill(hostile)
    await page.getByRole('button', { name: 'Freeze' }).click()
    await page.getByRole('alert').getByText(hostile).waitFor()
    await page.getByRole('link', { name: 'Overview' }).click()
    await page.getByRole('alert').getByText('All removals are frozen').waitFor()
    await page.goto(`${url}/holds`)
    await page.getByRole('link', { name: 'Contoso Ltd' }).click()
    await page.getByText('end the freeze under').waitFor()
    await page.goto(`${url}/holds`)
    await page.getByRole('button', { name: 'End the freeze' }).click()
    await page.getByText('The freeze has ended.').waitFor()
    await page.getByRole('link', { name: 'Contoso Ltd' }).click()
    await page.getByRole('button', { name: 'Approve: apply these 60' }).waitFor()
    await page.getByLabel('Why keep them').fill('a mistake of theirs')
    await page.getByRole('button', { name: 'Reject: keep all for 30 days' }).click()
    await page.getByText('Rejected: all of it stays').waitFor()
    await page.getByRole('row', { name: /rejected .* a mistake of theirs/ }).waitFor()
    expect(await sql`select 1 from deployment_targets`.execute(database.db)).toMatchObject({
      rows: { length: 60 },
    })
  })
})

import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { resolveTargets } from '../../../src/targets/resolve.ts'
import { openBrowser } from '../../harness/browser.ts'
import { computersOf, groupOf, personsOf, tenantOf } from '../../targets/world.ts'
import { startTestHttp, viewerToken } from '../start.ts'
import { hostile } from './fleet.ts'

test('a viewer finds a deployment with a warning and sees where it wins, names of attackers being text', async () => {
  const { url, database, deps } = await startTestHttp()
  const { db } = database
  const contoso = await tenantOf(database, 'Contoso')
  const evil = await tenantOf(database, hostile)
  const [adele, ben] = await personsOf(database, contoso, ['Adele', 'Ben'])
  const [eve] = await personsOf(database, evil, ['Eve'])
  await groupOf(database, contoso, 'Engineering', [adele?.objectId ?? '', ben?.objectId ?? ''])
  await groupOf(database, evil, 'Engineering', [eve?.objectId ?? ''])
  const twin = await groupOf(database, evil, 'ENGINEERING')
  await computersOf(database, contoso, [{ name: 'PC-1', user: adele?.upn ?? '' }])
  await sql`
    with items as (insert into maintenance_items (name) values ('AutoCAD'), (${hostile}) returning item_id, name)
    insert into deployments (name, item_id, scope, target_type, target, version)
    select case name when 'AutoCAD' then 'AutoCAD for engineers' else ${`All ${hostile}`} end, item_id, 'cross_tenant',
      case name when 'AutoCAD' then 'group_name' else 'everyone' end,
      case name when 'AutoCAD' then '{"name": "Engineering"}' else '{}' end::jsonb, '2022' from items`.execute(
    db,
  )
  await resolveTargets(deps, { trigger: 'test' })

  const browser = await openBrowser()
  onTestFinished(() => browser.close())
  const context = await browser.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  await page.goto(url)
  await page.getByLabel('Ops token').fill(viewerToken)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('link', { name: 'Deployments' }).click()
  await page.getByRole('heading', { name: 'Deployments', exact: true }).waitFor()
  await page.getByRole('link', { name: `All ${hostile}` }).waitFor()
  await page.getByRole('combobox').selectOption('with warnings or holds')
  await page.getByRole('button', { name: 'Search' }).click()
  expect(await page.getByRole('link', { name: `All ${hostile}` }).count()).toBe(0)
  await page.getByText(`${hostile}: 2 groups are named Engineering: all of them count.`).waitFor()
  await page.getByRole('link', { name: 'AutoCAD for engineers' }).click()
  await page.getByRole('heading', { name: 'AutoCAD for engineers' }).waitFor()
  await page.getByText('AutoCAD 2022 installed').waitFor()
  await page.getByRole('row', { name: 'Contoso 2 1' }).waitFor()
  await page.getByRole('row', { name: `${hostile} 1 0` }).waitFor()

  // The warning ends with what it warns of.
  await sql`update groups set deleted_at = now() where object_id = ${twin}`.execute(db)
  await page.reload()
  expect(await page.getByRole('heading', { name: 'Warnings' }).count()).toBe(0)
})

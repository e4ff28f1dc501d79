import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { resolveTargets } from '../../../src/targets/resolve.ts'
import { openBrowser } from '../../harness/browser.ts'
import { computersOf, groupOf, personsOf, tenantOf } from '../../targets/world.ts'
import { startTestHttp, viewerToken } from '../start.ts'
import { hostile } from './fleet.ts'

test('a viewer searches a person, sees why it gets AutoCAD and why another one does not, and what a computer gets', async () => {
  const { url, database, deps } = await startTestHttp()
  const { db } = database
  const contoso = await tenantOf(database, 'Contoso')
  const [adele, ben] = await personsOf(database, contoso, ['Adele', hostile])
  await groupOf(database, contoso, 'Engineering', [adele?.objectId ?? ''])
  await computersOf(database, contoso, [{ name: 'PC-1', user: adele?.upn ?? '' }])
  await sql`
    with item as (insert into maintenance_items (name) values ('AutoCAD') returning item_id)
    insert into deployments (name, item_id, scope, target_type, target, version)
    select 'AutoCAD for engineers', item_id, 'cross_tenant', 'group_name', '{"name": "Engineering"}', '2022' from item`.execute(
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

  await page.getByRole('link', { name: 'Persons', exact: true }).click()
  await page.getByRole('searchbox').fill('adel')
  await page.getByRole('button', { name: 'Search' }).click()
  expect(await page.getByRole('link', { name: hostile }).count()).toBe(0)
  await page.getByRole('link', { name: 'Adele' }).click()
  await page.getByRole('heading', { name: 'AutoCAD 2022 installed' }).waitFor()
  await page.getByRole('row', { name: 'AutoCAD for engineers wins in Engineering' }).waitFor()
  if (process.env['SCREENSHOT']) await page.screenshot({ path: process.env['SCREENSHOT'], fullPage: true })

  await page.goto(`${url}/persons/${ben?.personId ?? ''}`)
  await page.getByText('No deployment reaches it. Ask for an item to see why not.').waitFor()
  await page.getByRole('searchbox').fill('autocad')
  await page.getByRole('button', { name: 'Ask' }).click()
  await page.getByRole('row', { name: 'AutoCAD for engineers not in Engineering' }).waitFor()

  await page.getByRole('link', { name: 'Computers', exact: true }).click()
  await page.getByRole('link', { name: 'PC-1' }).click()
  await page.getByRole('heading', { name: 'Through its primary user, Adele' }).waitFor()
  await page.getByRole('heading', { name: 'AutoCAD 2022 installed' }).waitFor()
})

import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { runCommand } from '../../cli/run-command.ts'
import { testDatabase } from '../../harness/database.ts'
import { addPerson, addSku, addTenant } from './estate.ts'

const file = 'deployments/recommended.yaml'
const office = { id: '43de0ff5-c92c-492b-9116-175376d08c38', name: 'OFFICESUBSCRIPTION' }
const business = { id: '094e7854-93fc-4d55-b2c0-3ab5369ebdc1', name: 'OFFICE_BUSINESS' }
const project = { id: 'fafd7243-e5c1-4a3a-9e40-495efcb1d3c3', name: 'PROJECT_CLIENT_SUBSCRIPTION' }
const visio = { id: '663a804f-1c30-4ff0-9915-9db84f0d1cea', name: 'VISIO_CLIENT_SUBSCRIPTION' }
const web = { id: 'e95bec33-7c88-4a70-8e19-b10bd9d0c014', name: 'SHAREPOINTWAC' }

test('the recommended deployments give each product to whoever is licensed for it, and to nobody else', async () => {
  const { db, url, drop } = await testDatabase()
  onTestFinished(drop)
  const env = { DATABASE_URL: url }
  const estate = await addTenant(db, 'Contoso')
  const sku = async (part: string, ...plans: (typeof office)[]) => {
    const id = randomUUID()
    await addSku(db, estate, { id, part, plans })
    return { sku: id }
  }
  const e5 = await sku('SPE_E5', office, web)
  const spb = await sku('SPB', business, web)
  const plan3 = await sku('PROJECTPROFESSIONAL', project)
  const plan2 = await sku('VISIOCLIENT', visio)
  const basic = await sku('O365_BUSINESS_ESSENTIALS', web)
  await addPerson(db, estate, 'all', [e5, spb, plan3, plan2])
  await addPerson(db, estate, 'business', [spb, basic])
  await addPerson(db, estate, 'web', [basic])
  await addPerson(db, estate, 'switched-off', [{ ...e5, off: [office.id] }])

  const targets = async () => {
    const { rows } = await sql<{ who: string; what: string; how: string; over: string | null }>`
      select split_part(p.user_principal_name, '@', 1) as who, i.name as what,
        concat_ws(' ', t.scope, t.version, t.desired_state, t.enforcement) as how, t.reason ->> 'over' as over
      from deployment_targets t join persons p on p.person_id = t.subject_id join maintenance_items i using (item_id)
      order by 1, 2`.execute(db)
    return rows
  }
  const how = 'cross_tenant latest installed required'
  const wanted = [
    { who: 'all', what: 'Microsoft 365 Apps for enterprise', how, over: 'm365_apps_business' },
    { who: 'all', what: 'Project', how, over: null },
    { who: 'all', what: 'Visio', how, over: null },
    { who: 'business', what: 'Microsoft 365 Apps for business', how, over: null },
  ]

  const preview = await runCommand(['deployments', 'preview', file], env)
  expect({ code: preview.code, stderr: preview.stderr }).toEqual({ code: 0, stderr: '' })
  expect(await targets()).toEqual([])
  const applied = await runCommand(['deployments', 'apply', file, '--yes'], env)
  expect({ code: applied.code, stderr: applied.stderr }).toEqual({ code: 0, stderr: '' })
  expect(await targets()).toEqual(wanted)
  const { rows: before } = await sql`select * from deployments order by name`.execute(db)
  expect(before).toHaveLength(4)
  const again = await runCommand(['deployments', 'apply', file, '--yes'], env)
  expect(again.code).toBe(0)
  const { rows: after } = await sql`select * from deployments order by name`.execute(db)
  expect(after).toEqual(before)
  expect(await targets()).toEqual(wanted)
})

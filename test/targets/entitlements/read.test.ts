import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../../src/db/tables.ts'
import { readEntitlements } from '../../../src/targets/entitlements/read.ts'
import { resolveTargets } from '../../../src/targets/resolve.ts'
import { runCommand } from '../../cli/run-command.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { operatorToken, startTestHttp, viewerToken } from '../../http/start.ts'
import { addPerson, addSku, addTenant, contextOf, graceMs, type Estate } from './estate.ts'

const enterprise = { id: '43de0ff5-c92c-492b-9116-175376d08c38', name: 'OFFICESUBSCRIPTION' }
const business = { id: '094e7854-93fc-4d55-b2c0-3ab5369ebdc1', name: 'OFFICE_BUSINESS' }
const project = { id: 'fafd7243-e5c1-4a3a-9e40-495efcb1d3c3', name: 'PROJECT_CLIENT_SUBSCRIPTION' }
const e3 = { id: randomUUID(), part: 'SPE_E3', plans: [enterprise] }
const spb = { id: randomUUID(), part: 'SPB', plans: [business] }
const planOfOwn = randomUUID()
const p3 = {
  id: randomUUID(),
  part: 'PROJECTPROFESSIONAL',
  plans: [project, { id: planOfOwn, name: 'OURS' }],
}

let database: TestDatabase
let db: Kysely<Database>
let contoso: Estate
let fabrikam: Estate

beforeAll(async () => {
  database = await testDatabase()
  db = database.db
  ;[contoso, fabrikam] = await fill(db)
})
afterAll(() => database.drop())

/** Contoso: 3 enterprise, 1 business, 2 Project. Fabrikam, whose E3 is suspended for good: 1 business. */
async function fill(into: Kysely<Database>): Promise<[Estate, Estate]> {
  const one = await addTenant(into, 'Contoso')
  const two = await addTenant(into, 'Fabrikam')
  for (const sku of [e3, spb, p3]) await addSku(into, one, sku)
  await addSku(into, two, { ...e3, status: 'Suspended' })
  await addSku(into, two, spb)
  await sql`update subscribed_skus set status_since = now() - interval '31 days'
    where capability_status = 'Suspended'`.execute(into)
  await addPerson(into, one, 'enterprise', [{ sku: e3.id }])
  await addPerson(into, one, 'business', [{ sku: spb.id }])
  await addPerson(into, one, 'both', [{ sku: spb.id }, { sku: e3.id }])
  await addPerson(into, one, 'both-and-project', [{ sku: spb.id }, { sku: e3.id }, { sku: p3.id }])
  await addPerson(into, one, 'project', [{ sku: p3.id }])
  await addPerson(into, one, 'switched-off', [{ sku: e3.id, off: [enterprise.id] }])
  await addPerson(into, one, 'gone', [{ sku: e3.id }], { deleted: true })
  await addPerson(into, one, 'homeless', [{ sku: e3.id }], { homeless: true })
  await addPerson(into, one, 'unknown-sku', [{ sku: randomUUID() }])
  await addPerson(into, two, 'suspended-and-business', [{ sku: e3.id }, { sku: spb.id }])
  return [one, two]
}

const counts = async (tenantId: string | null = null, grace = graceMs) =>
  Object.fromEntries(
    (await readEntitlements(db, { graceMs: grace, tenantId })).map((one) => [
      one.entitlement,
      one.tenants.map(({ name, persons }) => `${name} ${persons}`),
    ]),
  )

test('persons by tenant: plans switched off, suspended SKUs and deleted persons do not count; business yields', async () => {
  expect(await counts()).toEqual({
    m365_apps_enterprise: ['Contoso 3'],
    m365_apps_business: ['Contoso 1', 'Fabrikam 1'],
    project_desktop: ['Contoso 2'],
    visio_desktop: [],
  })
  expect(await counts(fabrikam.tenantId)).toMatchObject({
    m365_apps_enterprise: [],
    m365_apps_business: ['Fabrikam 1'],
  })
  expect(await counts(null, 40 * 24 * 60 * 60 * 1000)).toMatchObject({
    m365_apps_enterprise: ['Contoso 3', 'Fabrikam 1'],
    m365_apps_business: ['Contoso 1'],
  })
})

test('the same as the resolver, whom a deployment of each gives it', async () => {
  const other = await testDatabase()
  try {
    await fill(other.db)
    await sql`insert into app_entitlements (entitlement, product_name) values ('ours', 'Ours')`.execute(
      other.db,
    )
    await sql`insert into app_entitlement_plans (entitlement, service_plan_id, service_plan_name)
      values ('ours', ${planOfOwn}, 'OURS')`.execute(other.db)
    await sql`
      with items as (insert into maintenance_items (name) select entitlement from app_entitlements returning *)
      insert into deployments (name, item_id, scope, target_type, target)
      select name, item_id, 'cross_tenant', 'app_entitlement', jsonb_build_object('entitlement', name) from items`.execute(
      other.db,
    )
    await resolveTargets(contextOf(other.db), { trigger: 'test' })
    const { rows } = await sql<{ entitlement: string; tenant: string; persons: number }>`
      select i.name as entitlement, t.name as tenant, count(*)::int as persons
      from deployment_targets d join maintenance_items i using (item_id) join tenants t using (tenant_id)
      group by 1, 2 order by 1, 2`.execute(other.db)
    const listed = await readEntitlements(other.db, { graceMs })
    expect(rows).toEqual(
      listed.flatMap(({ entitlement, tenants }) =>
        tenants.map(({ name, persons }) => ({ entitlement, tenant: name, persons })),
      ),
    )
    expect(rows).toContainEqual({ entitlement: 'ours', tenant: 'Contoso', persons: 2 })
  } finally {
    await other.drop()
  }
})

test('plans and the SKUs that hold them; of one tenant only its own', async () => {
  const [, first] = await readEntitlements(db, { graceMs })
  expect(first).toMatchObject({
    entitlement: 'm365_apps_enterprise',
    productName: 'Microsoft 365 Apps for enterprise',
    yieldsTo: null,
    source: 'built_in',
    plans: [{ servicePlanName: 'OFFICESUBSCRIPTION' }, { servicePlanName: 'OFFICESUBSCRIPTION_GOV' }],
    skus: [
      {
        skuId: e3.id,
        skuPartNumber: 'SPE_E3',
        productName: 'SPE_E3 product',
        servicePlanNames: ['OFFICESUBSCRIPTION'],
        entraTenants: 1,
      },
    ],
    persons: 3,
  })
  const [business] = await readEntitlements(db, { graceMs })
  expect(business).toMatchObject({ yieldsTo: 'm365_apps_enterprise', skus: [{ entraTenants: 2 }] })
  const [, ofFabrikam] = await readEntitlements(db, { graceMs, tenantId: fabrikam.tenantId })
  expect(ofFabrikam?.skus).toEqual([])
})

test('entitlements list', async () => {
  const env = { DATABASE_URL: database.url }
  const told = await runCommand(['entitlements', 'list'], env)
  expect(told).toMatchObject({ code: 0, stderr: '' })
  expect(told.stdout).toMatch(
    /^m365_apps_business +Microsoft 365 Apps for business +2 +2 +m365_apps_enterprise$/m,
  )
  expect(told.stdout).toMatch(
    /^m365_apps_enterprise\n {2}plan OFFICESUBSCRIPTION {2}43de0ff5-c92c-492b-9116-175376d08c38\n/m,
  )
  expect(told.stdout).toContain('  SKU  SPB product (SPB) by OFFICE_BUSINESS, in 2 Entra tenants\n')
  expect(told.stdout).toMatch(/^visio_desktop\n( {2}plan .*\n){2} {2}No subscribed SKU gives it now\.$/m)
  expect(told.stdout).toMatch(/^Contoso +1 +3 +2 +0$/m)
  const one = await runCommand(['entitlements', '--tenant', 'FABRIKAM', '--json'], {
    ...env,
    SUSPENDED_LICENSE_GRACE: 'P40D',
  })
  const { entitlements } = JSON.parse(one.stdout) as { entitlements: { persons: number }[] }
  expect(entitlements.map(({ persons }) => persons)).toEqual([0, 1, 0, 0])
  const none = await runCommand(['entitlements', 'list', '--tenant', 'nobody'], env)
  expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('tenants list') as string })
})

test('GET /api/v1/entitlements', async () => {
  const http = await startTestHttp()
  const [, tenant] = await fill(http.database.db)
  const get = async (query: string, token = viewerToken) => {
    const answer = await fetch(`${http.url}/api/v1/entitlements${query}`, {
      headers: { Authorization: `Bearer ${token}` },
    })
    return { status: answer.status, body: await answer.json() }
  }
  const all = await readEntitlements(http.database.db, { graceMs })
  expect(await get('')).toEqual({ status: 200, body: { items: all } })
  const ofOne = await readEntitlements(http.database.db, { graceMs, tenantId: tenant.tenantId })
  expect(await get(`?tenantId=${tenant.tenantId}`, operatorToken)).toEqual({
    status: 200,
    body: { items: ofOne },
  })
  expect(await get(`?tenantId=${randomUUID()}`)).toMatchObject({ status: 404 })
  expect(await get('?tenantId=contoso')).toMatchObject({ status: 400 })
})

test('of one tenant whose Entra tenant has others too: its own persons only', async () => {
  const split = randomUUID()
  await sql`insert into tenants (tenant_id, name, slug) values (${split}, 'Split', 'split')`.execute(db)
  await sql`insert into tenant_links (tenant_id, entra_tenant_id, domain)
    values (${split}, ${contoso.entraTenantId}, 'split.example')`.execute(db)
  await addPerson(db, { ...contoso, tenantId: split }, 'splitter', [{ sku: e3.id }])
  expect(await counts(split)).toMatchObject({ m365_apps_enterprise: ['Split 1'], project_desktop: [] })
  expect(await counts(contoso.tenantId)).toMatchObject({ m365_apps_enterprise: ['Contoso 3'] })
})

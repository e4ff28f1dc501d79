import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLog } from '../../src/log.ts'
import { explain, findItem } from '../../src/targets/explain/explain.ts'
import { findSubject } from '../../src/targets/explain/subject.ts'
import { notesOf, verdictText } from '../../src/targets/explain/texts.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { computersOf, groupOf, personsOf, tenantOf } from './world.ts'

const visio = '663a804f-1c30-4ff0-9915-9db84f0d1cea'
const sku = '00000008-0000-4000-8000-000000000001'
let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
  const { db } = database
  const contoso = await tenantOf(database, 'Contoso')
  const people = await personsOf(database, contoso, ['Ada', 'Bob', 'Cleo', 'Dan', 'Eve'])
  await groupOf(database, contoso, 'Engineering', [people[0]?.objectId ?? ''])
  await computersOf(database, contoso, [{ name: 'PC-1', user: people[0]?.upn ?? '' }, { name: 'PC-2' }])
  for (const statement of [
    sql`update persons set account_enabled = false where display_name = 'Cleo'`,
    sql`update persons set user_type = 'Guest' where display_name = 'Dan'`,
    sql`update persons set tags = '{no-cad}' where display_name = 'Eve'`,
    sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, capability_status) select entra_tenant_id, ${sku}::uuid, 'VISIOCLIENT', 'Enabled' from entra_tenants`,
    sql`insert into sku_service_plans (entra_tenant_id, sku_id, service_plan_id, service_plan_name) select entra_tenant_id, ${sku}::uuid, ${visio}::uuid, 'VISIO_CLIENT_SUBSCRIPTION' from entra_tenants`,
    sql`insert into person_licenses (entra_tenant_id, object_id, sku_id, disabled_plans)
      select entra_tenant_id, object_id, ${sku}::uuid, case display_name when 'Bob' then array[${visio}::uuid] else '{}' end from persons where display_name in ('Ada', 'Bob')`,
    sql`insert into maintenance_items (name) values ('AutoCAD'), ('Visio'), ('Nothing')`,
    sql`insert into deployments (name, item_id, scope, target_type, target, excludes)
      select d.name, i.item_id, 'cross_tenant', d.type, d.target::jsonb, d.excludes::jsonb from maintenance_items i join (values
        ('Engineers', 'AutoCAD', 'group_name', '{"name": "Engineering"}', '[]'),
        ('All', 'AutoCAD', 'everyone', '{}', '[{"type": "tag", "tag": "no-cad"}]'),
        ('Licensed', 'Visio', 'app_entitlement', '{"entitlement": "visio_desktop"}', '[]')) as d (name, item, type, target, excludes) on d.item = i.name`,
    sql`insert into deployments (name, item_id, scope, target_type, enabled) select 'Off', item_id, 'cross_tenant', 'everyone', false from maintenance_items where name = 'AutoCAD'`,
  ])
    await statement.execute(db)
  const log = createLog({ level: 'silent', pretty: false })
  await resolveTargets(
    { db, guard: { holdMin: 5, holdPercent: 10, holdMax: 500 }, licenseGraceMs: 1, log },
    { trigger: 'test' },
  )
})
afterAll(() => database.drop())

async function asked(who: string, what: string | null) {
  const { db } = database
  const subject = await findSubject(db, who)
  const item = what === null ? null : await findItem(db, what)
  const explanation = await explain({ db, licenseGraceMs: 1 }, subject, item?.itemId ?? null)
  return {
    notes: notesOf(explanation),
    texts: explanation.items.flatMap(({ deployments }) =>
      deployments.map((one) => `${one.name}: ${verdictText(one)}`),
    ),
    explanation,
  }
}

test.each([
  [
    'Ada',
    'AutoCAD',
    [
      'Engineers: wins: in Engineering',
      'All: everyone, but Engineers wins: it names its target more exactly',
      'Off: is switched off',
    ],
  ],
  ['Bob', 'AutoCAD', ['Engineers: not in Engineering', 'All: wins: everyone', 'Off: is switched off']],
  [
    'Cleo',
    'AutoCAD',
    [
      'Engineers: not in Engineering',
      'All: everyone, but left out: the account is disabled',
      'Off: is switched off',
    ],
  ],
  [
    'Dan',
    'AutoCAD',
    ['Engineers: not in Engineering', 'All: everyone, but left out: a guest', 'Off: is switched off'],
  ],
  [
    'Eve',
    'AutoCAD',
    ['Engineers: not in Engineering', 'All: everyone, but excluded by it', 'Off: is switched off'],
  ],
  ['Ada', 'Visio', ['Licensed: wins: entitled by VISIOCLIENT (VISIO_CLIENT_SUBSCRIPTION)']],
  [
    'Bob',
    'Visio',
    [
      'Licensed: VISIOCLIENT is assigned, but its plan VISIO_CLIENT_SUBSCRIPTION is switched off for this person',
    ],
  ],
  ['Eve', 'Visio', ['Licensed: has no licence for Visio desktop']],
  ['Ada', 'Nothing', []],
])('%s and %s', async (who, what, texts) => {
  const { rows } = await sql<{
    upn: string
  }>`select user_principal_name as upn from persons where display_name = ${who}`.execute(database.db)
  expect((await asked(rows[0]?.upn ?? '', what)).texts).toEqual(texts)
})

test('a computer is explained with its primary user, and says through whom it gets what', async () => {
  const { explanation } = await asked('pc-1', null)
  expect(explanation.primaryUser?.subject.name).toBe('Ada')
  expect(explanation.wins.map(({ through }) => through)).toEqual(['person', 'person'])
  expect((await asked('PC-2', 'AutoCAD')).texts[1]).toBe(
    'All: it is for persons; a computer gets it through its primary user',
  )
})

test('a SKU that is suspended, and a tenant that takes no part, are told', async () => {
  const { db } = database
  await sql`update subscribed_skus set capability_status = 'Suspended', status_since = '2026-01-02'`.execute(
    db,
  )
  await sql`update tenants set in_cross_tenant_deployments = false`.execute(db)
  const { rows } = await sql<{
    upn: string
  }>`select user_principal_name as upn from persons where display_name = 'Ada'`.execute(db)
  const left = await asked(rows[0]?.upn ?? '', 'Visio')
  expect(left.texts).toEqual([
    'Licensed: is for all tenants, and this tenant is excluded from cross-tenant deployments',
  ])
  expect(left.notes).toContain('changes are waiting to be resolved')
  await sql`update tenants set in_cross_tenant_deployments = true`.execute(db)
  expect((await asked(rows[0]?.upn ?? '', 'Visio')).texts).toEqual([
    'Licensed: VISIOCLIENT is suspended since 2026-01-02',
  ])
})

test('who is not there, and who is there twice, is said with what to do', async () => {
  await expect(findSubject(database.db, 'nobody@contoso.example')).rejects.toMatchObject({
    code: 'subject_unknown',
  })
  const fabrikam = await tenantOf(database, 'Fabrikam')
  await computersOf(database, fabrikam, [{ name: 'PC-1' }])
  await expect(findSubject(database.db, 'PC-1')).rejects.toMatchObject({
    code: 'subject_ambiguous',
    remedy: 'Give --tenant, or the id.',
  })
  expect((await findSubject(database.db, 'PC-1', 'fabrikam')).tenant).toBe('Fabrikam')
})

import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../../src/db/tables.ts'
import { readEntitlements } from '../../../src/targets/entitlements/read.ts'
import { resolveTargets } from '../../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { addPerson, addSku, addTenant, contextOf, graceMs } from './estate.ts'
import { readMicrosoftTable, reasons } from './microsoft.ts'

const { plans, skus } = await readMicrosoftTable()
let database: TestDatabase
let db: Kysely<Database>

beforeAll(async () => {
  database = await testDatabase()
  db = database.db
})
afterAll(() => database.drop())

const sorted = (texts: Iterable<string>): string[] => [...texts].toSorted((a, b) => a.localeCompare(b))

describe("Microsoft's table", () => {
  test('every plan that has to do with the products is mapped, or named with why it is not', async () => {
    const { rows } = await sql<{ id: string; entitlement: string; name: string }>`
      select service_plan_id as id, entitlement, service_plan_name as name
      from app_entitlement_plans order by 1`.execute(db)
    const mapped = plans.filter(({ gives }) => gives !== '')
    expect(rows).toEqual(
      mapped
        .map(({ id, gives, name }) => ({ id, entitlement: gives, name }))
        .toSorted((one, other) => one.id.localeCompare(other.id)),
    )
    for (const { name, gives, whyNot } of plans)
      expect({ name, one: (gives === '') === whyNot in reasons }).toEqual({ name, one: true })
    expect(new Set(plans.map(({ id }) => id)).size).toBe(plans.length)
    expect(plans.length).toBe(109)
  })

  test('it has commercial, education, government and nonprofit SKUs of each product that is sold so', () => {
    const giving = (product: string, name: RegExp): number =>
      skus.filter((sku) => sku.gives.includes(product) && name.test(`${sku.part} ${sku.product}`)).length
    expect(giving('m365_apps_enterprise', /./)).toBe(55)
    expect(giving('m365_apps_business', /./)).toBe(12)
    expect(giving('project_desktop', /./)).toBe(15)
    expect(giving('visio_desktop', /./)).toBe(5)
    for (const product of ['m365_apps_enterprise', 'project_desktop', 'visio_desktop']) {
      expect(giving(product, /FACULTY|STUDENT/)).toBeGreaterThan(0)
      expect(giving(product, /GCCHIGH/)).toBeGreaterThan(0)
      expect(giving(product, /GCC(?!HIGH)/)).toBeGreaterThan(0)
    }
    expect(giving('m365_apps_enterprise', /DOD/)).toBeGreaterThan(0)
    expect(giving('m365_apps_business', /Non_Profit/)).toBe(1)
  })
})

describe('one person for each SKU', () => {
  const found = new Map<string, string[]>()

  beforeAll(async () => {
    const estate = await addTenant(db, 'Contoso')
    const personOf = new Map<string, string>()
    for (const sku of skus) {
      await addSku(db, estate, sku)
      personOf.set(await addPerson(db, estate, sku.id, [{ sku: sku.id }]), sku.id)
    }
    for (const entitlement of [
      'm365_apps_enterprise',
      'm365_apps_business',
      'project_desktop',
      'visio_desktop',
    ]) {
      await sql`
        with item as (insert into maintenance_items (name) values (${entitlement}) returning item_id)
        insert into deployments (name, item_id, scope, target_type, target)
        select ${entitlement}, item_id, 'cross_tenant', 'app_entitlement', ${{ entitlement }} from item`.execute(
        db,
      )
    }
    await resolveTargets(contextOf(db), { trigger: 'test' })
    const { rows } = await sql<{ person: string; item: string }>`
      select subject_id as person, name as item from deployment_targets join maintenance_items using (item_id)`.execute(
      db,
    )
    for (const { person, item } of rows) {
      const sku = personOf.get(person) ?? ''
      found.set(sku, [...(found.get(sku) ?? []), item])
    }
  })

  test('whoever has an SKU with a desktop product gets that one, and nobody else gets any', () => {
    const wrong = skus
      .map(({ id, part, gives }) => ({ part, wanted: sorted(gives), got: sorted(found.get(id) ?? []) }))
      .filter(({ wanted, got }) => wanted.join() !== got.join())
    expect(wrong).toEqual([])
    expect(found.size).toBe(skus.filter(({ gives }) => gives.length > 0).length)
  })

  test.each([
    ['SPB', ['m365_apps_business']],
    ['O365_BUSINESS_PREMIUM', ['m365_apps_business']],
    ['LITEPACK_P2', ['m365_apps_business']],
    ['SPE_E3', ['m365_apps_enterprise']],
    ['M365EDU_A3_STUUSEBNFT', ['m365_apps_enterprise']],
    ['SPE_E5_USGOV_GCCHIGH', ['m365_apps_enterprise']],
    ['STANDARDWOFFPACK_IW_FACULTY', ['m365_apps_enterprise']],
    ['DYN365_ENTERPRISE_PLAN1', ['project_desktop']],
    ['PROJECT_PLAN3_DEPT', ['project_desktop']],
    ['VISIO_PLAN2_DEPT', ['visio_desktop']],
    ['O365_BUSINESS_ESSENTIALS', []],
    ['STANDARDPACK', []],
    ['STANDARDWOFFPACK', []],
    ['SPE_F1', []],
    ['ENTERPRISEPACKWITHOUTPROPLUS_GOV', []],
    ['OFFICE_PROPLUS_DEVICE1', []],
    ['SPE_E3_RPA1', []],
    ['PROJECT_P1', []],
    ['PROJECTESSENTIALS', []],
    ['PROJECTONLINE_PLAN_1', []],
    ['VISIOONLINE_PLAN1', []],
    ['VISIO_PLAN1_DEPT', []],
  ])('%s gives %j', (part, gives) => {
    const ids = skus.filter((sku) => sku.part === part).map(({ id }) => id)
    expect(ids.length).toBeGreaterThan(0)
    for (const id of ids) expect(found.get(id) ?? []).toEqual(gives)
  })

  test('the list of entitlements counts the same persons and names the same SKUs', async () => {
    for (const { entitlement, persons, skus: listed } of await readEntitlements(db, { graceMs })) {
      const giving = skus.filter(({ gives }) => gives.includes(entitlement))
      expect(persons).toBe(giving.length)
      expect(sorted(listed.map(({ skuId }) => skuId))).toEqual(sorted(giving.map(({ id }) => id)))
    }
  })
})

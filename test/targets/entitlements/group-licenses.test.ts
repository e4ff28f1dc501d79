import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import type { SyncContext } from '../../../src/sync/context.ts'
import { runSync } from '../../../src/sync/run.ts'
import { readEntitlements } from '../../../src/targets/entitlements/read.ts'
import { log, openCloud } from '../../consent/cloud.ts'
import { testDatabase } from '../../harness/database.ts'
import { syncOnce } from '../../sync/scripted.ts'
import { graceMs } from './estate.ts'

const business = '094e7854-93fc-4d55-b2c0-3ab5369ebdc1'
const spb = 'cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46'

test('a licence that a group assigns arrives with the plans that it switches off, beside one assigned directly', async () => {
  const { cloud, graph, close } = await openCloud({ sizes: [30], customers: 0, groupsPerTenant: 5 })
  onTestFinished(close)
  const { db, drop } = await testDatabase()
  onTestFinished(drop)
  const [tenant] = cloud.tenants
  if (tenant === undefined) throw new Error('no tenant')
  await sql`insert into entra_tenants (entra_tenant_id) values (${tenant.id})`.execute(db)
  const context: SyncContext = {
    db,
    graphFor: (id) => graph.forTenant(id),
    log,
    worker: 'worker-1',
    timings: { leaseMs: 60_000, renewMs: 15_000, sliceMs: 60_000 },
    guard: { holdMin: 1_000_000, holdPercent: 100, holdMax: 1_000_000 },
    appIdFor: () => cloud.clientId,
    intervals: { syncMs: 1_800_000, reconcileMs: 86_400_000 },
  }
  const sync = async () => {
    let run = await syncOnce(context, tenant.id)
    for (let slices = 0; run.status === 'yielded' && slices < 100; slices++)
      run = await runSync(context, tenant.id)
    expect(run).toMatchObject({ outcome: 'succeeded' })
  }
  await sync()
  await sql`with t as (insert into tenants (name, slug) values ('Contoso', 'contoso') returning tenant_id)
    insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${tenant.id} from t`.execute(db)
  await sql`select assign_tenants(${tenant.id})`.execute(db)

  const { users, groups } = tenant.directory.truth()
  const [user, group] = [users.find(({ userType }) => userType === 'Member'), groups[0]]
  if (user === undefined || group === undefined) throw new Error('no user or no group')
  const held = async () => {
    const { rows } = await sql<{ sku: string; off: string[]; groups: (string | null)[] }>`
      select sku_id as sku, disabled_plans as off, array(
        select assigned_by_group from person_license_sources s
        where s.object_id = l.object_id and s.sku_id = l.sku_id order by 1 nulls last) as groups
      from person_licenses l where object_id = ${user.id}`.execute(db)
    return rows
  }
  const entitled = async () => {
    const all = await readEntitlements(db, { graceMs })
    return all.find(({ entitlement }) => entitlement === 'm365_apps_business')?.persons ?? 0
  }
  tenant.directory.setLicenses(user.id, [])
  await sync()
  expect(await held()).toEqual([])
  const others = await entitled()

  tenant.directory.setLicenses(user.id, [{ skuId: spb, disabledPlans: [], assignedByGroup: group.id }])
  await sync()
  expect(await held()).toEqual([{ sku: spb, off: [], groups: [group.id] }])
  expect(await entitled()).toBe(others + 1)

  tenant.directory.setLicenses(user.id, [
    { skuId: spb, disabledPlans: [business], assignedByGroup: group.id },
  ])
  await sync()
  expect(await held()).toEqual([{ sku: spb, off: [business], groups: [group.id] }])
  expect(await entitled()).toBe(others)

  tenant.directory.setLicenses(user.id, [
    { skuId: spb, disabledPlans: [business], assignedByGroup: group.id },
    { skuId: spb, disabledPlans: [] },
  ])
  await sync()
  expect(await held()).toEqual([{ sku: spb, off: [], groups: [group.id, null] }])
  expect(await entitled()).toBe(others + 1)
})

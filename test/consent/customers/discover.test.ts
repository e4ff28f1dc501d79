import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listKnownCustomers } from '../../../src/consent/customers/customers.ts'
import { discoverCustomers, type Discovery } from '../../../src/consent/customers/discover.ts'
import { initMsp } from '../../../src/consent/links/init-msp.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { log, openCloud, type CloudAndGraph } from '../cloud.ts'

let database: TestDatabase
let opened: CloudAndGraph | null = null

beforeEach(async () => {
  database = await testDatabase()
})
afterEach(async () => {
  await opened?.close()
  opened = null
  await database.drop()
})

async function open(customers: number): Promise<CloudAndGraph> {
  opened = await openCloud({ customers, users: customers + 1 })
  const { cloud, graph } = opened
  await initMsp(database.db, (name) => graph.tenantIdOf(name), {
    name: 'MSP',
    entraTenant: cloud.partnerTenantId,
    actor: 'test',
  })
  return opened
}

function discover({ graph, cloud }: CloudAndGraph): Promise<Discovery> {
  const context = { db: database.db, graphFor: graph.forTenant, log }
  return discoverCustomers(context, cloud.partnerTenantId, AbortSignal.timeout(30_000))
}

async function missing(): Promise<{ customers: number; relationships: number }> {
  const { rows } = await sql<{ customers: number; relationships: number }>`
    select (select count(*) from gdap_customers where missing_since is not null) as customers,
      (select count(*) from gdap_relationships where missing_since is not null) as relationships`.execute(
    database.db,
  )
  return rows[0] ?? { customers: -1, relationships: -1 }
}

/** Takes a customer off both of the partner's lists. */
function unlist({ cloud }: CloudAndGraph, index: number): string {
  const tenant = cloud.tenants[index]
  if (tenant === undefined) throw new Error('no such tenant')
  tenant.gdap = []
  return tenant.id
}

describe('discovery', () => {
  it.each([0, 1, 300, 301, 900])('finds %d customers, all of them, and again the same', async (count) => {
    const all = await open(count)
    const first = await discover(all)
    expect(first).toMatchObject({ customers: count, added: count, missing: 0 })
    expect(first.relationships).toBeGreaterThanOrEqual(count)
    const known = await listKnownCustomers(database.db)
    expect(known.map((one) => one.entraTenantId).sort()).toEqual(
      all.cloud.tenants
        .slice(1)
        .map((tenant) => tenant.id)
        .sort(),
    )
    expect(await discover(all)).toEqual({ ...first, added: 0 })
    expect((await listKnownCustomers(database.db)).length).toBe(count)
  })

  it('marks what whole lists lack as missing, and takes it back', async () => {
    const all = await open(5)
    await discover(all)
    const tenant = all.cloud.tenants[2]
    const kept = tenant?.gdap ?? []
    const id = unlist(all, 2)
    expect((await discover(all)).missing).toBe(1)
    expect(
      (await listKnownCustomers(database.db)).find((one) => one.entraTenantId === id)?.missingSince,
    ).toBeInstanceOf(Date)
    if (tenant) tenant.gdap = kept
    expect((await discover(all)).missing).toBe(0)
    expect(await missing()).toEqual({ customers: 0, relationships: 0 })
  })

  it.each([
    ['customers', '^/tenantRelationships/delegatedAdminCustomers'],
    ['relationships', '^/tenantRelationships/delegatedAdminRelationships'],
  ])('tells an error on the second page of %s, and marks nothing', async (_, path) => {
    const all = await open(302)
    await discover(all)
    unlist(all, 7)
    all.cloud.faults.add({
      path,
      after: 1,
      effect: { kind: 'status', status: 403, code: 'Authorization_RequestDenied' },
    })
    await expect(discover(all)).rejects.toMatchObject({ kind: 'access_lost', status: 403 })
    expect(await missing()).toEqual({ customers: 0, relationships: 0 })
    all.cloud.faults.clear()
    expect((await discover(all)).missing).toBe(1)
  })

  it.each([
    ['a proxy page', { kind: 'html' }],
    ['broken JSON', { kind: 'truncated' }],
  ] as const)('takes %s for an error, never for an empty list', async (_, effect) => {
    const all = await open(3)
    await discover(all)
    all.cloud.faults.add({ path: 'delegatedAdminCustomers', effect })
    await expect(discover(all)).rejects.toMatchObject({ name: 'EntraSyncError' })
    expect(await missing()).toEqual({ customers: 0, relationships: 0 })
  })

  it('marks nothing when a list comes back empty', async () => {
    const all = await open(4)
    await discover(all)
    for (let index = 1; index <= 4; index++) unlist(all, index)
    expect(await discover(all)).toEqual({ customers: 0, added: 0, missing: 0, relationships: 0 })
    expect(await missing()).toEqual({ customers: 0, relationships: 0 })
  })

  it('tells a lost permission of the partner', async () => {
    const all = await open(1)
    all.cloud.tenant(all.cloud.partnerTenantId).app.roles = ['User.Read.All']
    await expect(discover(all)).rejects.toMatchObject({ kind: 'access_lost' })
  })

  it('refuses an Entra tenant that it does not know', async () => {
    const { graph, cloud } = await open(1)
    const context = { db: database.db, graphFor: graph.forTenant, log }
    await expect(
      discoverCustomers(context, cloud.tenants[1]?.id ?? '', AbortSignal.timeout(5000)),
    ).rejects.toMatchObject({ code: 'entra_tenant_unknown' })
  })
})

import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listKnownCustomers } from '../../../src/consent/customers/customers.ts'
import { discoverCustomers, type Discovery } from '../../../src/consent/customers/discover.ts'
import { importCustomers } from '../../../src/consent/customers/import-customers.ts'
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
  it.each([0, 1, 300, 301, 600, 601])(
    'finds %d customers, all of them, and again the same',
    async (count) => {
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
    },
  )

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

  it('takes names as they come, and none', async () => {
    const all = await open(5)
    const names = ['', ' ', `a\0b${'x'.repeat(5000)}`, '\u001B[2J\u202Eevil', '\uD800 lone']
    for (const [index, name] of names.entries()) {
      const tenant = all.cloud.tenants[index + 1]
      if (tenant) tenant.displayName = name
    }
    expect(await discover(all)).toMatchObject({ customers: 5, added: 5 })
    const known = await listKnownCustomers(database.db)
    expect(known).toHaveLength(5)
    for (const { displayName } of known) expect((displayName ?? '').length).toBeLessThanOrEqual(850)
  })

  it('reads default domains where contracts may be read, and goes on where they may not', async () => {
    const all = await open(3)
    const domains = async () =>
      (await listKnownCustomers(database.db)).map((one) => one.defaultDomain ?? '').toSorted()
    const theirs = all.cloud.tenants.slice(1).map((tenant) => tenant.defaultDomain)
    const { app } = all.cloud.tenant(all.cloud.partnerTenantId)
    const roles = [...app.roles]
    app.roles = roles.filter((role) => role !== 'Directory.Read.All')
    expect((await discover(all)).customers).toBe(3)
    expect(await domains()).toEqual(['', '', ''])
    app.roles = [...app.roles, 'Directory.Read.All']
    all.cloud.issuer.revoke(all.cloud.partnerTenantId)
    expect((await discover(all)).customers).toBe(3)
    expect(await domains()).toEqual(theirs.toSorted())
    all.cloud.faults.add({ path: '^/contracts', effect: { kind: 'status', status: 404 } })
    expect((await discover(all)).customers).toBe(3)
    expect(await domains()).toEqual(theirs.toSorted())
  })

  it('marks as new who appears after the first list, until imported', async () => {
    const all = await open(2)
    const [, , late] = all.cloud.tenants
    if (late === undefined) throw new Error('no such tenant')
    late.unlistedFor.add(all.cloud.partnerTenantId)
    await discover(all)
    late.unlistedFor.clear()
    expect((await discover(all)).added).toBe(1)
    const isNew = async () =>
      (await listKnownCustomers(database.db))
        .filter((one) => one.isNew)
        .map(({ entraTenantId }) => entraTenantId)
    expect(await isNew()).toEqual([late.id])
    await importCustomers(database.db, 'all', 'anna')
    expect(await isNew()).toEqual([])
  })

  it('of a second partner shows shared customers twice, and touches nothing of the first', async () => {
    opened = await openCloud({ customers: 3, users: 8, partners: 2 })
    const { cloud, graph } = opened
    const [first, second] = cloud.partners
    if (second === undefined) throw new Error('no second partner')
    const [, shared] = cloud.tenants
    if (shared === undefined) throw new Error('no customer')
    cloud.shareCustomer(second.id, shared.id)
    for (const { id, displayName } of cloud.partners)
      await sql`insert into entra_tenants (entra_tenant_id, display_name) values (${id}, ${displayName})`.execute(
        database.db,
      )
    const read = (id: string) =>
      discoverCustomers({ db: database.db, graphFor: graph.forTenant, log }, id, AbortSignal.timeout(30_000))
    expect(await read(first.id)).toMatchObject({ customers: 3, added: 3 })
    expect(await read(second.id)).toMatchObject({ customers: 1, added: 1, missing: 0 })
    const rows = (await listKnownCustomers(database.db)).filter((one) => one.entraTenantId === shared.id)
    expect(rows.map(({ partnerName }) => partnerName).toSorted()).toEqual(
      [first.displayName, second.displayName].toSorted(),
    )
    const { rows: kinds } =
      await sql`select kind from tenant_status where entra_tenant_id = ${second.id}`.execute(database.db)
    expect(kinds).toEqual([{ kind: 'partner' }])
    expect(await missing()).toEqual({ customers: 0, relationships: 0 })
    await importCustomers(database.db, 'all', 'anna')
    // Access through the second partner outlives that through the first.
    shared.gdap = shared.gdap.filter(({ partnerTenantId }) => partnerTenantId === second.id)
    expect(await read(first.id)).toMatchObject({ missing: 1 })
    await sql`update gdap_relationships set missing_since = missing_since - interval '2 days'`.execute(
      database.db,
    )
    const { rows: states } = await sql`select kind, scheduled, gdap_active as active from tenant_status
      where entra_tenant_id = ${shared.id}`.execute(database.db)
    expect(states).toEqual([{ kind: 'customer', scheduled: true, active: true }])
    await expect(read(shared.id)).rejects.toMatchObject({ code: 'not_a_partner' })
  })

  it('leaves a relationship that two partners are shown with the first, until its lists lack it', async () => {
    opened = await openCloud({ customers: 2, users: 6, partners: 2 })
    const { cloud, graph } = opened
    const [first, second] = cloud.partners
    const [, one, other] = cloud.tenants
    if (second === undefined || one === undefined || other === undefined) throw new Error('too few tenants')
    const theirs = cloud.shareCustomer(second.id, one.id)
    cloud.shareCustomer(second.id, other.id)
    theirs.id = one.gdap[0]?.id ?? ''
    for (const { id } of cloud.partners)
      await sql`insert into entra_tenants (entra_tenant_id) values (${id})`.execute(database.db)
    const read = (id: string) =>
      discoverCustomers({ db: database.db, graphFor: graph.forTenant, log }, id, AbortSignal.timeout(30_000))
    const owner = async () =>
      (
        await sql<{ partner: string; missing: boolean }>`
          select partner_entra_tenant_id as partner, missing_since is not null as missing
          from gdap_relationships where relationship_id = ${theirs.id}`.execute(database.db)
      ).rows
    await read(first.id)
    await read(second.id)
    expect(await owner()).toEqual([{ partner: first.id, missing: false }])
    one.gdap = [theirs]
    await read(first.id)
    expect(await owner()).toEqual([{ partner: first.id, missing: true }])
    await read(second.id)
    expect(await owner()).toEqual([{ partner: second.id, missing: false }])
  })
})

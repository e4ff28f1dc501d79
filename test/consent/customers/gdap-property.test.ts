import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { addRelationship, customersOf, relationshipsOf } from '../../../simulator/relationships.ts'
import type { GdapRelationship, TenantHandle } from '../../../simulator/types.ts'
import { discoverCustomers } from '../../../src/consent/customers/discover.ts'
import { refreshGdapProblems } from '../../../src/consent/customers/gdap-problems.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { log, openCloud, type CloudAndGraph } from '../cloud.ts'
import { asStatus, Oracle, steps, type Step } from './gdap-model.ts'

let database: TestDatabase
let opened: CloudAndGraph

beforeAll(async () => {
  database = await testDatabase()
  opened = await openCloud({ customers: 3, users: 6, partners: 2 })
  const { partners, tenants } = opened.cloud
  for (const { id } of partners)
    await sql`insert into entra_tenants (entra_tenant_id) values (${id})`.execute(database.db)
  for (const { id } of tenants.filter((tenant) => tenant.partnerGroups === null)) {
    await sql`insert into entra_tenants (entra_tenant_id, partner_entra_tenant_id) values (${id}, ${partners[0].id})`.execute(
      database.db,
    )
    await sql`insert into persons (entra_tenant_id, object_id) values (${id}, gen_random_uuid())`.execute(
      database.db,
    )
  }
})
afterAll(async () => {
  await opened.close()
  await database.drop()
})

const partnerAt = (index: number): TenantHandle => opened.cloud.partners[index] ?? opened.cloud.partners[0]
const customers = (): TenantHandle[] =>
  opened.cloud.tenants.filter(({ partnerGroups }) => partnerGroups === null)
function customerAt(index: number): TenantHandle {
  const tenant = customers()[index]
  if (tenant === undefined) throw new Error('no such customer')
  return tenant
}

function relationshipAt(customer: number, which: number): GdapRelationship | undefined {
  const { gdap } = customerAt(customer)
  return gdap[which % Math.max(1, gdap.length)]
}

async function start(): Promise<void> {
  await sql`truncate problems, gdap_relationships, gdap_customers`.execute(database.db)
  opened.cloud.faults.clear()
  for (const tenant of customers()) {
    tenant.gdap = []
    tenant.unlistedFor.clear()
    addRelationship(partnerAt(0), tenant)
  }
  addRelationship(partnerAt(1), customerAt(0))
}

async function discover(index: number, fails: string, oracle: Oracle): Promise<void> {
  const partner = partnerAt(index)
  const kept = customers().map((tenant) => tenant.gdap)
  if (fails === 'empty') for (const tenant of customers()) tenant.gdap = []
  if (fails === 'customers' || fails === 'relationships') {
    const path = fails === 'customers' ? 'delegatedAdminCustomers' : 'delegatedAdminRelationships'
    opened.cloud.faults.add({
      path,
      effect: { kind: 'status', status: 403, code: 'Authorization_RequestDenied' },
    })
  }
  const reading = discoverCustomers(
    { db: database.db, graphFor: opened.graph.forTenant, log },
    partner.id,
    AbortSignal.timeout(30_000),
  )
  if (fails === 'customers' || fails === 'relationships')
    await expect(reading).rejects.toMatchObject({ kind: 'access_lost' })
  else {
    await reading
    oracle.discovered(
      partner.id,
      customersOf(partner.id, opened.cloud.tenants).map(({ id }) => id),
      customers().flatMap((tenant) => relationshipsOf(partner.id, tenant)),
    )
  }
  opened.cloud.faults.clear()
  for (const [at, tenant] of customers().entries()) tenant.gdap = kept[at] ?? []
}

/** Time goes by: all that is stored or listed becomes older. */
async function wait(hours: number, oracle: Oracle): Promise<void> {
  const ms = hours * 3_600_000
  for (const { gdap } of customers())
    for (const one of gdap) if (one.endsAt !== null) one.endsAt = new Date(one.endsAt.getTime() - ms)
  await sql`update gdap_relationships set ends_at = ends_at - make_interval(hours => ${hours}),
    missing_since = missing_since - make_interval(hours => ${hours})`.execute(database.db)
  await sql`update gdap_customers set missing_since = missing_since - make_interval(hours => ${hours})`.execute(
    database.db,
  )
  oracle.waited(hours)
}

async function take(step: Step, oracle: Oracle): Promise<void> {
  switch (step.step) {
    case 'discover':
      return discover(step.partner, step.fails, oracle)
    case 'wait':
      return wait(step.hours, oracle)
    case 'add':
      return void addRelationship(partnerAt(step.partner), customerAt(step.customer))
    case 'listed': {
      const { unlistedFor } = customerAt(step.customer)
      const { id } = partnerAt(step.partner)
      return void (step.listed ? unlistedFor.delete(id) : unlistedFor.add(id))
    }
    case 'remove': {
      const gone = relationshipAt(step.customer, step.which)
      const tenant = customerAt(step.customer)
      tenant.gdap = tenant.gdap.filter((one) => one !== gone)
      return
    }
    case 'status':
    case 'ends':
    case 'extends':
    case 'rename': {
      const one = relationshipAt(step.customer, step.which)
      if (one !== undefined) change(one, step)
    }
  }
}

function change(one: GdapRelationship, step: Step): void {
  if (step.step === 'status') one.status = asStatus(step.status)
  if (step.step === 'ends')
    one.endsAt = step.hours === null ? null : new Date(Date.now() + step.hours * 3_600_000)
  if (step.step === 'extends') one.autoExtendDuration = step.extends ? 'P180D' : 'PT0S'
  if (step.step === 'rename') one.displayName = `${step.led ? 'MLT_' : ''}${one.id.slice(0, 8)}`
}

async function compare(oracle: Oracle): Promise<void> {
  await refreshGdapProblems(database.db)
  const { rows } = await sql<{ id: string; active: boolean; scheduled: boolean; problems: string[] }>`
    select e.entra_tenant_id as id, coalesce(s.gdap_active, false) as active, s.scheduled,
      array(select p.code from problems p where p.entra_tenant_id = e.entra_tenant_id and p.closed_at is null order by 1)
        as problems
    from entra_tenants e join tenant_status s using (entra_tenant_id)
    where e.partner_entra_tenant_id is not null`.execute(database.db)
  const found = Object.fromEntries(rows.map(({ id, ...row }) => [id, row]))
  const expected = customers().map(({ id }) => {
    const { active, problems } = oracle.expected(id)
    return [id, { active, scheduled: active, problems }] as const
  })
  expect(found).toEqual(Object.fromEntries(expected))
  expect(await rowsKept()).toEqual({
    persons: 3,
    customers: [...oracle.lists]
      .flatMap(([partner, list]) => [...list].map(([id, at]) => `${partner} ${id} ${at === null}`))
      .toSorted(),
    relationships: [...oracle.relationships]
      .map(([id, one]) => `${one.partner} ${id} ${one.missingAt === null}`)
      .toSorted(),
  })
}

async function rowsKept(): Promise<{ persons: number; customers: string[]; relationships: string[] }> {
  const { rows } = await sql<{ persons: number; customers: string[]; relationships: string[] }>`
    select (select count(*)::int from persons where deleted_at is null) as persons,
      array(select concat_ws(' ', partner_entra_tenant_id, entra_tenant_id,
        case when missing_since is null then 'true' else 'false' end) from gdap_customers) as customers,
      array(select concat_ws(' ', partner_entra_tenant_id, relationship_id,
        case when missing_since is null then 'true' else 'false' end) from gdap_relationships) as relationships`.execute(
    database.db,
  )
  const [row] = rows
  if (row === undefined) throw new Error('no row')
  return { ...row, customers: row.customers.toSorted(), relationships: row.relationships.toSorted() }
}

it('whatever becomes of relationships at two partners, tables and problems say what is so', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      await start()
      const oracle = new Oracle()
      await discover(0, 'no', oracle)
      await compare(oracle)
      for (const step of sequence) {
        await take(step, oracle)
        await compare(oracle)
      }
    }),
    { numRuns: 100 },
  )
})

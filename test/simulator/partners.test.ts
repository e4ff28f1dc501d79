import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCloud } from '../../simulator/cloud.ts'
import type { Cloud } from '../../simulator/cloud.ts'
import { askGraph, control, tokenFor, trust } from './asking.ts'
import { ask, callback, claimsOf, sentBack, signIn, technician } from './sign-in.ts'
import type { Tokens } from './sign-in.ts'

let cloud: Cloud
let ours: string
let shared: string
let second: string
beforeAll(async () => {
  cloud = await startCloud({ sizes: [12, 4, 4], partners: 2 })
  trust(cloud)
  ;[, ours, shared, second] = cloud.tenants.map(({ id }) => id) as [string, string, string, string]
  cloud.shareCustomer(second, shared)
})
afterAll(() => cloud.close())

interface Relationship {
  id: string
  status: string
  customer: { tenantId: string }
}

async function list<T>(partner: string, collection: string): Promise<T[]> {
  const answer = await askGraph(cloud, await tokenFor(cloud, partner), `/tenantRelationships/${collection}`)
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { value: T[] }).value
}

const customers = async (partner: string): Promise<string[]> =>
  (await list<{ tenantId: string }>(partner, 'delegatedAdminCustomers')).map(({ tenantId }) => tenantId)

const relationships = (partner: string): Promise<Relationship[]> =>
  list(partner, 'delegatedAdminRelationships')

/** The second partner's technician, signed in at their own partner's address or where anybody may. */
async function otherTechnician(tenant = second): Promise<Tokens> {
  const user = technician(cloud, cloud.partners[1])
  const { code = '' } = sentBack(await signIn(cloud, { user }, tenant))
  return ask(cloud, tenant, { grant_type: 'authorization_code', code, redirect_uri: callback })
}

test('the first partner and its customers are the same with further partners and without', async () => {
  const alone = await startCloud({ sizes: [12, 4, 4] })
  try {
    expect(cloud.tenants.slice(0, 3).map(({ id, domains }) => [id, domains])).toEqual(
      alone.tenants.map(({ id, domains }) => [id, domains]),
    )
    expect(alone.partners.map(({ id }) => id)).toEqual([alone.partnerTenantId])
  } finally {
    await alone.close()
  }
})

test('contracts tell domains of own customers, to Directory.Read.All only', async () => {
  const { app } = cloud.tenant(second)
  const denied = await askGraph(cloud, await tokenFor(cloud, second), '/contracts?$top=999')
  expect(denied.status).toBe(403)
  app.roles.push('Directory.Read.All')
  const answer = await askGraph(cloud, await tokenFor(cloud, second), '/contracts?$top=999')
  app.roles.pop()
  expect(await answer.json()).toMatchObject({
    value: [{ customerId: shared, defaultDomainName: cloud.tenant(shared).defaultDomain }],
  })
})

test('each partner sees its own customers and relationships, of a shared customer too', async () => {
  expect(cloud.partners.map(({ id }) => id)).toEqual([cloud.partnerTenantId, second])
  expect(await customers(cloud.partnerTenantId)).toEqual([ours, shared])
  expect(await customers(second)).toEqual([shared])
  const [theirs, ...more] = await relationships(second)
  expect([theirs?.customer.tenantId, more]).toEqual([shared, []])
  const first = await relationships(cloud.partnerTenantId)
  expect(first.map(({ customer }) => customer.tenantId)).toEqual([ours, shared])
  expect(first.map(({ id }) => id)).not.toContain(theirs?.id)
  const foreign = await askGraph(
    cloud,
    await tokenFor(cloud, cloud.partnerTenantId),
    `/tenantRelationships/delegatedAdminRelationships/${theirs?.id}`,
  )
  expect(foreign.status).toBe(404)
})

test.each(['at their own address', 'organizations'])(
  'people of the second partner sign in %s',
  async (where) => {
    const tokens = await otherTechnician(where === 'organizations' ? where : second)
    expect(claimsOf(tokens.access_token)).toMatchObject({ tid: second, scp: 'user_impersonation' })
    const answer = await fetch(`${cloud.origin}/v1/customers`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    expect(await answer.json()).toMatchObject({ totalCount: 1, items: [{ id: shared }] })
  },
)

test('they are let into the customers of their own partner only, as long as that relationship lasts', async () => {
  const { refresh_token } = await otherTechnician()
  const scope = 'https://graph.microsoft.com/.default'
  const enter = (tenant: string): Promise<Tokens> =>
    ask(cloud, tenant, { grant_type: 'refresh_token', refresh_token, scope })
  expect((await enter(ours)).error_codes).toEqual([50020])
  await control(cloud, 'POST /grant', { tenantId: shared, delegated: ['Application.Read.All'] })
  const inside = await enter(shared)
  expect(claimsOf(inside.access_token)).toMatchObject({ tid: shared, idp: expect.stringContaining(second) })
  expect((await askGraph(cloud, inside.access_token, '/servicePrincipals')).status).toBe(200)

  const change = { tenantId: shared, partnerTenantId: second }
  await control(cloud, 'POST /gdap', { ...change, status: 'terminated' })
  expect((await enter(shared)).error_codes).toEqual([50020])
  expect((await relationships(second)).map(({ status }) => status)).toEqual(['terminated'])
  expect((await relationships(cloud.partnerTenantId)).map(({ status }) => status)).toEqual([
    'active',
    'active',
  ])
  await control(cloud, 'POST /gdap', { ...change, remove: 'all' })
  expect([await customers(second), await customers(cloud.partnerTenantId)]).toEqual([[], [ours, shared]])
})

test('a tenant that is no partner has no customers to share, and no partner is a customer', async () => {
  expect(() => cloud.shareCustomer(ours, shared)).toThrow('is no partner')
  expect(() => cloud.shareCustomer(second, cloud.partnerTenantId)).toThrow('no customer')
  await expect(control(cloud, 'POST /gdap', { tenantId: shared, partnerTenantId: ours })).rejects.toThrow(
    /404 .*is no partner/,
  )
  await expect(control(cloud, 'POST /gdap', { tenantId: second })).rejects.toThrow(/404 /)
})

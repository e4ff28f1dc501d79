import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCloud } from '../../simulator/cloud.ts'
import type { Cloud } from '../../simulator/cloud.ts'
import { askGraph, control, tokenFor, trust } from './asking.ts'

let cloud: Cloud
let token: string
beforeAll(async () => {
  cloud = await startCloud({ customers: 301 })
  trust(cloud)
  token = await tokenFor(cloud, cloud.partnerTenantId)
})
afterAll(() => cloud.close())

interface Page {
  value: Record<string, unknown>[]
  '@odata.nextLink'?: string
}

async function page(path: string): Promise<Page> {
  const answer = await askGraph(cloud, token, path)
  expect(answer.status).toBe(200)
  return (await answer.json()) as Page
}

const root = '/tenantRelationships'

test.each([999, 300, 100])('all 301 customers come once, at most 300 a page, with $top=%i', async (top) => {
  const sizes: number[] = []
  const ids: unknown[] = []
  let link: string | undefined = `${root}/delegatedAdminCustomers?$top=${top}`
  while (link !== undefined) {
    const answer: Page = await page(link)
    sizes.push(answer.value.length)
    ids.push(...answer.value.map((each) => each['tenantId']))
    link = answer['@odata.nextLink']
  }
  expect(Math.max(...sizes)).toBe(Math.min(top, 300))
  expect(ids).toEqual(cloud.tenants.slice(1).map(({ id }) => id))
})

test.each([
  [0, 0],
  [1, 1],
  [300, 1],
  [900, 3],
])('%i customers make %i full pages, and nobody fills their directories', async (customers, pages) => {
  const other = await startCloud({ customers })
  try {
    trust(other)
    const theirs = await tokenFor(other, other.partnerTenantId)
    let link: string | undefined = `${root}/delegatedAdminCustomers?$top=300`
    const sizes: number[] = []
    while (link !== undefined) {
      const answer = (await (await askGraph(other, theirs, link)).json()) as Page
      sizes.push(answer.value.length)
      link = answer['@odata.nextLink']
    }
    expect(sizes.filter((size) => size > 0)).toEqual(
      Array.from({ length: pages }, () => Math.min(300, customers)),
    )
  } finally {
    await other.close()
  }
})

test('relationships tell status, roles, end and whether they extend themselves', async () => {
  const [, customer] = cloud.tenants
  const changes = { status: 'expiring', endsAt: '2026-01-31T00:00:00Z', autoExtendDuration: 'PT0S' }
  await control(cloud, 'POST /gdap', { tenantId: customer?.id, ...changes })
  const answer = await page(
    `${root}/delegatedAdminRelationships?$filter=customer/tenantId eq '${customer?.id}'`,
  )
  expect(answer.value).toEqual([
    expect.objectContaining({
      status: 'expiring',
      endDateTime: '2026-01-31T00:00:00.0000000Z',
      autoExtendDuration: 'PT0S',
      customer: { tenantId: customer?.id, displayName: customer?.displayName },
      accessDetails: {
        unifiedRoles: expect.arrayContaining([
          { roleDefinitionId: 'e8611ab8-c189-46e8-94e1-60213ab1f814' },
        ]) as unknown,
      },
    }),
  ])
  const active = await page(
    `${root}/delegatedAdminRelationships?$filter=status eq 'active' and customer/tenantId eq '${customer?.id}'`,
  )
  expect(active.value).toEqual([])
})

test('a second relationship of a customer is its own', async () => {
  const customer = cloud.tenants[2]
  await control(cloud, 'POST /gdap', { tenantId: customer?.id, add: true, status: 'terminated' })
  const answer = await page(
    `${root}/delegatedAdminRelationships?$filter=customer/tenantId eq '${customer?.id}'`,
  )
  expect(answer.value.map((each) => each['status'])).toEqual(['active', 'terminated'])
})

test('access assignments name the partner group and its roles', async () => {
  const [first] = cloud.tenants[3]?.gdap ?? []
  const answer = await page(`${root}/delegatedAdminRelationships/${first?.id}/accessAssignments?$top=300`)
  expect(first?.assignments).toHaveLength(2)
  expect(answer.value).toEqual(
    first?.assignments.map(({ groupId, roles }): unknown =>
      expect.objectContaining({
        status: 'active',
        accessContainer: { accessContainerId: groupId, accessContainerType: 'securityGroup' },
        accessDetails: { unifiedRoles: roles.map((roleDefinitionId) => ({ roleDefinitionId })) },
      }),
    ),
  )
})

test('access assignments are changed relationship by relationship', async () => {
  const customer = cloud.tenants[4]
  const tenantId = customer?.id ?? ''
  await control(cloud, 'POST /gdap', { tenantId, add: true })
  const [first, second] = customer?.gdap ?? []
  const group = 'd2a1c3f4-5b6a-4c7d-8e9f-0a1b2c3d4e5f'
  await control(cloud, 'POST /gdap', {
    tenantId,
    relationshipId: second?.id,
    assignments: [
      { group: 'adminAgents', roles: ['applicationAdministrator'] },
      { group, status: 'error', roles: ['f2ef992c-3afb-46b9-b7cf-a126ee74c451'] },
    ],
  })
  const assignments = async (id = ''): Promise<unknown[]> =>
    (await page(`${root}/delegatedAdminRelationships/${id}/accessAssignments`)).value
  expect(await assignments(second?.id)).toEqual([
    expect.objectContaining({
      status: 'active',
      accessContainer: {
        accessContainerId: 'ad3a6e17-0000-4000-8000-000000000001',
        accessContainerType: 'securityGroup',
      },
      accessDetails: { unifiedRoles: [{ roleDefinitionId: '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3' }] },
    }),
    expect.objectContaining({
      status: 'error',
      accessContainer: { accessContainerId: group, accessContainerType: 'securityGroup' },
      accessDetails: { unifiedRoles: [{ roleDefinitionId: 'f2ef992c-3afb-46b9-b7cf-a126ee74c451' }] },
    }),
  ])
  expect(await assignments(first?.id)).toHaveLength(2)
  await expect(
    control(cloud, 'POST /gdap', { tenantId, assignments: [{ group: 'nobody', roles: [] }] }),
  ).rejects.toThrow(/400 .*group/)
})

test('a customer leaves the list with its last relationship, or by itself, and comes back', async () => {
  const customer = cloud.tenants[5]
  const tenantId = customer?.id ?? ''
  const listed = async (): Promise<[customer: boolean, relationships: number]> => {
    const answer = await askGraph(cloud, token, `${root}/delegatedAdminCustomers/${tenantId}`)
    const filter = `$filter=customer/tenantId eq '${tenantId}'`
    return [answer.ok, (await page(`${root}/delegatedAdminRelationships?${filter}`)).value.length]
  }
  await control(cloud, 'POST /gdap', { tenantId, listed: false })
  expect(await listed()).toEqual([false, 1])
  await control(cloud, 'POST /gdap', { tenantId, listed: true, add: true })
  expect(await listed()).toEqual([true, 2])
  await control(cloud, 'POST /gdap', { tenantId, relationshipId: customer?.gdap[1]?.id, remove: 'one' })
  expect(await listed()).toEqual([true, 1])
  await control(cloud, 'POST /gdap', { tenantId, remove: 'all' })
  expect(await listed()).toEqual([false, 0])
  await expect(control(cloud, 'POST /gdap', { tenantId, remove: 'one' })).rejects.toThrow(/404 /)
  await control(cloud, 'POST /gdap', { tenantId, status: 'active' })
  expect(await listed()).toEqual([true, 1])
})

test('an unknown relationship is 404, a strange filter 400, a spoilt page token 400', async () => {
  const status = async (path: string): Promise<number> =>
    (await askGraph(cloud, token, `${root}/${path}`)).status
  expect(await status('delegatedAdminRelationships/none')).toBe(404)
  expect(await status("delegatedAdminRelationships?$filter=startsWith(displayName,'x')")).toBe(400)
  expect(await status('delegatedAdminCustomers?$skiptoken=spoilt')).toBe(400)
})

test('without the role it is forbidden; a customer sees no customers', async () => {
  const [partner, customer] = cloud.tenants
  const kept = [...(partner?.app.roles ?? [])]
  await control(cloud, 'POST /grant', { tenantId: partner?.id, roles: ['User.Read.All'] })
  const poor = await tokenFor(cloud, partner?.id ?? '')
  const refused = await askGraph(cloud, poor, `${root}/delegatedAdminCustomers`)
  expect(refused.status).toBe(403)
  expect(await refused.json()).toMatchObject({ error: { code: 'Authorization_RequestDenied' } })
  await control(cloud, 'POST /grant', { tenantId: partner?.id, roles: kept })

  await control(cloud, 'POST /grant', { tenantId: customer?.id, roles: kept })
  const theirs = await tokenFor(cloud, customer?.id ?? '')
  const answer = (await (await askGraph(cloud, theirs, `${root}/delegatedAdminCustomers`)).json()) as Page
  expect(answer.value).toEqual([])
})

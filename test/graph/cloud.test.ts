import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { readAppCertificate } from '../../src/config/app-certificate.ts'
import type { GraphClient } from '../../src/graph/client.ts'
import { devicesStart, parseDevices } from '../../src/graph/devices.ts'
import { asOptional } from '../../src/graph/errors.ts'
import { listCustomers, listRelationships } from '../../src/graph/gdap.ts'
import { createGraph, type Graph, type GraphOptions } from '../../src/graph/graph.ts'
import { groupsStart, kindOfGroup, parseGroups } from '../../src/graph/groups.ts'
import { readLicenseSources } from '../../src/graph/license-sources.ts'
import { readOrganization } from '../../src/graph/organization.ts'
import { parseSkus, skusStart } from '../../src/graph/skus.ts'
import { readArchived } from '../../src/graph/teams.ts'
import { parseUsers, usersStart } from '../../src/graph/users.ts'
import { createLog } from '../../src/log.ts'
import { testCa } from '../harness/ca.ts'
import { caught, collect } from './caught.ts'
import { quick } from './fake-cloud.ts'

let cloud: Cloud
let graph: Graph

const open = (options: Partial<GraphOptions> = {}) =>
  createGraph({
    cloud: { loginUrl: cloud.origin, graphUrl: cloud.origin },
    appFor: async () => ({ clientId: cloud.clientId, secret: cloud.clientSecret }),
    log: createLog({ level: 'fatal', pretty: false }),
    ...options,
    timings: { ...quick, ...options.timings },
  })

beforeAll(async () => {
  cloud = await startCloud({ ca: testCa(), customers: 3, sizes: [20, 450, 30, 30] })
})
afterAll(() => cloud.close())
afterEach(() => {
  cloud.faults.clear()
  graph.close()
})

/** The first customer, which has more than one page of users. */
function customer() {
  const tenant = cloud.tenants[1]
  if (!tenant) throw new Error('The cloud has no customer.')
  return tenant
}
const clientOf = (tenant: { id: string }, options?: Partial<GraphOptions>): GraphClient => {
  graph = open(options)
  return graph.forTenant(tenant.id)
}

async function readUsers(client: GraphClient, start = usersStart) {
  const pages = await collect(client.pages(start))
  return {
    pages,
    users: pages.flatMap((page) => parseUsers(page.value, { full: start === usersStart })),
    deltaLink: pages.at(-1)?.deltaLink ?? '',
  }
}

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)

describe('against the simulated cloud', () => {
  it('reads what is true: users with licences', async () => {
    const { users, pages } = await readUsers(clientOf(customer()))
    expect(pages.length).toBeGreaterThan(1)
    const truth = customer().directory.truth().users
    const live = users.filter((user) => 'fields' in user)
    expect(live.map((user) => user.id).toSorted()).toEqual(truth.map((user) => user.id).toSorted())
    const read = new Map(live.map((user) => [user.id, user]))
    for (const user of truth) {
      const { fields, licenses } = read.get(user.id) ?? { fields: {}, licenses: [] }
      expect(fields).toMatchObject({
        userPrincipalName: user.userPrincipalName,
        accountEnabled: user.accountEnabled,
      })
      expect(fields.department ?? null).toBe(user.department)
      expect((licenses ?? []).map((license) => license.skuId).toSorted()).toEqual(
        user.licenses.map((license) => license.skuId).toSorted(),
      )
    }
  })

  it('reads what is true: groups with members, devices, SKUs, organization', async () => {
    const client = clientOf(customer())
    const truth = customer().directory.truth()
    const groups = (await collect(client.pages(groupsStart))).flatMap((page) =>
      parseGroups(page.value, { full: true }),
    )
    const edges = new Set<string>()
    for (const group of groups) {
      if (!('members' in group)) continue
      for (const member of group.members) edges.add(`${group.id} ${member.id} ${member.type}`)
    }
    expect([...edges].toSorted()).toEqual(
      truth.members.map((edge) => `${edge.groupId} ${edge.memberId} ${edge.memberType}`).toSorted(),
    )
    const named = groups.filter((group) => 'fields' in group && group.fields.displayName != null)
    expect(new Set(named.map((group) => group.id))).toEqual(new Set(truth.groups.map((group) => group.id)))
    for (const group of named)
      if ('fields' in group)
        expect(kindOfGroup(group.fields)).toMatch(
          /^(security|microsoft365|mail_enabled_security|distribution)$/,
        )

    const devices = (await collect(client.pages(devicesStart))).flatMap((page) =>
      parseDevices(page.value, { full: true }),
    )
    expect(devices.map((device) => device.id).toSorted()).toEqual(
      truth.devices.map((device) => device.id).toSorted(),
    )
    const skus = (await collect(client.pages(skusStart))).flatMap((page) => parseSkus(page.value))
    expect(
      skus
        .map(({ skuId, enabled, consumed }) => ({ skuId, enabled, consumed }))
        .toSorted((a, b) => (a.skuId < b.skuId ? -1 : 1)),
    ).toEqual(
      truth.skus
        .map(({ skuId, enabled, consumed }) => ({ skuId, enabled, consumed }))
        .toSorted((a, b) => (a.skuId < b.skuId ? -1 : 1)),
    )
    const organization = await readOrganization(client)
    expect(organization).toMatchObject({
      id: customer().id,
      displayName: truth.displayName,
      defaultDomain: customer().defaultDomain,
    })
    expect(organization.domains.toSorted()).toEqual(truth.domains.toSorted())
    expect(await client.count('/users/$count')).toBe(truth.users.length)
    expect(await client.claims()).toMatchObject({ tid: customer().id, appId: cloud.clientId })
    expect(client.usage.resourceUnits).toBeGreaterThan(0)
  })

  it('reads licence sources by list and by batch alike', async () => {
    const client = clientOf(customer())
    const truth = customer().directory.truth().users
    const listed = (await collect(readLicenseSources(client, null))).flat().toSorted(byId)
    expect(listed.map((user) => [user.id, user.sources.length])).toEqual(
      truth
        .map((user) => [user.id, user.licenseSources.length] as const)
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    )
    const some = truth.slice(0, 45).map((user) => user.id)
    const batched = (await collect(readLicenseSources(client, some))).flat().toSorted(byId)
    expect(batched).toEqual(listed.filter((user) => some.includes(user.id)))
  })

  it("reads Teams' archived state", async () => {
    const teams = customer()
      .directory.truth()
      .groups.filter((group) => group.resourceProvisioningOptions.includes('Team'))
    const archived = await readArchived(
      clientOf(customer()),
      teams.map((team) => team.id),
    )
    expect([...archived.keys()].toSorted()).toEqual(teams.map((team) => team.id).toSorted())
  })

  it('follows a change through the next round, then finds none in one request', async () => {
    const client = clientOf(customer())
    const { deltaLink } = await readUsers(client)
    const { users } = customer().directory.truth()
    const changed = users.find((user) => user.jobTitle !== null)
    const deleted = users.find((user) => user !== changed)
    if (!changed || !deleted) throw new Error('The customer has no such users.')
    customer().directory.updateUser(changed.id, { jobTitle: null, department: 'Moon base' })
    customer().directory.deleteUser(deleted.id)
    const next = await readUsers(client, deltaLink)
    expect(next.users.find((user) => user.id === changed.id)).toMatchObject({
      fields: { jobTitle: null, department: 'Moon base' },
    })
    expect(next.users.find((user) => user.id === deleted.id)).toEqual({ id: deleted.id, removed: 'changed' })
    const before = client.usage.requests
    expect((await readUsers(client, next.deltaLink)).users).toEqual([])
    expect(client.usage.requests).toBe(before + 1)
  })

  it('finds customers and relationships, and tenants by domain', async () => {
    const client = clientOf({ id: cloud.partnerTenantId })
    const customers = (await collect(listCustomers(client))).flat()
    const others = cloud.tenants
      .slice(1)
      .map((tenant) => tenant.id)
      .toSorted()
    expect(customers.map((found) => found.entraTenantId).toSorted()).toEqual(others)
    const relationships = (await collect(listRelationships(client))).flat()
    expect(
      relationships
        .filter((found) => found.status === 'active')
        .map((found) => found.entraTenantId ?? '')
        .toSorted(),
    ).toEqual(others)
    expect(relationships[0]?.endsAt).toBeInstanceOf(Date)
    expect(await graph.tenantIdOf(customer().defaultDomain)).toBe(customer().id)
    expect(await caught(graph.tenantIdOf('nobody.example'))).toMatchObject({
      kind: 'input',
      code: 'tenant_not_found',
    })
  })

  it('proves itself by certificate', async () => {
    const read = readAppCertificate(readFileSync(cloud.certificateFile, 'utf8'))
    if (!('certificate' in read)) throw new Error(read.wrong)
    const client = clientOf(customer(), {
      appFor: async () => ({ clientId: cloud.clientId, certificate: read.certificate }),
    })
    expect(await readOrganization(client)).toMatchObject({ id: customer().id })
    const wrong = clientOf(customer(), {
      appFor: async () => ({ clientId: cloud.clientId, secret: 'wrong' }),
    })
    expect(await caught(readOrganization(wrong))).toMatchObject({
      kind: 'access_lost',
      code: 'client_secret_invalid',
    })
  })

  it.each([
    ['no-service-principal', 'consent_required'],
    ['disabled', 'app_disabled'],
    ['blocked-by-policy', 'conditional_access_blocked'],
    ['tenant-gone', 'tenant_not_found'],
  ] as const)('an app that is %s loses access: %s', async (state, code) => {
    customer().app.state = state
    try {
      expect(await caught(readOrganization(clientOf(customer())))).toMatchObject({
        kind: 'access_lost',
        code,
        tenant: customer().id,
      })
    } finally {
      customer().app.state = 'ready'
    }
  })

  it('tells a missing role of an optional read apart from lost access', async () => {
    cloud.faults.knobs(customer().id, { forbidden: ['devices'] })
    const error = await caught(collect(clientOf(customer()).pages(devicesStart)))
    expect(error).toMatchObject({ kind: 'access_lost', status: 403 })
    expect(asOptional(error)).toMatchObject({ kind: 'not_permitted' })
  })

  it.each([410, 400] as const)('a delta token that expired with %i is reset', async (expiredDeltaToken) => {
    const client = clientOf(customer())
    const { deltaLink } = await readUsers(client)
    cloud.faults.knobs(customer().id, { expiredDeltaToken })
    expect(await caught(readUsers(client, deltaLink))).toMatchObject({ kind: 'reset' })
  })

  it.each([
    ['expiredPageToken', { expiredPageToken: true }, 'restart'],
    ['foreignNextLink', { foreignNextLink: 'https://evil.example' }, 'foreign_origin'],
    ['nextLinkLoop', { nextLinkLoop: true }, 'malformed'],
    ['reduced', { reduced: ['users' as const] }, 'malformed'],
  ])('%s is %s', async (_, knobs, kind) => {
    cloud.faults.knobs(customer().id, knobs)
    expect(await caught(readUsers(clientOf(customer())))).toMatchObject({ kind })
  })

  it.each(['reset', 'truncated', 'cut', 'html'] as const)('rides out an answer that is %s', async (kind) => {
    const client = clientOf(customer())
    cloud.faults.add({ tenantId: customer().id, path: '^/users', effect: { kind }, times: 1 })
    const live = (await readUsers(client)).users.filter((user) => 'fields' in user)
    expect(live).toHaveLength(customer().directory.truth().users.length)
    expect(client.usage.retries).toBe(1)
  })

  it('is not held by a body that never ends', async () => {
    cloud.faults.add({ tenantId: customer().id, path: '^/users', effect: { kind: 'endless' } })
    const client = clientOf(customer(), { limits: { maxResponseBytes: 200_000 } })
    expect(await caught(readUsers(client))).toMatchObject({ kind: 'malformed', code: 'response_too_large' })
  })

  it('goes on with a new token when all were revoked in the middle of a run', async () => {
    const client = clientOf(customer())
    await readOrganization(client)
    cloud.issuer.revoke(customer().id)
    await readOrganization(client)
    expect(client.usage.requests).toBe(3)
  })
})

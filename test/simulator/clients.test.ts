import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfidentialClientApplication } from '@azure/msal-node'
import { ClientSecretCredential } from '@azure/identity'
import { MicrosoftGraphClient, readMicrosoftGraphOrg } from '@backstage/plugin-catalog-backend-module-msgraph'
import {
  BatchRequestContent,
  BatchResponseContent,
  Client,
  PageIterator,
} from '@microsoft/microsoft-graph-client'
import type { PageCollection } from '@microsoft/microsoft-graph-client'
import type { Group, User } from '@microsoft/microsoft-graph-types'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCloud } from '../../simulator/cloud.ts'
import type { Cloud } from '../../simulator/cloud.ts'
import { trust } from './asking.ts'

// The simulator is worth as much as the clients that take it for Microsoft's cloud; none of these was written here.

let cloud: Cloud
beforeAll(async () => {
  cloud = await startCloud({ sizes: [30, 250], groupsPerTenant: 30 })
  trust(cloud)
})
afterAll(() => cloud.close())

function customer(): Cloud['tenants'][number] {
  const tenant = cloud.tenants[1]
  if (tenant === undefined) throw new Error('There is no customer')
  return tenant
}

function msal(credential: 'secret' | 'certificate', tenant = customer().id): ConfidentialClientApplication {
  const pem = readFileSync(cloud.certificateFile, 'utf8')
  const certificate = new X509Certificate(pem.slice(pem.indexOf('-----BEGIN CERTIFICATE')))
  return new ConfidentialClientApplication({
    auth: {
      clientId: cloud.clientId,
      authority: `${cloud.origin}/${tenant}`,
      knownAuthorities: [new URL(cloud.origin).host],
      ...(credential === 'secret'
        ? { clientSecret: cloud.clientSecret }
        : {
            clientCertificate: {
              thumbprintSha256: createHash('sha256').update(certificate.raw).digest('hex'),
              privateKey: pem.slice(0, pem.indexOf('-----BEGIN CERTIFICATE')),
            },
          }),
    },
  })
}

async function msalToken(application: ConfidentialClientApplication): Promise<string> {
  const answer = await application.acquireTokenByClientCredential({ scopes: [`${cloud.origin}/.default`] })
  if (answer === null) throw new Error('MSAL got no token')
  return answer.accessToken
}

function graphClient(): Client {
  const application = msal('secret')
  return Client.initWithMiddleware({
    baseUrl: `${cloud.origin}/`,
    customHosts: new Set(['localhost']),
    authProvider: { getAccessToken: () => msalToken(application) },
  })
}

test.each(['secret', 'certificate'] as const)(
  'MSAL gets a token by %s that Graph takes',
  async (credential) => {
    const token = await msalToken(msal(credential))
    const answer = await fetch(`${cloud.origin}/v1.0/organization`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(await answer.json()).toMatchObject({ value: [{ id: customer().id }] })
  },
)

test('MSAL reads our refusals as Microsoft’s', async () => {
  const { app } = customer()
  app.state = 'no-service-principal'
  try {
    await expect(msalToken(msal('secret'))).rejects.toMatchObject({
      errorCode: 'invalid_client',
      errorMessage: expect.stringContaining('AADSTS7000229') as unknown,
    })
  } finally {
    app.state = 'ready'
  }
})

test('the official Graph client pages through users with its PageIterator', async () => {
  const first = (await graphClient().api('/users').select('id,displayName').top(60).get()) as PageCollection
  expect(first['@odata.nextLink']).toContain('$skiptoken')
  const ids: (string | undefined)[] = []
  const iterator = new PageIterator(graphClient(), first, (user: User) => ids.push(user.id) > 0)
  await iterator.iterate()
  const truth = customer().directory.truth()
  expect(ids).toHaveLength(truth.users.length)
  expect(new Set(ids)).toEqual(new Set(truth.users.map((user) => user.id)))
})

test('the PageIterator ends at a delta link, which then tells the changes only', async () => {
  const { directory } = customer()
  const first = (await graphClient().api('/users/delta').select('id,jobTitle').get()) as PageCollection
  const seen = new Set<string>()
  const iterator = new PageIterator(graphClient(), first, (user: User) => seen.add(user.id ?? '').size > 0)
  await iterator.iterate()
  expect(seen).toEqual(new Set(directory.truth().users.map((user) => user.id)))
  const link = iterator.getDeltaLink()
  const [someone] = directory.truth().users
  directory.updateUser(someone?.id ?? '', { jobTitle: 'Astronaut' })
  const changes = (await graphClient()
    .api(link ?? '')
    .get()) as { value: User[] }
  expect(changes.value.map((user) => [user.id, user.jobTitle])).toEqual([[someone?.id, 'Astronaut']])
})

test('the official Graph client’s batches are answered part by part', async () => {
  const link = (path: string): Request => new Request(`${cloud.origin}${path}`)
  const content = new BatchRequestContent([
    { id: 'org', request: link('/organization') },
    { id: 'skus', request: link('/subscribedSkus') },
    { id: 'nobody', request: link('/users/00000000-0000-4000-8000-000000000000') },
  ])
  const body = (await graphClient()
    .api('/$batch')
    .post(await content.getContent())) as ConstructorParameters<typeof BatchResponseContent>[0]
  const answers = new BatchResponseContent(body)
  expect(answers.getResponseById('org').status).toBe(200)
  const skus = (await answers.getResponseById('skus').json()) as { value: { skuId: string }[] }
  expect(skus.value.map(({ skuId }) => skuId).sort()).toEqual(
    customer()
      .directory.truth()
      .skus.map(({ skuId }) => skuId)
      .sort(),
  )
  expect(answers.getResponseById('nobody').status).toBe(404)
})

test('the official Graph client reads our errors as Graph’s, and waits out a 429 by itself', async () => {
  await expect(graphClient().api('/users/00000000-0000-4000-8000-000000000000').get()).rejects.toMatchObject({
    statusCode: 404,
    code: 'Request_ResourceNotFound',
  })
  cloud.faults.add({
    path: '^/organization',
    times: 1,
    effect: { kind: 'status', status: 429, retryAfter: 1 },
  })
  expect(await graphClient().api('/organization').get()).toMatchObject({ value: [{ id: customer().id }] })
  expect(cloud.requests.statuses(customer().id)).toMatchObject({ 429: 1 })
})

test('Backstage reads the whole organisation: every user, every group, every nested and direct member', async () => {
  const { id, directory } = customer()
  const credential = new ClientSecretCredential(id, cloud.clientId, cloud.clientSecret, {
    authorityHost: cloud.origin,
    disableInstanceDiscovery: true,
  })
  const client = new MicrosoftGraphClient(`${cloud.origin}/v1.0`, credential)
  const said: string[] = []
  const log = (message: string): void => void said.push(message)
  const logger = { error: log, warn: log, info: log, debug: log, child: () => logger }
  const { users, groups } = await readMicrosoftGraphOrg(client, id, {
    logger,
    loadUserPhotos: false,
    groupSelect: ['id', 'displayName', 'mailNickname'],
  })
  const truth = directory.truth()
  const annotated = (
    entity: { metadata: { annotations?: Record<string, string> } },
    name: string,
  ): string | undefined => entity.metadata.annotations?.[`graph.microsoft.com/${name}`]
  // Backstage leaves disabled accounts out by itself.
  const enabled = truth.users.filter((user) => user.accountEnabled)
  expect(new Set(users.map((user) => annotated(user, 'user-id')))).toEqual(
    new Set(enabled.map((user) => user.id)),
  )

  const byId = new Map(groups.map((group) => [annotated(group, 'group-id'), group]))
  const groupIds = truth.groups.map((group) => group.id).sort()
  expect([...byId.keys()].filter((each) => each !== undefined).sort()).toEqual(groupIds)
  const people = new Map(users.map((user) => [annotated(user, 'user-id'), user]))
  const direct = truth.members.filter((edge) => people.has(edge.memberId))
  expect(direct.length).toBeGreaterThan(100)
  for (const { groupId, memberId } of direct) {
    const reference = `group:default/${byId.get(groupId)?.metadata.name}`
    expect(people.get(memberId)?.spec.memberOf).toContain(reference.toLowerCase())
  }
  const live = new Set([...truth.users, ...truth.groups, ...truth.devices].map((each) => each.id))
  for (const group of truth.groups) {
    const found: (string | undefined)[] = []
    for await (const member of client.getGroupMembers(group.id, { top: 20 })) found.push(member.id)
    const expected = truth.members.filter((edge) => edge.groupId === group.id && live.has(edge.memberId))
    expect(found).toHaveLength(expected.length)
    expect(new Set(found)).toEqual(new Set(expected.map((edge) => edge.memberId)))
  }
  const teams: Group[] = []
  for await (const group of client.getGroups({ filter: "resourceProvisioningOptions/any(x:x eq 'Team')" }))
    teams.push(group)
  const expected = truth.groups.filter((group) => group.resourceProvisioningOptions.includes('Team'))
  expect(new Set(teams.map((team) => team.id))).toEqual(new Set(expected.map((group) => group.id)))
})

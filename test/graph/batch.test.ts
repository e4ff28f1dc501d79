import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readArchived } from '../../src/graph/teams.ts'
import { readLicenseSources } from '../../src/graph/license-sources.ts'
import { caught, collect } from './caught.ts'
import { fakeCloud, graphErrorBody, tenant, type Answer } from './fake-cloud.ts'
import { closeServers } from './tls-server.ts'

afterEach(closeServers)

const sentSchema = z.object({
  requests: z.array(z.object({ id: z.string(), method: z.literal('GET'), url: z.string() })),
})
type Inner = { status: number; headers?: Record<string, string>; body?: unknown }
const guid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

/** A Graph whose $batch answers each inner request as `inner` says, in reverse order. */
async function batchCloud(inner: (id: string, count: number) => Inner) {
  const sizes: number[] = []
  const counts = new Map<string, number>()
  const cloud = await fakeCloud((_url, { body }): Answer => {
    const { requests } = sentSchema.parse(JSON.parse(body))
    sizes.push(requests.length)
    const responses = requests.map(({ id }) => {
      counts.set(id, (counts.get(id) ?? 0) + 1)
      return { id, ...inner(id, counts.get(id) ?? 0) }
    })
    return { body: { responses: responses.reverse() } }
  })
  return { cloud, sizes, client: cloud.graph.forTenant(tenant) }
}

const requests = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ id: guid(n), url: `/users/${guid(n)}` }))

describe('$batch', () => {
  it('sends any number, 20 at a time, and gives back each answer', async () => {
    const { client, sizes } = await batchCloud((id) => ({
      status: 200,
      headers: { 'x-ms-resource-unit': '2' },
      body: { id },
    }))
    const answers = await client.batch(requests(45))
    expect(sizes).toEqual([20, 20, 5])
    expect(answers.size).toBe(45)
    expect(answers.get(guid(44))).toEqual({ status: 200, body: { id: guid(44) } })
    expect(client.usage).toMatchObject({ requests: 3, resourceUnits: 90 })
    expect(await client.batch([])).toEqual(new Map())
  })

  it('sends again just those that were throttled or failed', async () => {
    const { client, sizes } = await batchCloud((id, count) => {
      if (id === guid(1) && count < 3) return { status: 429, headers: { 'Retry-After': '0' } }
      if (id === guid(2) && count < 2) return { status: 503 }
      if (id === guid(3)) return { status: 500, body: 'for good' }
      return { status: id === guid(4) ? 404 : 200, body: count }
    })
    const answers = await client.batch(requests(6))
    expect([...answers].map(([, { status }]) => status).toSorted((a, b) => a - b)).toEqual([
      200, 200, 200, 200, 404, 500,
    ])
    expect(sizes).toEqual([6, 3, 2])
  })

  it('gives the slot back when an inner wait is long, and holds the tenant', async () => {
    const { client, cloud } = await batchCloud((id) =>
      id === guid(1)
        ? { status: 429, headers: { 'retry-after': '60' }, body: graphErrorBody('TooManyRequests') }
        : { status: 200 },
    )
    const error = await caught(client.batch(requests(3)))
    expect(error).toMatchObject({ kind: 'throttled', code: 'too_many_requests' })
    expect(error.retryAt!.getTime()).toBeGreaterThan(Date.now() + 50_000)
    expect(await caught(client.get('/users'))).toMatchObject({ code: 'tenant_held' })
    expect(cloud.calls).toHaveLength(1)
  })

  it.each([
    ['an answer missing', { responses: [] }, 'batch_incomplete'],
    ['no batch', { value: [] }, 'no_batch'],
  ])('%s is malformed', async (_, body, code) => {
    const cloud = await fakeCloud(() => ({ body }))
    expect(await caught(cloud.graph.forTenant(tenant).batch(requests(1)))).toMatchObject({
      kind: 'malformed',
      code,
    })
  })
})

describe('reads made of batches', () => {
  it("reads Teams' archived state; what is no Team is left out", async () => {
    const { client } = await batchCloud((id) => {
      if (id === guid(2)) return { status: 404, body: graphErrorBody('NotFound') }
      return { status: 200, body: { isArchived: id === guid(1) } }
    })
    const archived = await readArchived(client, [guid(0), guid(1), guid(2)])
    expect(archived).toEqual(
      new Map([
        [guid(0), false],
        [guid(1), true],
      ]),
    )
  })

  it('says when the app may not read Teams', async () => {
    const { client } = await batchCloud(() => ({ status: 403, body: graphErrorBody('Forbidden') }))
    expect(await caught(readArchived(client, [guid(0)]))).toMatchObject({ kind: 'access_lost', status: 403 })
  })

  it('reads licence sources of some users', async () => {
    const sku = guid(900)
    const { client, sizes } = await batchCloud((id) => {
      if (id === guid(3)) return { status: 404, body: graphErrorBody('Request_ResourceNotFound') }
      const states = [
        { skuId: sku, assignedByGroup: null, state: 'Active', error: 'None', disabledPlans: [] },
        { skuId: sku, assignedByGroup: guid(901), state: 'Error', error: 'CountViolation' },
      ]
      return { status: 200, body: { id, licenseAssignmentStates: id === guid(0) ? states : [] } }
    })
    const ids = Array.from({ length: 210 }, (_, n) => guid(n))
    const parts = await collect(readLicenseSources(client, ids))
    expect(parts.map((part) => part.length)).toEqual([199, 10])
    expect(parts[0]?.find((user) => user.id === guid(0))).toEqual({
      id: guid(0),
      sources: [
        { skuId: sku, assignedByGroup: null, state: 'Active', error: null },
        { skuId: sku, assignedByGroup: guid(901), state: 'Error', error: 'CountViolation' },
      ],
    })
    expect(Math.max(...sizes)).toBe(20)
  })

  it('lists licence sources of all users', async () => {
    const cloud = await fakeCloud(() => ({ body: { value: [{ id: guid(1), licenseAssignmentStates: [] }] } }))
    const parts = await collect(readLicenseSources(cloud.graph.forTenant(tenant), null))
    expect(parts).toEqual([[{ id: guid(1), sources: [] }]])
    expect(cloud.calls[0]?.url).toBe('/v1.0/users?$select=id,licenseAssignmentStates&$top=999')
  })
})

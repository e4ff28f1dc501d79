import { afterEach, describe, expect, it, vi } from 'vitest'
import { caught, collect } from './caught.ts'
import { fakeCloud, tenant, type Answer } from './fake-cloud.ts'
import { closeServers } from './tls-server.ts'

afterEach(closeServers)

const origin = (cloud: { origin: string }) => `${cloud.origin}/v1.0`
const numberOf = (url: string) => Number(/skiptoken=(\d+)/.exec(url)?.[1] ?? 0)

/** A delta round of `count` pages, each with its number as its only object. */
async function roundOf(count: number, before: (page: number) => Promise<void> | void = () => undefined) {
  const cloud = await fakeCloud(async (url): Promise<Answer> => {
    const page = numberOf(url)
    await before(page)
    const base = `${origin(cloud)}/users/delta`
    const link: Record<string, string> =
      page + 1 < count
        ? { '@odata.nextLink': `${base}?$skiptoken=${page + 1}` }
        : { '@odata.deltaLink': `${base}?$deltatoken=end` }
    return { body: { value: [page], ...link } }
  })
  return cloud
}

describe('paging', () => {
  it('reads a round to its deltaLink, empty pages and all', async () => {
    const cloud = await roundOf(3)
    const pages = await collect(cloud.graph.forTenant(tenant).pages('/users/delta'))
    expect(pages.map((page) => page.value)).toEqual([[0], [1], [2]])
    expect(pages.map((page) => page.deltaLink)).toEqual([
      null,
      null,
      `${origin(cloud)}/users/delta?$deltatoken=end`,
    ])
    expect(pages[0]).toMatchObject({ link: `${origin(cloud)}/users/delta`, nextLink: pages[1]?.link })
  })

  it('requests the next page, and just that, while the consumer works on this one', async () => {
    const cloud = await roundOf(5)
    let consumed = 0
    for await (const page of cloud.graph.forTenant(tenant).pages('/users/delta')) {
      consumed += 1
      const expected = Math.min(consumed + 1, 5)
      // Were there no read-ahead, this would wait for ever: nothing else makes the request happen.
      await vi.waitFor(() => expect(cloud.calls.length).toBe(expected))
      expect(page.value).toEqual([consumed - 1])
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(cloud.calls.length).toBe(expected)
    }
    expect(consumed).toBe(5)
  })

  it.each(['return', 'throw', 'signal'])(
    'aborts the read-ahead down to its socket when the consumer ends by %s',
    async (how) => {
      const closed = Promise.withResolvers<void>()
      const cloud = await fakeCloud((url, { response }) => {
        if (numberOf(url) === 0)
          return { body: { value: [0], '@odata.nextLink': `${origin(cloud)}/users/delta?$skiptoken=1` } }
        response.writeHead(200).write('{')
        response.on('close', closed.resolve)
        return undefined
      })
      const stop = new AbortController()
      const read = async () => {
        for await (const page of cloud.graph
          .forTenant(tenant)
          .pages('/users/delta', { signal: stop.signal })) {
          expect(page.value).toEqual([0])
          await vi.waitFor(() => expect(cloud.calls).toHaveLength(2))
          if (how === 'return') return 'returned'
          if (how === 'throw') throw new RangeError('of the consumer')
          stop.abort()
        }
        return 'ended'
      }
      const outcome = await read().catch((error: unknown) => error)
      if (how === 'return') expect(outcome).toBe('returned')
      if (how === 'throw') expect(outcome).toBeInstanceOf(RangeError)
      if (how === 'signal') expect(outcome).toMatchObject({ kind: 'aborted' })
      await closed.promise
    },
  )

  it('tells a failed read-ahead in its turn, and never as an unhandled rejection', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', note)
    const cloud = await fakeCloud((url) =>
      numberOf(url) === 0
        ? { body: { value: [0], '@odata.nextLink': `${origin(cloud)}/users/delta?$skiptoken=1` } }
        : { status: 410, body: { error: { code: 'syncStateNotFound', message: '' } } },
    )
    const seen: unknown[] = []
    const read = async () => {
      for await (const page of cloud.graph.forTenant(tenant).pages('/users/delta')) {
        seen.push(...page.value)
        await vi.waitFor(() => expect(cloud.calls).toHaveLength(2))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    expect(await caught(read())).toMatchObject({ kind: 'reset', code: 'sync_state_not_found' })
    expect(seen).toEqual([0])
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })

  it.each([
    ['a page that links to itself', (page: number) => page],
    ['a loop over three pages', (page: number) => (page + 1) % 3],
    ['a loop that leaves out the start', (page: number) => (page < 4 ? page + 1 : 2)],
  ])('ends %s', async (_, next) => {
    const cloud = await fakeCloud((url) => {
      return {
        body: {
          value: [numberOf(url)],
          '@odata.nextLink': `${origin(cloud)}/users/delta?$skiptoken=${next(numberOf(url))}`,
        },
      }
    })
    const client = cloud.graph.forTenant(tenant)
    expect(await caught(collect(client.pages(`/users/delta?$skiptoken=0`)))).toMatchObject({
      kind: 'malformed',
      code: 'link_loop',
    })
    expect(cloud.calls.length).toBeLessThanOrEqual(5)
  })

  it('ends a listing that never ends', async () => {
    const cloud = await fakeCloud(
      (url) => ({
        body: { value: [], '@odata.nextLink': `${origin(cloud)}/users?$skiptoken=${numberOf(url) + 1}` },
      }),
      { limits: { maxPages: 7 } },
    )
    expect(await caught(collect(cloud.graph.forTenant(tenant).pages('/users')))).toMatchObject({
      kind: 'malformed',
      code: 'too_many_pages',
    })
    expect(cloud.calls).toHaveLength(7)
  })

  it.each([
    ['value missing', {}, 'no_page'],
    ['value an object', { value: {} }, 'no_page'],
    ['value null', { value: null }, 'no_page'],
    ['an array', [], 'no_page'],
    ['null', null, 'no_page'],
    ['a link that is no text', { value: [], '@odata.deltaLink': 7 }, 'no_page'],
    ['no link at all', { value: [] }, 'no_link'],
    ['empty links', { value: [], '@odata.nextLink': '', '@odata.deltaLink': '' }, 'no_link'],
    ['both links', { value: [], '@odata.nextLink': 'x', '@odata.deltaLink': 'y' }, 'two_links'],
  ])('a delta page with %s is malformed', async (_, body, code) => {
    const cloud = await fakeCloud(() => ({ body: JSON.stringify(body) }))
    const pages = cloud.graph.forTenant(tenant).pages('/users/delta?$select=id')
    expect(await caught(collect(pages))).toMatchObject({ kind: 'malformed', code })
  })

  it('takes a list without links for its end', async () => {
    const cloud = await fakeCloud(() => ({ body: { value: [1] } }))
    expect(await collect(cloud.graph.forTenant(tenant).pages('/subscribedSkus'))).toHaveLength(1)
  })
})

import { afterEach, describe, expect, it } from 'vitest'
import { graphLink, pathOf } from '../../src/graph/origin.ts'
import { caught, thrown } from './caught.ts'
import { fakeCloud, tenant } from './fake-cloud.ts'
import { hostileLinks } from './hostile-links.ts'
import { closeServers, tlsServer } from './tls-server.ts'

afterEach(closeServers)

const graph = 'https://graph.microsoft.com'

const hostile = hostileLinks(graph)

describe('the origin guard', () => {
  it('knows enough attacks', () => expect(new Set(hostile).size).toBeGreaterThanOrEqual(200))

  it.each(hostile)('refuses %j', (link) => {
    expect(thrown(() => graphLink(graph, link))).toMatchObject({
      kind: 'foreign_origin',
      code: 'foreign_link',
    })
  })

  it.each([
    ['/users/delta?$select=id,mail', `${graph}/v1.0/users/delta?$select=id,mail`],
    [`${graph}/v1.0/users/delta?$skiptoken=a..%2F../b`, `${graph}/v1.0/users/delta?$skiptoken=a..%2F../b`],
    ["/r?$filter=status eq 'active'", `${graph}/v1.0/r?$filter=status eq 'active'`],
    ['/$batch', `${graph}/v1.0/$batch`],
    [
      `${graph}/v1.0/users/delta()?$deltatoken=x@evil.example`,
      `${graph}/v1.0/users/delta()?$deltatoken=x@evil.example`,
    ],
  ])('takes %j', (link, absolute) => expect(graphLink(graph, link)).toBe(absolute))

  it('keeps tokens out of messages', () => {
    expect(pathOf(`${graph}/v1.0/users/delta?$deltatoken=secret`)).toBe('/users/delta')
    expect(
      thrown(() => graphLink(graph, 'https://evil.example/v1.0/users?$deltatoken=secret')).message,
    ).not.toContain('secret')
  })

  it('sends no request and no token elsewhere, whatever a page links to or an answer redirects to', async () => {
    const strayed: string[] = []
    const evil = await tlsServer((request, response) => {
      strayed.push(`${request.url} ${request.headers.authorization}`)
      response.end('{"value":[]}')
    })
    const port = new URL(evil.origin).port
    let answer: { status?: number; headers?: Record<string, string>; body?: unknown } = {}
    const cloud = await fakeCloud(() => answer)
    const client = cloud.graph.forTenant(tenant)
    const links = [
      `${evil.origin}/v1.0/users`,
      `https://127.0.0.1:${port}/v1.0/users`,
      `${cloud.origin}@localhost:${port}/v1.0/users`,
      `${cloud.origin.replace('https', 'http')}/v1.0/users`,
    ]
    for (const link of links) {
      for (const name of ['@odata.nextLink', '@odata.deltaLink']) {
        answer = { body: { value: [{ id: 'x' }], [name]: link } }
        const seen: unknown[] = []
        const read = async () => {
          for await (const page of client.pages('/users/delta')) seen.push(page)
        }
        expect(await caught(read())).toMatchObject({ kind: 'foreign_origin' })
        // Whoever saved the page would have saved the link with it.
        expect(seen).toEqual([])
      }
      expect(await caught(client.get(link))).toMatchObject({ kind: 'foreign_origin' })
      for (const status of [301, 302, 303, 307, 308]) {
        answer = { status, headers: { location: link }, body: '' }
        const error = await caught(client.get('/users'))
        expect(error).toMatchObject({ kind: 'foreign_origin', code: 'redirect_refused', status })
      }
    }
    expect(strayed).toEqual([])
  })
})

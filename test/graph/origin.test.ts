import { afterEach, describe, expect, it } from 'vitest'
import { graphLink, pathOf } from '../../src/graph/origin.ts'
import { caught, thrown } from './caught.ts'
import { fakeCloud, tenant } from './fake-cloud.ts'
import { closeServers, tlsServer } from './tls-server.ts'

afterEach(closeServers)

const graph = 'https://graph.microsoft.com'

const hostile = [
  'https://evil.example/v1.0/users',
  'https://graph.microsoft.com.evil.example/v1.0/users',
  'https://evil.example/https://graph.microsoft.com/v1.0/users',
  'https://graph.microsoft.com@evil.example/v1.0/users',
  'https://graph.microsoft.com:pass@evil.example/v1.0/users',
  'https://user@graph.microsoft.com/v1.0/users',
  'https://user:pass@graph.microsoft.com/v1.0/users',
  'https://:@graph.microsoft.com/v1.0/users',
  'https://@graph.microsoft.com/v1.0/users',
  'https://graph.microsoft.com%40evil.example/v1.0/users',
  'https://graph.microsoft.com%2eevil.example/v1.0/users',
  'https://graph.microsoft.com#@evil.example/v1.0/users',
  'https://graph.microsoft.com?@evil.example/v1.0/users',
  'https://graph.microsoft.com\\@evil.example/v1.0/users',
  'https://graph.microsoft.com\\.evil.example/v1.0/users',
  'https:\\\\graph.microsoft.com\\v1.0\\users',
  'https:/graph.microsoft.com/v1.0/users',
  'https:graph.microsoft.com/v1.0/users',
  'https:///graph.microsoft.com/v1.0/users',
  'https://///graph.microsoft.com/v1.0/users',
  'http://graph.microsoft.com/v1.0/users',
  'http://graph.microsoft.com:443/v1.0/users',
  'ws://graph.microsoft.com/v1.0/users',
  'ftp://graph.microsoft.com/v1.0/users',
  'file:///v1.0/users',
  'data:application/json,{"value":[]}',
  'javascript:alert(1)',
  'blob:https://graph.microsoft.com/v1.0/users',
  'view-source:https://graph.microsoft.com/v1.0/users',
  'https://graph.microsoft.com:444/v1.0/users',
  'https://graph.microsoft.com:443/v1.0/users',
  'https://graph.microsoft.com:0443/v1.0/users',
  'https://graph.microsoft.com:80/v1.0/users',
  'https://graph.microsoft.com:/v1.0/users',
  'https://graph.microsoft.com:99999/v1.0/users',
  'https://GRAPH.MICROSOFT.COM/v1.0/users',
  'HTTPS://graph.microsoft.com/v1.0/users',
  'https://graph.microsoft.com./v1.0/users',
  'https://graph.microsoft.com../v1.0/users',
  'https://graph.microsoft.us/v1.0/users',
  'https://dod-graph.microsoft.us/v1.0/users',
  'https://canary.graph.microsoft.com/v1.0/users',
  'https://sub.graph.microsoft.com/v1.0/users',
  'https://microsoft.com/v1.0/users',
  'https://raph.microsoft.com/v1.0/users',
  'https://graph.microsoft.co/v1.0/users',
  'https://graph-microsoft.com/v1.0/users',
  'https://graph.rnicrosoft.com/v1.0/users',
  'https://grаph.microsoft.com/v1.0/users', // Cyrillic a
  'https://graph.microsоft.com/v1.0/users', // Cyrillic o
  'https://ｇraph.microsoft.com/v1.0/users', // full width g
  'https://graph。microsoft。com/v1.0/users', // ideographic full stops, which parsers take for dots
  'https://graph.microsoft.com／v1.0/users',
  'https://graph.microsoft.com​/v1.0/users', // zero width space
  'https://graph.micro­soft.com/v1.0/users', // soft hyphen, which parsers drop
  'https://ⓖraph.microsoft.com/v1.0/users',
  'https://127.0.0.1/v1.0/users',
  'https://[::1]/v1.0/users',
  'https://localhost/v1.0/users',
  'https://2130706433/v1.0/users',
  'https://169.254.169.254/metadata/instance',
  ' https://graph.microsoft.com/v1.0/users',
  '\thttps://graph.microsoft.com/v1.0/users',
  '\u0000https://graph.microsoft.com/v1.0/users',
  'ht\ntps://graph.microsoft.com/v1.0/users',
  'https://graph.microsoft.com/\tv1.0/users',
  'https://graph.microsoft.com/v1.0/us\ners',
  'https://graph.microsoft.com/v1.0/users\r\nX-Evil: 1',
  'https://graph.microsoft.com/beta/users',
  'https://graph.microsoft.com/v1.0',
  'https://graph.microsoft.com/v1.0users',
  'https://graph.microsoft.com/V1.0/users',
  'https://graph.microsoft.com/v1.0/../beta/users',
  'https://graph.microsoft.com/v1.0/%2e%2e/beta/users',
  'https://graph.microsoft.com/v1.0/.%2E/beta/users',
  'https://graph.microsoft.com/v1.0/x/../../beta',
  'https://graph.microsoft.com/v1.0/\\..\\beta',
  'https://graph.microsoft.com//v1.0/users',
  'https://graph.microsoft.com/x/v1.0/users',
  'https://graph.microsoft.com/?/v1.0/users',
  'https://graph.microsoft.com/v1.0/users#fragment',
  'https://graph.microsoft.com',
  '//evil.example/v1.0/users',
  '//graph.microsoft.com/v1.0/users',
  '\\\\evil.example\\v1.0',
  '/../beta/users',
  '/%2e%2e/beta/users',
  '/users\\..\\..\\x',
  'users/delta',
  '?$skiptoken=x',
  '',
]

describe('the origin guard', () => {
  it('knows enough attacks', () => expect(new Set(hostile).size).toBeGreaterThanOrEqual(60))

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

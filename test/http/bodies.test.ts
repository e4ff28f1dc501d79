import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { HttpDeps } from '../../src/http/server.ts'
import { createLog } from '../../src/log.ts'
import { contoso } from '../holds/world.ts'
import { writingRoutes, type Route } from './routes.ts'
import { operatorToken, startTestHttp } from './start.ts'

const bearer = `Authorization: Bearer ${operatorToken}`
const livez = 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

/** The server, and what it has told as its own faults since. */
async function startTold(options: Partial<HttpDeps> = {}) {
  const faults: string[] = []
  const log = createLog(
    { level: 'error', pretty: false },
    { write: (line: string) => void faults.push(line.slice(0, 400)) },
  )
  const http = await startTestHttp({ log, ...options })
  return { ...http, port: Number(new URL(http.url).port), faults }
}

/** Sends pieces until the server has had enough; answers what it said. */
function told(port: number, pieces: Iterable<string> | AsyncIterable<string>): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let said = ''
    socket.setEncoding('latin1').on('data', (text) => (said += String(text)))
    // A reset after the answer is how an unwanted body is stopped.
    socket.on('error', () => {})
    socket.on('close', () => resolve(said))
    void (async () => {
      for await (const piece of pieces) {
        if (socket.destroyed) return
        if (!socket.write(piece)) await new Promise((go) => socket.once('drain', go).once('close', go))
      }
    })()
  })
}

const head = (path: string, more: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:8080\r\n${bearer}\r\n${more}\r\n`

async function* dripped(begin: string, drop: string): AsyncGenerator<string> {
  yield begin
  for (;;) {
    await sleep(50)
    yield drop
  }
}

const form = 'Content-Type: application/x-www-form-urlencoded\r\n'
const paths = ['/sign-in', '/api/v1/tenants', '/tenants', '/queues/api/queues/sync/add', '/partner-sign-in']

test('whoever sends slowly or without end is refused in time, and others are answered meanwhile', async () => {
  const { port, faults } = await startTold({ receiveMs: { headers: 1000, whole: 2000 } })
  const slow = [
    ...Array.from({ length: 50 }, () =>
      told(port, dripped('GET / HTTP/1.1\r\nHost: localhost\r\n', 'X-A: b\r\n')),
    ),
    ...Array.from({ length: 50 }, () => told(port, dripped('', ''))),
    ...paths.flatMap((path) => [
      told(port, dripped(head(path, `${form}Content-Length: 1000000\r\n`), 'a')),
      told(port, dripped(head(path, `${form}Transfer-Encoding: chunked\r\n`), '1\r\na\r\n')),
      told(port, dripped(head(path, `${form}Content-Length: 1000000\r\n`), '')),
    ]),
  ]
  let ended = 0
  const all = Promise.all(slow.map((one) => one.finally(() => (ended += 1))))
  let answered = 0
  while (ended < slow.length) {
    expect(await told(port, [livez])).toMatch(/^HTTP\/1\.1 200 /)
    answered += 1
  }
  expect(answered).toBeGreaterThan(5)
  for (const said of await all) expect(said).toMatch(/^HTTP\/1\.1 408 /)
  expect(faults).toEqual([])
})

test('of 50 MB no more than a megabyte is taken, announced or not', async () => {
  const { port, faults } = await startTold()
  const megabyte = 'a'.repeat(1024 * 1024)
  function* body(begin: string, each: string) {
    yield begin
    for (let sent = 0; sent < 50; sent++) yield each
  }
  for (const path of paths) {
    const announced = head(path, `${form}Content-Length: ${50 * megabyte.length}\r\n`)
    expect(await told(port, body(announced, megabyte))).toMatch(/^HTTP\/1\.1 413 /)
    const chunked = head(path, `${form}Transfer-Encoding: chunked\r\n`)
    expect(await told(port, body(chunked, `100000\r\n${megabyte}\r\n`))).toMatch(/^HTTP\/1\.1 413 /)
  }
  expect(await told(port, [livez])).toMatch(/^HTTP\/1\.1 200 /)
  expect(faults).toEqual([])
})

test('a request that is none, or is two, is refused before anybody reads it', async () => {
  const { port, faults } = await startTold()
  for (const path of paths)
    for (const more of [
      'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
      'Content-Length: 5\r\nContent-Length: 6\r\n',
      'Content-Length: -1\r\n',
      'Transfer-Encoding: gzip\r\n',
      'A b: c\r\n',
      `X-Long: ${'x'.repeat(100_000)}\r\n`,
    ])
      expect(await told(port, [`${head(path, more)}0\r\n\r\n`])).toMatch(/^HTTP\/1\.1 4\d\d /)
  for (const path of paths)
    expect(await told(port, [`${head(path, `${form}Transfer-Encoding: chunked\r\n`)}zz\r\n`])).toMatch(
      /^HTTP\/1\.1 400 /,
    )
  expect(faults).toEqual([])
})

test('who goes away in the middle of a body is no fault of ours', async () => {
  const { port, faults } = await startTold()
  for (const path of paths)
    for (const length of ['Content-Length: 1000', 'Transfer-Encoding: chunked'])
      await new Promise<void>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.write(`${head(path, `${form}${length}\r\n`)}3\r\nabc\r\n`, () => socket.resetAndDestroy())
        })
        socket.on('close', () => resolve())
      })
  // What comes after it on the same event loop, some times over.
  for (let asked = 0; asked < 20; asked++) expect(await told(port, [livez])).toMatch(/^HTTP\/1\.1 200 /)
  expect(faults).toEqual([])
})

describe('every route that takes a body', () => {
  const deep = (open: string, close: string): string => `${open.repeat(100_000)}1${close.repeat(100_000)}`
  const wrong: [type: string, body: string | Uint8Array<ArrayBuffer>][] = [
    ['multipart/form-data', 'a=b'],
    ['multipart/form-data; boundary=x', 'no boundary'],
    ['multipart/form-data; boundary=x', '--x\r\nContent-Disposition: form-data; name="token"\r\n\r\nno end'],
    [
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name="name"; filename="../../a"\r\n\r\nb\r\n--x--\r\n',
    ],
    ['application/x-www-form-urlencoded', '%=%zz&%ff=%ff&__proto__=1&constructor=2&name=1&name=2&name[a]=b'],
    ['application/json', deep('[', ']')],
    ['application/json', deep('{"a":', '}')],
    ['application/json', `{"deployments":[{"target":${deep('{"a":[', ']}')}}],"data":${deep('[', ']')}}`],
    ['application/json', '{"name":"a","name":"b","__proto__":{"admin":true},"constructor":{"prototype":1}}'],
    ['application/json', '{"name":'],
    ['application/json', Uint8Array.from([0xff, 0xfe, 0x7b, 0, 0x7d, 0, 0xed, 0xa0, 0x80])],
    ['text/xml', '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'],
    ['', 'null'],
  ]

  test('takes a wrong one for wrong, never for a fault of its own', async () => {
    const { url, deps, faults } = await startTold()
    const asked = await writingRoutes(deps, contoso)
    expect(asked.length).toBeGreaterThan(60)
    const met = new Map<number, number>()
    // The ten wrong tokens that sign-in takes would have all others refused, too: it comes last.
    const lastOfAll = '/sign-in'
    const isLast = ({ path }: Route): boolean => path === lastOfAll
    expect(asked.filter(isLast)).toHaveLength(1)
    for (const { method, path } of asked.toSorted((a, b) => Number(isLast(a)) - Number(isLast(b)))) {
      for (const [type, body] of wrong) {
        const answer = await fetch(url + path, {
          method,
          redirect: 'manual',
          headers: {
            // A body that nobody read closes its connection, which the next request would have to find out.
            Connection: 'close',
            Origin: 'http://localhost:8080',
            Authorization: `Bearer ${operatorToken}`,
            'Content-Type': type,
          },
          body,
        })
        const said = await answer.text()
        met.set(answer.status, (met.get(answer.status) ?? 0) + 1)
        const where = { method, path, type, body: String(body).slice(0, 40), faults: [...faults] }
        // 503: it fitted, and Microsoft is away here.
        expect({ ...where, status: answer.status, said: said.slice(0, 300) }).toEqual({
          ...where,
          faults: [],
          status: expect.toSatisfy((status: number) =>
            status === 429 ? path === lastOfAll : status < 500 || status === 503,
          ),
          said: expect.not.stringMatching(/\bat \S+ \(|node_modules|node:internal/),
        })
      }
    }
    expect(met.get(400) ?? 0).toBeGreaterThan(300)
    expect(Object.prototype).not.toHaveProperty('admin')
  })
})

// A megabyte stops the parser of YAML, and so the whole daemon, for seconds; its merge keys tell where it was at work.
test('a document that comes as JSON is not read as YAML', async () => {
  const { url } = await startTold()
  const preview = async (document: unknown) => {
    const headers = { Authorization: `Bearer ${operatorToken}`, 'Content-Type': 'application/json' }
    const body = JSON.stringify(document)
    const answer = await fetch(`${url}/api/v1/deployments/preview`, { method: 'POST', headers, body })
    expect(answer.status).toBe(200)
    return (await answer.json()) as { problems: { code: string; place: { path: string } }[] }
  }
  const named = { name: 'Browser', target: { everyone: true } }
  const { problems } = await preview({ deployments: [{ ...named, '<<': { item: 'Firefox' } }] })
  expect(problems.map(({ code, place }) => `${code} ${place.path}`).toSorted()).toEqual([
    'key_missing deployments[0].item',
    'key_unknown deployments[0].<<',
  ])
  const versions = { deployments: [{ ...named, item: 'AutoCAD', version: 2022 }] }
  expect(await preview(versions)).toMatchObject({ problems: [], plan: { added: [{ version: '2022' }] } })
  expect((await preview({ deployments: Array.from({ length: 200_000 }, () => ({})) })).problems).toHaveLength(
    1000,
  )
})

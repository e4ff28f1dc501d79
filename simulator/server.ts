import { once } from 'node:events'
import { createServer } from 'node:https'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import type { KeyAndCertificate } from './certificates.ts'
import type { Effect } from './faults.ts'
import type { SimRequest, SimResponse } from './types.ts'

const zip = promisify(gzip)
const largestBody = 4 * 1024 * 1024

/** What to send, and what goes wrong on the way. */
export interface Reply {
  response: SimResponse
  effect: Effect | null
  latencyMs: number
}

export interface HttpsServer {
  port: number
  close(): Promise<void>
}

/** Serves `answer` over TLS on 127.0.0.1 with keep-alive; port 0 takes a free one. */
export async function serveTls(
  port: number,
  tls: KeyAndCertificate,
  answer: (request: SimRequest) => Promise<Reply>,
): Promise<HttpsServer> {
  const stop = new AbortController()
  const server = createServer(
    { key: tls.privateKeyPem, cert: tls.certificatePem, keepAlive: true, keepAliveTimeout: 65_000 },
    (request, response) => {
      respond(request, response, answer, stop.signal).catch((error: unknown) => {
        if (stop.signal.aborted || response.destroyed) return
        process.stderr.write(`simulator: ${request.method} ${request.url}: ${stackOf(error)}\n`)
        if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ error: { code: 'InternalServerError', message: stackOf(error) } }))
      })
    },
  )
  server.on('connection', (socket: Socket) => {
    const ends = endsOf(socket)
    plainSockets.set(ends, socket)
    socket.once('close', () => plainSockets.delete(ends))
  })
  return { port: await listen(server, port), close: () => closeServer(server, stop) }
}

/** The TCP sockets under the TLS ones, by both ends' ports: only they can send a reset. */
const plainSockets = new Map<string, Socket>()

const endsOf = (socket: Socket): string => `${socket.localPort}-${socket.remotePort}`

function reset(incoming: IncomingMessage): void {
  plainSockets.get(endsOf(incoming.socket))?.resetAndDestroy()
}

/** Listens on loopback and answers the port. */
export async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function closeServer(server: Server, stop: AbortController): Promise<void> {
  stop.abort()
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

/** Reads one request; null if it is larger than anything Graph takes. */
export async function readRequest(request: IncomingMessage): Promise<SimRequest | null> {
  const url = new URL(request.url ?? '/', 'https://localhost')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > largestBody) return null
    chunks.push(chunk as Buffer)
  }
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const)
  return {
    method: request.method ?? 'GET',
    path: decodeURIComponent(url.pathname),
    query: url.searchParams,
    headers: Object.fromEntries(headers),
    body: Buffer.concat(chunks).toString(),
  }
}

async function respond(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  answer: (request: SimRequest) => Promise<Reply>,
  signal: AbortSignal,
): Promise<void> {
  const request = await readRequest(incoming)
  if (request === null) {
    outgoing.writeHead(413).end()
    return
  }
  const { response, effect, latencyMs } = await answer(request)
  if (latencyMs > 0) await pause(latencyMs, signal)
  if (effect?.kind === 'silence') return
  if (effect?.kind === 'reset') {
    reset(incoming)
    return
  }
  if (effect?.kind === 'html') {
    const page =
      '<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body>Please sign in.</body></html>'
    outgoing.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page)
    return
  }
  const text =
    response.body === undefined
      ? ''
      : typeof response.body === 'string'
        ? response.body
        : JSON.stringify(response.body)
  const headers: Record<string, string> = {
    ...(typeof response.body !== 'string' &&
      response.body !== undefined && { 'content-type': jsonType(request) }),
    ...(typeof response.body === 'string' && { 'content-type': 'text/plain' }),
    ...response.headers,
  }
  let payload: Buffer = Buffer.from(text)
  if (effect?.kind === 'truncated') payload = payload.subarray(0, Math.floor(payload.length / 2))
  const whole = effect === null
  if (effect?.kind === 'wrong-gzip') headers['content-encoding'] = 'gzip'
  if (effect?.kind === 'zip-bomb') {
    payload = await zip(Buffer.concat([payload, Buffer.alloc(effect.bytes, ' ')]))
    headers['content-encoding'] = 'gzip'
  }
  if (whole && payload.length > 1024 && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) {
    // Level 1: the simulator must not be what a benchmark measures.
    payload = await zip(payload, { level: constants.Z_BEST_SPEED })
    headers['content-encoding'] = 'gzip'
    headers['vary'] = 'Accept-Encoding'
  }
  if (effect?.kind === 'endless') {
    outgoing.writeHead(response.status, headers)
    await pourForEver(outgoing, payload, signal)
    return
  }
  outgoing.writeHead(response.status, { ...headers, 'content-length': String(payload.length) })
  if (effect?.kind === 'cut') {
    outgoing.write(payload.subarray(0, Math.floor(payload.length / 2)), () => outgoing.destroy())
    return
  }
  if (effect?.kind === 'slow') await drip(outgoing, payload, effect.ms, 50, signal)
  if (effect?.kind === 'drip')
    await drip(outgoing, payload, payload.length * effect.everyMs, effect.everyMs, signal)
  outgoing.end(effect?.kind === 'slow' || effect?.kind === 'drip' ? undefined : payload)
}

function jsonType(request: SimRequest): string {
  return request.path.startsWith('/v1.0/')
    ? 'application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8'
    : 'application/json; charset=utf-8'
}

async function drip(
  outgoing: ServerResponse,
  payload: Buffer,
  ms: number,
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  const steps = Math.max(1, Math.min(payload.length, Math.ceil(ms / everyMs)))
  const size = Math.ceil(payload.length / steps)
  for (let at = 0; at < payload.length && !outgoing.destroyed; at += size) {
    outgoing.write(payload.subarray(at, at + size))
    await pause(ms / steps, signal)
  }
}

async function pourForEver(outgoing: ServerResponse, payload: Buffer, signal: AbortSignal): Promise<void> {
  outgoing.write(payload.subarray(0, Math.floor(payload.length / 2)))
  const blanks = Buffer.alloc(16 * 1024, ' ')
  while (!outgoing.destroyed && !signal.aborted) {
    outgoing.write(blanks)
    await pause(20, signal)
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

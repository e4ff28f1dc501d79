import type { IncomingMessage, ServerResponse } from 'node:http'
import { createLog } from '../../src/log.ts'
import { createGraph, type Graph, type GraphOptions } from '../../src/graph/graph.ts'
import { tlsServer } from './tls-server.ts'

export const tenant = '3f0c9a52-1111-4c39-8a55-6a2c4f5d0b11'
export const clientId = '7b9e61f2-0c53-4f70-9d3c-2a4f1d2b8c90'

export interface FakeCloud {
  origin: string
  graph: Graph
  /** Token requests so far. */
  tokenRequests: { body: URLSearchParams; path: string }[]
  /** Requests to /v1.0 so far, each with its Authorization. */
  calls: { url: string; authorization: string | undefined; request: IncomingMessage; at: number }[]
  /** Answers a token request; by default a new token of an hour. */
  onToken: (count: number) => Answer | Promise<Answer>
}

export interface Answer {
  status?: number
  headers?: Record<string, string>
  body?: unknown
}

type OnGraph = (
  url: string,
  call: { count: number; response: ServerResponse; body: string },
) => Answer | undefined | Promise<Answer | undefined>

/** Timings short enough for tests, long enough that a busy machine does not decide them. */
export const quick = { backoffMs: 10, certificateRetryMs: 5, maxInlineWaitMs: 2_000 }

/**
 * A login service and a Graph on one loopback origin, answering as `onGraph` says (undefined: it has answered by
 * itself), and a Graph of ours on it.
 */
export async function fakeCloud(onGraph: OnGraph, options: Partial<GraphOptions> = {}): Promise<FakeCloud> {
  const tokenRequests: FakeCloud['tokenRequests'] = []
  const calls: FakeCloud['calls'] = []
  const { origin } = await tlsServer(async (request, response, body) => {
    const url = request.url ?? ''
    const path = url.split('?')[0] ?? ''
    if (path.endsWith('/oauth2/v2.0/token')) {
      tokenRequests.push({ body: new URLSearchParams(body), path })
      return send(response, await cloud.onToken(tokenRequests.length))
    }
    calls.push({ url, authorization: request.headers.authorization, request, at: performance.now() })
    const answer = await onGraph(url, { count: calls.length, response, body })
    if (answer) send(response, answer)
  })
  const graph = createGraph({
    cloud: { loginUrl: origin, graphUrl: origin },
    appFor: async () => ({ clientId, secret: 's3cr3t~of-the-app' }),
    log: createLog({ level: 'fatal', pretty: false }),
    ...options,
    timings: { ...quick, ...options.timings },
  })
  const cloud: FakeCloud = {
    origin,
    graph,
    tokenRequests,
    calls,
    onToken: (count) => token(`token-${count}`),
  }
  return cloud
}

export function token(value: string, expiresIn = 3599): Answer {
  return {
    body: { token_type: 'Bearer', expires_in: expiresIn, ext_expires_in: expiresIn, access_token: value },
  }
}

export function graphErrorBody(code: string, inner?: string): unknown {
  return { error: { code, message: 'Told by the test.', ...(inner ? { innerError: { code: inner } } : {}) } }
}

function send(response: ServerResponse, { status = 200, headers = {}, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body))
}

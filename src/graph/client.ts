import { Client, ResponseType } from '@microsoft/microsoft-graph-client'
import { batch, type BatchAnswer, type BatchRequest } from './batch.ts'
import { Call, type ClientContext, type GraphUsage } from './call.ts'
import { decodeClaims, type TokenClaims } from './claims.ts'
import { malformed } from './json.ts'
import { middlewareChain } from './middleware.ts'
import { graphLink, pathOf } from './origin.ts'
import { pages, type GraphPage } from './paging.ts'

/** Reads one Entra tenant for one run; `usage` counts that run. Paths begin with `/` and stand below `/v1.0`. */
export interface GraphClient {
  readonly entraTenantId: string
  /** GET of a path or of a link of Graph's; the parsed JSON. Throws EntraSyncError, see errors.ts. */
  get(
    pathOrLink: string,
    options?: { headers?: Record<string, string>; signal?: AbortSignal | undefined },
  ): Promise<unknown>
  /** The number behind `/users/$count` and its like; from an index that lags. */
  count(path: string, options?: { signal?: AbortSignal | undefined }): Promise<number>
  /** All pages from a path or link on; the next is requested while the consumer works on this one. */
  pages(
    pathOrLink: string,
    options?: { signal?: AbortSignal | undefined },
  ): AsyncGenerator<GraphPage, void, undefined>
  /** Any number of GETs, 20 in a request. Statuses of 4xx and 5xx are answers here, not errors, except 429. */
  batch(
    requests: BatchRequest[],
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Map<string, BatchAnswer>>
  readonly usage: Readonly<GraphUsage>
  /**
   * Claims of the token in use, for diagnosis; null where it cannot be decoded, which is no fault (tokens are opaque
   * to clients by contract).
   */
  claims(options?: { signal?: AbortSignal | undefined }): Promise<TokenClaims | null>
}

/** What only a signed-in user is let do: the sync reads. Both are safe to repeat, since Graph tells what is there or gone. */
export interface GraphWriter {
  post(path: string, body: object, options?: { signal?: AbortSignal | undefined }): Promise<unknown>
  patch(path: string, body: object, options?: { signal?: AbortSignal | undefined }): Promise<void>
  delete(path: string, options?: { signal?: AbortSignal | undefined }): Promise<void>
}

/** A client of one Entra tenant out of what the process shares (tokens, gates). */
export function createClient(context: ClientContext): GraphClient & GraphWriter {
  const { graphUrl, entraTenantId } = context
  const sdk = Client.initWithMiddleware({
    baseUrl: `${graphUrl}/`,
    middleware: middlewareChain(context),
  })

  async function send(
    call: Call,
    headers: Record<string, string>,
    body?: unknown,
    method: 'get' | 'post' | 'patch' | 'delete' = body === undefined ? 'get' : 'post',
  ): Promise<unknown> {
    const request = sdk.api('/').middlewareOptions([call]).headers(headers).responseType(ResponseType.RAW)
    try {
      await (method === 'post' || method === 'patch' ? request[method](body) : request[method]())
    } catch (wrapped) {
      throw call.error ?? wrapped
    }
    return call.result
  }

  async function write(
    method: 'post' | 'patch' | 'delete',
    path: string,
    body: object | undefined,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const headers = {
      Accept: 'application/json',
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
    }
    return send(new Call(graphLink(graphUrl, path), 'change', signal), headers, body, method)
  }

  const client: GraphClient & GraphWriter = {
    entraTenantId,
    post: (path, body, { signal } = {}) => write('post', path, body, signal),
    patch: async (path, body, { signal } = {}) => void (await write('patch', path, body, signal)),
    delete: async (path, { signal } = {}) => void (await write('delete', path, undefined, signal)),
    usage: context.usage,
    get: async (pathOrLink, options = {}) =>
      send(new Call(graphLink(graphUrl, pathOrLink), 'json', options.signal), {
        Accept: 'application/json',
        ...options.headers,
      }),
    async count(path, { signal } = {}) {
      const link = graphLink(graphUrl, path)
      // Some tenants' answers begin with a byte order mark, which decoding drops; Number drops white space.
      const text = String(await send(new Call(link, 'text', signal), { ConsistencyLevel: 'eventual' })).trim()
      if (!/^\d{1,15}$/.test(text))
        throw malformed('count_no_number', 'The count is no number.', pathOf(link))
      return Number(text)
    },
    pages: (pathOrLink, { signal } = {}) =>
      pages(context, (link, options) => client.get(link, options), pathOrLink, signal),
    batch: (requests, { signal } = {}) =>
      batch(context, requests, signal, (body) =>
        send(
          new Call(graphLink(graphUrl, '/$batch'), 'json', signal),
          { Accept: 'application/json', 'Content-Type': 'application/json' },
          body,
        ),
      ),
    async claims({ signal } = {}) {
      return decodeClaims((await context.tokens.get(entraTenantId, signal)).value)
    },
  }
  return client
}

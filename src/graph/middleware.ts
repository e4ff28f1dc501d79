import type { Middleware } from '@microsoft/microsoft-graph-client'
import { steadyNow } from '../clock.ts'
import { callOf, middleware, setHeader, type ClientContext } from './call.ts'
import { graphLink } from './origin.ts'
import { retrying } from './retry.ts'
import { transport } from './transport.ts'

/**
 * The chain that each request goes through, outermost first. The SDK's own RetryHandler is not among them: it sleeps
 * out any Retry-After and so holds a worker's slot; nor its RedirectHandler, which would follow.
 */
export function middlewareChain(client: ClientContext): Middleware[] {
  return [tellingErrors(), originGuard(client), retrying(client), authentication(client), transport(client)]
}

/** Keeps the true error, since the SDK turns every one into a GraphError without kind and cause. */
function tellingErrors(): Middleware {
  return middleware(async (context, next) => {
    try {
      await next(context)
    } catch (error) {
      callOf(context).error = error
      throw error
    }
  })
}

/** Puts the link in verbatim and refuses it, before a token is fetched, if it leads elsewhere. */
function originGuard(client: ClientContext): Middleware {
  return middleware(async (context, next) => {
    context.request = graphLink(client.graphUrl, callOf(context).link)
    await next(context)
  })
}

/** Attaches the token; on 401 drops it, fetches one and replays, once. */
function authentication(client: ClientContext): Middleware {
  const startedAt = steadyNow()
  return middleware(async (context, next) => {
    const call = callOf(context)
    const token = await client.tokens.get(client.entraTenantId, call.signal)
    setHeader(context, 'Authorization', `Bearer ${token.value}`)
    await next(context)
    const status = call.answer?.status
    // A token keeps the roles of its birth for an hour, so a permission granted since looks missing; a token of this run is not older.
    const stale403 = status === 403 && token.obtainedAt < startedAt
    if (status !== 401 && !stale403) return
    client.tokens.drop(client.entraTenantId, token)
    // What the token's own request throws must not be judged by this answer.
    call.answer = undefined
    const fresh = await client.tokens.get(client.entraTenantId, call.signal)
    client.usage.retries += 1
    setHeader(context, 'Authorization', `Bearer ${fresh.value}`)
    await next(context)
  })
}

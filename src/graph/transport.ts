import type { Context, Middleware } from '@microsoft/microsoft-graph-client'
import { randomUUID } from 'node:crypto'
import { EntraSyncError } from '../errors.ts'
import { abortedError } from './abort.ts'
import { callOf, countUnits, middleware, setHeader, type ClientContext } from './call.ts'
import { graphError } from './errors.ts'
import { parseJson } from './json.ts'
import { pathOf } from './origin.ts'
import { readText } from './read-body.ts'

const userAgent = `entra-sync (node ${process.versions.node}; ${process.platform} ${process.arch})`

/** Sends the request, reads the answer to its end within limits, whatever its status; `judgeAnswer` says what it means. */
export function transport(client: ClientContext): Middleware {
  return middleware(async (context) => {
    const call = callOf(context)
    const resource = pathOf(call.link)
    const requestId = randomUUID()
    setHeader(context, 'client-request-id', requestId)
    setHeader(context, 'User-Agent', userAgent)
    const deadline = new AbortController()
    const headersTimer = setTimeout(() => deadline.abort('headers'), client.timings.headersMs)
    const pageTimer = setTimeout(() => deadline.abort('page'), client.timings.pageMs)
    try {
      client.usage.requests += 1
      client.retries.sent(client.entraTenantId)
      const response = await fetch(String(context.request), {
        ...context.options,
        redirect: 'manual',
        signal: call.signal ? AbortSignal.any([deadline.signal, call.signal]) : deadline.signal,
      })
      clearTimeout(headersTimer)
      countUnits(client, response.headers.get('x-ms-resource-unit'))
      if (response.status >= 300 && response.status < 400) {
        await response.body?.cancel()
        throw redirected(client.entraTenantId, resource, response)
      }
      const text = await readText(response, client.limits.maxResponseBytes, resource)
      call.answer = { status: response.status, headers: response.headers, text }
      context.response = response
    } catch (error) {
      if (error instanceof EntraSyncError) throw error
      if (call.signal?.aborted) throw abortedError(call.signal)
      throw networkError(client.entraTenantId, resource, requestId, deadline.signal, error)
    } finally {
      clearTimeout(headersTimer)
      clearTimeout(pageTimer)
    }
  })
}

/** Parses a 2xx answer into `call.result`; throws what any other means. Called by the retry, which judges the error. */
export function judgeAnswer(client: ClientContext, context: Context, retryAt?: Date): void {
  const call = callOf(context)
  const answer = call.answer
  if (!answer) throw new TypeError('The chain ended without an answer.')
  const resource = pathOf(call.link)
  if (answer.status >= 200 && answer.status < 300) {
    if (answer.status === 204 && call.accept === 'change') call.result = undefined
    else call.result = call.accept === 'text' ? answer.text : parseJson(answer.text, resource)
    return
  }
  throw graphError(
    {
      status: answer.status,
      body: jsonOrText(answer.text),
      requestId: answer.headers.get('request-id') ?? undefined,
      resource,
      tenant: client.entraTenantId,
    },
    retryAt,
  )
}

function redirected(tenant: string, resource: string, response: Response): EntraSyncError {
  return new EntraSyncError(
    'foreign_origin',
    `Graph answered ${response.status} with a redirect to ${resource}; it was not followed.`,
    {
      code: 'redirect_refused',
      tenant,
      resource,
      status: response.status,
      remedy: 'Graph never redirects these reads: look for a proxy or captive portal between here and Graph.',
    },
  )
}

function networkError(
  tenant: string,
  resource: string,
  requestId: string,
  deadline: AbortSignal,
  cause: unknown,
): EntraSyncError {
  const what = deadline.aborted
    ? `Graph sent no ${deadline.reason === 'headers' ? 'answer' : 'whole page'} in time`
    : 'the connection to Graph failed'
  return new EntraSyncError('transient', `Reading ${resource} failed: ${what}.`, {
    code: deadline.aborted ? `${String(deadline.reason)}_timeout` : networkCode(cause),
    tenant,
    resource,
    requestId,
    remedy: 'It is tried again later. If it persists, check DNS, proxy, firewall and NODE_EXTRA_CA_CERTS.',
    cause,
  })
}

/** `network_econnreset`; undici hides the system's code in the cause of "fetch failed". */
function networkCode(error: unknown): string {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') return `network_${at.code.toLowerCase()}`
  }
  return 'network_failed'
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Gateways in front of Graph answer in HTML or not at all; the status decides then.
    return text
  }
}

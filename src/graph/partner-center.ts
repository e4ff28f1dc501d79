import { randomUUID } from 'node:crypto'
import { inMs, steadyNow } from '../clock.ts'
import { EntraSyncError, isEntraSyncError } from '../errors.ts'
import type { Log } from '../log.ts'
import { abortedError, sleep } from './abort.ts'
import { partnerCenterError } from './partner-center-errors.ts'
import { readText } from './read-body.ts'
import { backoffMs, retryAfterMs } from './retry-after.ts'
import { defaultTimings, type GraphTimings } from './timings.ts'

/** App id of Microsoft Graph, the API whose delegated scopes are consented to. */
export const graphAppId = '00000003-0000-0000-c000-000000000000'

/** Which app of which customer, and as whom. */
export interface ConsentCall {
  /** The partner user's token for Partner Center. */
  token: string
  customer: string
  clientId: string
  signal?: AbortSignal | undefined
}

/**
 * Partner Center's consents of apps in customers' tenants: delegated scopes only, and no way to read them.
 * @see https://learn.microsoft.com/partner-center/developer/control-panel-vendor-apis
 */
export interface PartnerCenter {
  /** Consents to delegated scopes of one API. `exists`: there is a consent already, whose scopes may be others. */
  consent(call: ConsentCall & { resource: string; scopes: readonly string[] }): Promise<'made' | 'exists'>
  /** Takes the consent back. It may take the service principal with it, and so all that the app may do. */
  withdraw(call: ConsentCall): Promise<'withdrawn' | 'absent'>
}

export interface PartnerCenterOptions {
  /** https origin. */
  partnerCenterUrl: string
  log: Log
  timings?: Partial<GraphTimings>
  /** Least time between two requests for one app; Microsoft allows 50 a second for all processes together. */
  spacingMs?: number
}

// An answer is a few hundred bytes.
const maxBytes = 1024 * 1024
const attempts = 4
const defaultSpacingMs = 100

export function createPartnerCenter(options: PartnerCenterOptions): PartnerCenter {
  const { log, spacingMs = defaultSpacingMs } = options
  const timings = { ...defaultTimings, ...options.timings }
  const { origin } = new URL(options.partnerCenterUrl)
  const nextAt = new Map<string, number>()

  async function takeTurn(clientId: string, signal: AbortSignal | undefined): Promise<void> {
    const now = steadyNow()
    const at = Math.max(now, nextAt.get(clientId) ?? 0)
    nextAt.set(clientId, at + spacingMs)
    if (at > now) await sleep(at - now, signal)
  }

  /** One operation; the request id stays the same on retries, which makes a repeated POST safe. */
  async function send(
    method: 'POST' | 'DELETE',
    call: ConsentCall,
    body?: object,
  ): Promise<{ status: number; text: string }> {
    const path = `/v1/customers/${encodeURIComponent(call.customer)}/applicationconsents`
    const url = `${origin}${path}${method === 'DELETE' ? `/${encodeURIComponent(call.clientId)}` : ''}`
    const [requestId, correlationId] = [randomUUID(), randomUUID()]
    let waited = 0
    for (let attempt = 1; ; attempt++) {
      await takeTurn(call.clientId, call.signal)
      try {
        return await sendOnce(url, method, call, { requestId, correlationId }, body)
      } catch (error) {
        if (!isEntraSyncError(error)) throw error
        const passing = error.kind === 'transient' || error.kind === 'throttled'
        const asked = error.retryAt === undefined ? 0 : error.retryAt.getTime() - steadyNow()
        const wait = Math.max(asked, backoffMs(timings.backoffMs, attempt))
        if (!passing || attempt >= attempts || waited + wait > timings.maxInlineWaitMs) throw error
        log.debug({ tenant: call.customer, code: error.code, attempt }, 'Partner Center is asked again')
        await sleep(wait, call.signal)
        waited += wait
      }
    }
  }

  async function sendOnce(
    url: string,
    method: 'POST' | 'DELETE',
    { token, customer, clientId, signal }: ConsentCall,
    ids: { requestId: string; correlationId: string },
    body: object | undefined,
  ): Promise<{ status: number; text: string }> {
    // The token goes to the configured origin and nowhere else, whatever the ids in the path held.
    if (new URL(url).origin !== origin) {
      throw new EntraSyncError('foreign_origin', `A request was about to leave ${origin}.`, {
        code: 'foreign_link',
        tenant: customer,
      })
    }
    const timeout = AbortSignal.timeout(timings.headersMs)
    try {
      const response = await fetch(url, {
        method,
        redirect: 'manual',
        headers: {
          Authorization: `Bearer ${token}`,
          Accept: 'application/json',
          'MS-RequestId': ids.requestId,
          'MS-CorrelationId': ids.correlationId,
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
      })
      const text = await readText(response, maxBytes, 'applicationconsents')
      if (response.status >= 200 && response.status < 300) return { status: response.status, text }
      const wait = retryAfterMs(response.headers.get('retry-after'), timings.maxRetryAfterMs)
      throw partnerCenterError({
        method,
        status: response.status,
        text,
        customer,
        clientId,
        requestId: ids.requestId,
        ...(wait !== null && { retryAt: inMs(wait) }),
      })
    } catch (error) {
      if (error instanceof EntraSyncError) throw error
      if (signal?.aborted) throw abortedError(signal)
      throw new EntraSyncError('transient', `Partner Center (${new URL(url).host}) did not answer.`, {
        code: 'partner_transient',
        tenant: customer,
        requestId: ids.requestId,
        remedy: 'It is tried again later. If it persists, check DNS, proxy and firewall of this machine.',
        cause: error,
      })
    }
  }

  return {
    async consent({ resource, scopes, ...call }) {
      try {
        await send('POST', call, {
          applicationId: call.clientId,
          // One resource a call, and joined like this: other forms are taken by some of Microsoft's gateways only.
          applicationGrants: [{ enterpriseApplicationId: resource, scope: scopes.join(', ') }],
        })
        return 'made'
      } catch (error) {
        if (isEntraSyncError(error) && error.code === 'partner_consent_exists') return 'exists'
        throw error
      }
    },
    async withdraw(call) {
      try {
        await send('DELETE', call)
        return 'withdrawn'
      } catch (error) {
        if (isEntraSyncError(error) && error.code === 'partner_consent_absent') return 'absent'
        throw error
      }
    },
  }
}

import type { Middleware } from '@microsoft/microsoft-graph-client'
import { inMs } from '../clock.ts'
import { EntraSyncError, isEntraSyncError } from '../errors.ts'
import { sleep } from './abort.ts'
import { callOf, middleware, throttle, type Answer, type Call, type ClientContext } from './call.ts'
import { restated, tokenResource } from './errors.ts'
import { pathOf } from './origin.ts'
import { backoffMs, retryAfterMs } from './retry-after.ts'
import { judgeAnswer } from './transport.ts'

// Google SRE's figures: three attempts a request, and no more retries than a tenth of a client's requests, so that
// an outage is not answered with a multiple of the load. The floor lets small runs retry at all.
const attempts = 3
const retryShare = 0.1
const retryFloor = 10

/**
 * Sends a call until it is answered or given up. 429: waits as told while all waits of the call stay within
 * `maxInlineWaitMs`, else throws kind throttled with `retryAt` and the whole tenant is held until then. 5xx, network:
 * three attempts with jittered back-off. A broken body: one more attempt.
 */
export function retrying(client: ClientContext): Middleware {
  return middleware(async (context, next) => {
    const call = callOf(context)
    let waited = 0
    let failures = 0
    let broken = 0
    for (let attempt = 1; ; attempt++) {
      waited += await passGate(client, call, waited)
      await refuseWhileAway(client, call)
      call.answer = undefined
      let error: EntraSyncError
      try {
        await next(context)
        judgeAnswer(client, context, retryAtOf(client, call))
        client.circuit.answered()
        return
      } catch (thrown) {
        if (!isEntraSyncError(thrown)) throw thrown
        error = thrown
      }
      const answer = answerOf(call)
      // The token's own faults are the login service's, which has a circuit of its own.
      if (error.kind === 'transient' && error.resource !== tokenResource) countFailure(client, call, error)
      else if (answer !== undefined) client.circuit.answered()
      if (error.kind === 'throttled' && answer !== undefined) {
        const wait = Math.max(askedWaitMs(client, call) ?? 0, backoffMs(client.timings.backoffMs, attempt))
        throttle(client, answer.headers.get('x-ms-throttle-scope'), wait)
        const retryAt = inMs(wait)
        if (waited + wait > client.timings.maxInlineWaitMs || !mayRetry(client))
          throw restated(error, { retryAt })
      } else {
        const isBroken = error.kind === 'malformed' && answeredWell(call)
        if (isBroken) broken += 1
        else failures += 1
        const hopeless = isBroken ? broken > 1 : error.kind !== 'transient' || failures >= attempts
        // The token's own faults were retried where they happened.
        if (hopeless || error.resource === tokenResource || !mayRetry(client)) throw error
        const wait = Math.max(
          askedWaitMs(client, call) ?? 0,
          backoffMs(client.timings.backoffMs, failures + broken),
        )
        if (waited + wait > client.timings.maxInlineWaitMs) throw error
        await sleep(wait, call.signal)
        waited += wait
      }
      client.usage.retries += 1
      client.log.debug(
        { tenant: client.entraTenantId, resource: pathOf(call.link), code: error.code, attempt },
        'a Graph call is tried again',
      )
    }
  })
}

async function waitMs({ gates, units, entraTenantId }: ClientContext): Promise<number> {
  return Math.max(gates.waitMs(entraTenantId), await units.waitMs(entraTenantId))
}

/** Nobody is answered: the tenant gives its slot back and comes again at a moment of its own. */
async function refuseWhileAway({ circuit, entraTenantId }: ClientContext, call: Call): Promise<void> {
  const rest = await circuit.restMs(call.signal)
  if (rest > 0) throw graphAway(entraTenantId, call, rest)
}

/** Whoever asked for all must not be backed off for it: hours of that would make an hour of back-off for everybody. */
function countFailure({ circuit, entraTenantId }: ClientContext, call: Call, error: EntraSyncError): void {
  circuit.failed(entraTenantId)
  const rest = circuit.restAfterFailureMs()
  if (rest > 0) throw graphAway(entraTenantId, call, rest, error)
}

function graphAway(entraTenantId: string, call: Call, rest: number, cause?: unknown): EntraSyncError {
  return new EntraSyncError('throttled', 'Graph answers nobody at the moment.', {
    code: 'graph_away',
    tenant: entraTenantId,
    resource: pathOf(call.link),
    retryAt: inMs(rest),
    remedy: 'Nothing to do: it is tried every few seconds, and all go on when it answers.',
    cause,
  })
}

/** Waits until the tenant may be called; throws throttled if that is longer than this call may still wait. */
async function passGate(client: ClientContext, call: Call, waited: number): Promise<number> {
  let slept = 0
  for (let wait = await waitMs(client); wait > 0; wait = await waitMs(client)) {
    if (waited + slept + wait > client.timings.maxInlineWaitMs) {
      throw new EntraSyncError('throttled', `Microsoft throttles tenant ${client.entraTenantId}.`, {
        code: 'tenant_held',
        tenant: client.entraTenantId,
        resource: pathOf(call.link),
        // A little later each, or all whom an app's limit holds come back in one moment.
        retryAt: inMs(wait * (1 + Math.random() / 4)),
        remedy: 'Nothing to do: the read goes on when Microsoft allows it.',
      })
    }
    await sleep(wait, call.signal)
    slept += wait
  }
  client.usage.throttledMs += slept
  return slept
}

function askedWaitMs(client: ClientContext, call: Call): number | null {
  return retryAfterMs(call.answer?.headers.get('retry-after'), client.timings.maxRetryAfterMs)
}

function retryAtOf(client: ClientContext, call: Call): Date | undefined {
  if (!call.answer || call.answer.status < 400) return undefined
  const wait = askedWaitMs(client, call)
  return wait === null ? undefined : inMs(wait)
}

/** What came, if anything: the compiler believes that it is still what it was before the call. */
function answerOf(call: Call): Answer | undefined {
  return call.answer
}

/** A 2xx body that could not be read is worth one more attempt; a 400 is the same the second time. */
function answeredWell(call: Call): boolean {
  return call.answer !== undefined && call.answer.status < 300
}

function mayRetry({ usage, retries, entraTenantId }: ClientContext): boolean {
  return usage.retries < retryFloor + usage.requests * retryShare && retries.take(entraTenantId)
}

import { z } from 'zod'
import { inMs } from '../clock.ts'
import { EntraSyncError } from '../errors.ts'
import { sleep } from './abort.ts'
import { countUnits, throttle, type ClientContext } from './call.ts'
import { graphError } from './errors.ts'
import { malformed } from './json.ts'
import { backoffMs, retryAfterMs } from './retry-after.ts'

export interface BatchRequest {
  /** Unique in this call, case-blind. */
  id: string
  /** Path below `/v1.0`, as `/teams/{id}?$select=isArchived`. */
  url: string
}

export interface BatchAnswer {
  status: number
  body: unknown
}

const responsesSchema = z.object({
  responses: z.array(
    z.object({
      id: z.string(),
      status: z.number().int(),
      headers: z.record(z.string(), z.unknown()).nullish(),
      body: z.unknown().optional(),
    }),
  ),
})
type InnerAnswer = z.infer<typeof responsesSchema>['responses'][number]

// Graph refuses more in one request (https://learn.microsoft.com/graph/json-batching).
const perRequest = 20
const attempts = 3

/**
 * GETs `requests`, 20 in a request, one request after the other. Each is throttled on its own: those refused are
 * sent again after the longest wait they ask for; if that is too long, kind throttled for all. 5xx are tried three
 * times and then returned like every other status.
 */
export async function batch(
  context: ClientContext,
  requests: BatchRequest[],
  signal: AbortSignal | undefined,
  post: (body: unknown) => Promise<unknown>,
): Promise<Map<string, BatchAnswer>> {
  const answers = new Map<string, BatchAnswer>()
  const failures = new Map<string, number>()
  let queue = requests
  let waited = 0
  for (let round = 1; queue.length > 0;) {
    const sent = queue.slice(0, perRequest)
    const inner = await send(context, sent, post)
    const again: BatchRequest[] = []
    let wait = 0
    for (const request of sent) {
      const answer = inner.get(request.id)
      if (!answer)
        throw malformed('batch_incomplete', `The batch answer lacks request ${request.id}.`, '/$batch')
      const failed = (failures.get(request.id) ?? 0) + 1
      if (answer.status === 429 || (answer.status >= 500 && answer.status !== 501 && failed < attempts)) {
        failures.set(request.id, failed)
        again.push(request)
        wait = Math.max(wait, waitOf(context, answer), backoffMs(context.timings.backoffMs, round))
        if (answer.status === 429) hold(context, answer, wait)
      } else answers.set(request.id, { status: answer.status, body: answer.body })
    }
    queue = [...again, ...queue.slice(perRequest)]
    if (again.length === 0) {
      round = 1
      continue
    }
    round += 1
    waited += wait
    if (waited > context.timings.maxInlineWaitMs) throw tooLong(context, inner, wait)
    await sleep(wait, signal)
    context.usage.retries += 1
  }
  return answers
}

async function send(
  context: ClientContext,
  requests: BatchRequest[],
  post: (body: unknown) => Promise<unknown>,
): Promise<Map<string, InnerAnswer>> {
  const body = await post({ requests: requests.map(({ id, url }) => ({ id, method: 'GET', url })) })
  const parsed = responsesSchema.safeParse(body)
  if (!parsed.success)
    throw malformed('no_batch', 'The answer is not that of a batch.', '/$batch', parsed.error)
  for (const answer of parsed.data.responses) {
    countUnits(context, header(answer, 'x-ms-resource-unit'))
  }
  return new Map(parsed.data.responses.map((answer) => [answer.id, answer]))
}

function waitOf(context: ClientContext, answer: InnerAnswer): number {
  return retryAfterMs(header(answer, 'retry-after'), context.timings.maxRetryAfterMs) ?? 0
}

function hold(context: ClientContext, answer: InnerAnswer, wait: number): void {
  throttle(context, header(answer, 'x-ms-throttle-scope'), wait)
}

function header(answer: InnerAnswer, name: string): string | null {
  for (const [key, value] of Object.entries(answer.headers ?? {})) {
    if (key.toLowerCase() === name) return String(value)
  }
  return null
}

function tooLong(context: ClientContext, inner: Map<string, InnerAnswer>, wait: number): EntraSyncError {
  const worst =
    [...inner.values()].find((answer) => answer.status === 429) ??
    [...inner.values()].find((answer) => answer.status >= 500)
  return graphError(
    {
      status: worst?.status ?? 429,
      body: worst?.body,
      requestId: worst ? (header(worst, 'request-id') ?? undefined) : undefined,
      resource: '/$batch',
      tenant: context.entraTenantId,
    },
    inMs(wait),
  )
}

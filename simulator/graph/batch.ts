import { z } from 'zod'
import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { badRequest, failure, ok } from './answers.ts'
import { parseJson } from './directory-objects.ts'

const most = 20

const partSchema = z.object({
  id: z.string().min(1),
  method: z.string().min(1),
  url: z.string().min(1),
  headers: z.record(z.string(), z.string()).optional(),
  body: z.unknown().optional(),
  dependsOn: z.array(z.string()).optional(),
})
type Part = z.infer<typeof partSchema>
const batchSchema = z.object({ requests: z.array(partSchema).min(1) })

interface Answered {
  id: string
  status: number
  headers: Record<string, string>
  body?: unknown
}

/** POST /$batch: 200 whatever happens inside; each part is charged, refused and answered on its own. */
export async function answerBatch(
  request: SimRequest,
  context: GraphContext,
  answer: (part: SimRequest) => Promise<SimResponse>,
): Promise<SimResponse> {
  const parsed = batchSchema.safeParse(parseJson(request.body))
  if (!parsed.success) return failure(400, 'BadRequest', 'Invalid batch payload format.')
  const parts = parsed.data.requests
  if (parts.length > most) {
    return failure(400, 'BadRequest', `Number of batch request steps exceeds the maximum value of ${most}.`)
  }
  const byId = new Map(parts.map((part) => [part.id.toLowerCase(), part]))
  if (byId.size < parts.length) return failure(400, 'BadRequest', 'Batch request ids must be unique.')
  const order = inOrder(parts, byId)
  if (order === null)
    return failure(400, 'BadRequest', 'A dependsOn names no other request, or goes in a circle.')
  const answered = new Map<string, Answered>()
  for (const part of order) {
    const failed = (part.dependsOn ?? []).some((id) => (answered.get(id.toLowerCase())?.status ?? 500) >= 400)
    const response = failed
      ? failure(424, 'FailedDependency', 'A request that this one depends on has failed.')
      : await answerPart(part, context, answer)
    const { status, headers, body } = response
    const type = typeof body === 'string' ? {} : { 'Content-Type': 'application/json' }
    answered.set(part.id.toLowerCase(), {
      id: part.id,
      status,
      headers: { ...type, ...properCase(headers) },
      ...(body !== undefined && {
        body: typeof body === 'string' ? Buffer.from(body).toString('base64') : body,
      }),
    })
  }
  return ok({ responses: [...answered.values()] })
}

/** Parts so that each comes after what it depends on; null if that can't be. */
function inOrder(parts: Part[], byId: Map<string, Part>): Part[] | null {
  const done = new Set<Part>()
  const open = new Set<Part>()
  const visit = (part: Part): boolean => {
    if (done.has(part)) return true
    if (open.has(part)) return false
    open.add(part)
    for (const id of part.dependsOn ?? []) {
      const needed = byId.get(id.toLowerCase())
      if (needed === undefined || !visit(needed)) return false
    }
    done.add(part)
    return true
  }
  return parts.every(visit) ? [...done] : null
}

async function answerPart(
  part: Part,
  context: GraphContext,
  answer: (request: SimRequest) => Promise<SimResponse>,
): Promise<SimResponse> {
  const request = partRequest(part)
  if ('refusal' in request) return request.refusal
  const { refusal, headers } = context.admit(request)
  const response = refusal ?? (await answer(request))
  return { ...response, headers: { ...headers, ...response.headers } }
}

function partRequest(part: Part): SimRequest | { refusal: SimResponse } {
  const headers = Object.fromEntries(
    Object.entries(part.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  )
  if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(part.url))
    return { refusal: badRequest('A url in a batch is relative.') }
  const base = 'https://graph.invalid/'
  const link = part.url.startsWith('/') ? part.url.slice(1) : part.url
  if (!URL.canParse(link, base)) return { refusal: badRequest('A url in the batch is malformed.') }
  const url = new URL(link, base)
  const path = decodePath(url.pathname)
  if (path === null) return { refusal: badRequest('A url in the batch is malformed.') }
  if (path === '/$batch') return { refusal: badRequest('A batch may not hold a batch.') }
  if (part.body !== undefined && headers['content-type'] === undefined) {
    return { refusal: badRequest('A request with a body needs a Content-Type header.') }
  }
  return {
    method: part.method.toUpperCase(),
    path,
    query: url.searchParams,
    headers,
    body: part.body === undefined ? '' : JSON.stringify(part.body),
  }
}

function decodePath(path: string): string | null {
  try {
    return decodeURIComponent(path)
  } catch {
    // A lone percent sign: answered 400 by the caller.
    return null
  }
}

/** `retry-after` as `Retry-After`: inside a batch clients read the names as JSON keys. */
function properCase(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.startsWith('x-ms-') ? name : name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase()),
      value,
    ]),
  )
}

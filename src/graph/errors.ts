import { z } from 'zod'
import { entryOfGraphCode, fillRemedy } from '../error-catalogue/catalogue.ts'
import { decisiveGraphCodes, snakeCase } from '../error-catalogue/graph.ts'
import { EntraSyncError, isEntraSyncError, type ErrorFacts, type ErrorKind } from '../errors.ts'

interface ErrorBody {
  code?: string | undefined
  message?: string | undefined
  'request-id'?: string | undefined
  innerError?: ErrorBody | undefined
  innererror?: ErrorBody | undefined
}

const innerSchema: z.ZodType<ErrorBody> = z.lazy(() =>
  z.object({
    code: z.string().optional().catch(undefined),
    message: z.string().optional().catch(undefined),
    'request-id': z.string().optional().catch(undefined),
    innerError: innerSchema.optional().catch(undefined),
    innererror: innerSchema.optional().catch(undefined),
  }),
)
const bodySchema = z.object({ error: innerSchema })

/** What is known of an answer that is not 2xx. */
export interface ErrorAnswer {
  status: number
  /** Parsed JSON, or the text if it was none. */
  body: unknown
  requestId: string | undefined
  resource: string
  tenant: string
}

/** The kind that an HTTP answer of Graph means; codes come first, since one status has many meanings. */
export function kindOfAnswer(status: number, codes: string[]): ErrorKind {
  for (const code of codes) {
    const kind = kindOfCode(code)
    // 503 Request_ThrottledTemporarily is told apart from an outage only by its code.
    if (kind) return kind
  }
  if (status === 410) return 'reset'
  if (status === 401 || status === 403) return 'access_lost'
  if (status === 404) return 'not_found'
  if (status === 429) return 'throttled'
  // 408: a gateway gave up waiting for its own upstream.
  if (status === 408 || (status >= 500 && status !== 501)) return 'transient'
  return 'malformed'
}

function kindOfCode(code: string): ErrorKind | undefined {
  const name = code.toLowerCase()
  return Object.hasOwn(decisiveGraphCodes, name) ? decisiveGraphCodes[name] : undefined
}

/** Codes of an error body, innermost (most specific) first; `requestId` as the body tells it. */
export function readErrorBody(body: unknown): { codes: string[]; message: string; requestId?: string } {
  const parsed = bodySchema.safeParse(body)
  const codes: string[] = []
  let message = ''
  let requestId: string | undefined
  let level: ErrorBody | undefined = parsed.success ? parsed.data.error : undefined
  // Eight levels are more than was ever seen; an endless chain cannot come out of JSON, a long one can.
  for (let depth = 0; level && depth < 8; depth++) {
    if (level.code) codes.unshift(level.code)
    message ||= level.message ?? ''
    requestId ??= level['request-id']
    level = level.innerError ?? level.innererror
  }
  return { codes, message, ...(requestId === undefined ? {} : { requestId }) }
}

/**
 * The error of an answer of Graph that is not 2xx, classified by the codes in its body and its status.
 * @see https://learn.microsoft.com/graph/errors
 */
export function graphError(answer: ErrorAnswer, retryAt?: Date): EntraSyncError {
  const { codes, message, requestId } = readErrorBody(answer.body)
  const kind = kindOfAnswer(answer.status, codes)
  const decisive = codes.find((code) => kindOfCode(code)) ?? codes.find((code) => !/^\d*$/.test(code))
  const id = answer.requestId ?? requestId
  const entry = codes.map(entryOfGraphCode).find((one) => one !== undefined)
  const remedy = entry ? fillRemedy(entry, { tenant: answer.tenant }) : remedyOfKind(kind)
  const words = message ? `: ${message.slice(0, 300)}` : '.'
  return new EntraSyncError(
    kind,
    `Graph answered ${answer.status}${decisive ? ` ${decisive}` : ''} to ${answer.resource}${words}`,
    {
      code: decisive ? snakeCase(decisive) : `graph_${answer.status}`,
      tenant: answer.tenant,
      resource: answer.resource,
      status: answer.status,
      ...(id === undefined ? {} : { requestId: id }),
      ...(retryAt === undefined ? {} : { retryAt }),
      ...(remedy === undefined ? {} : { remedy }),
    },
  )
}

function remedyOfKind(kind: ErrorKind): string | undefined {
  if (kind === 'access_lost') return 'Check consent and permissions of the app in this tenant.'
  if (kind === 'throttled') return 'Nothing to do: the read goes on when Microsoft allows it.'
  if (kind === 'transient') return 'Nothing to do: the read is tried again later.'
  return undefined
}

/**
 * For an optional read: 401 and 403 become kind not_permitted (skipped with a notice); anything else is thrown as it
 * is. Only for answers of Graph: when the token itself is refused, the whole tenant is lost, not one collection.
 */
export function asOptional(error: unknown): EntraSyncError {
  if (!isEntraSyncError(error, 'access_lost') || (error.status !== 401 && error.status !== 403)) throw error
  if (error.code === 'directory_tenant_not_found' || error.resource === tokenResource) throw error
  return restated(error, { kind: 'not_permitted' })
}

/** The same error of another kind or with another `retryAt`; the original is its cause. */
export function restated(
  error: EntraSyncError,
  change: { kind?: ErrorKind; retryAt?: Date },
): EntraSyncError {
  const { code, remedy, tenant, resource, status, requestId, retryAt } = error
  const facts: ErrorFacts = { code, cause: error }
  if (remedy !== undefined) facts.remedy = remedy
  if (tenant !== undefined) facts.tenant = tenant
  if (resource !== undefined) facts.resource = resource
  if (status !== undefined) facts.status = status
  if (requestId !== undefined) facts.requestId = requestId
  const at = change.retryAt ?? retryAt
  if (at !== undefined) facts.retryAt = at
  return new EntraSyncError(change.kind ?? error.kind, error.message, facts)
}

/** `resource` of errors of the token endpoint. */
export const tokenResource = 'token'

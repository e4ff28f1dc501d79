/**
 * What went wrong, in the only terms that decide what happens next. The kind is set where the fact is known
 * (graph, db, config) and turned into a job's fate in one place (jobs/verdicts.ts).
 */
export type ErrorKind =
  /** Configuration or command line: a person must change it; nothing was started. */
  | 'config'
  /** Input from outside (payload, file, argument) that does not parse. Retrying cannot help. */
  | 'input'
  /** 429, or a budget of ours: come back at `retryAt`. */
  | 'throttled'
  /** 5xx, network, timeouts beyond the retry budget. Retrying later helps. */
  | 'transient'
  /** 401/403 on a required collection, AADSTS consent, credential or disabled errors: somebody must act. */
  | 'access_lost'
  /** 401/403 on an optional read: skipped with a notice. */
  | 'not_permitted'
  /** 404 of a single object. */
  | 'not_found'
  /** The delta token is gone (410, syncStateNotFound, resyncRequired, syncStateInvalid): a full round. */
  | 'reset'
  /** The page token of a running round expired (Directory_ExpiredPageToken): again from the round's start. */
  | 'restart'
  /** A body that is no valid Graph body, a loop, a limit: the round is partial, the page is not written. */
  | 'malformed'
  /** A link, Location or redirect to an origin that is not the configured one. No token was sent. */
  | 'foreign_origin'
  /** The directory that answered is not the one asked for. */
  | 'wrong_tenant'
  /** Another worker holds the lease now; this one must write nothing more. */
  | 'fenced'
  /** Stopped on purpose: shutdown or end of the slice. */
  | 'aborted'
  /** Postgres is unreachable or refused. */
  | 'database'
  /** The queue (Redis or Postgres) is unreachable or refused. */
  | 'queue'

export interface ErrorFacts {
  /** Stable, lower snake case, safe for alerts and for matching: `client_secret_invalid`, `graph_429`. */
  code: string
  /** What a person does next, one sentence. */
  remedy?: string
  /** Entra tenant id (or name) it happened to. */
  tenant?: string
  /** Collection or path it happened on; never a token. */
  resource?: string
  /** HTTP status where there was one. */
  status?: number
  /** Graph's `request-id`, or the token endpoint's `correlation_id`: what Microsoft's support asks for. */
  requestId?: string
  /** Earliest moment at which trying again is allowed. */
  retryAt?: Date
  cause?: unknown
}

/** The only error type that modules of this project throw on purpose. Messages are for people and hold no secrets. */
export class EntraSyncError extends Error {
  override readonly name = 'EntraSyncError'
  readonly kind: ErrorKind
  readonly code: string
  readonly remedy: string | undefined
  readonly tenant: string | undefined
  readonly resource: string | undefined
  readonly status: number | undefined
  readonly requestId: string | undefined
  readonly retryAt: Date | undefined

  constructor(kind: ErrorKind, message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.kind = kind
    this.code = facts.code
    this.remedy = facts.remedy
    this.tenant = facts.tenant
    this.resource = facts.resource
    this.status = facts.status
    this.requestId = facts.requestId
    this.retryAt = facts.retryAt
  }
}

/** True for an EntraSyncError, of one kind where `kind` is given. */
export function isEntraSyncError(error: unknown, kind?: ErrorKind): error is EntraSyncError {
  return error instanceof EntraSyncError && (kind === undefined || error.kind === kind)
}

/** One line for a person: what happened, to whom, what to do next. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!isEntraSyncError(error)) return error.message
  const where = [
    error.tenant && `tenant ${error.tenant}`,
    error.resource,
    error.requestId && `request ${error.requestId}`,
  ]
    .filter(Boolean)
    .join(', ')
  const facts = where ? ` (${where})` : ''
  return `${error.message.replace(/\.$/, '')}${facts}.${error.remedy ? ` ${error.remedy}` : ''}`
}

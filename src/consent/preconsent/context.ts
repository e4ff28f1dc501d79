import type { Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { entryOfCode, fillRemedy } from '../../error-catalogue/catalogue.ts'
import { EntraSyncError } from '../../errors.ts'
import type { UserGraph } from '../../graph/graph.ts'
import type { PartnerCenter } from '../../graph/partner-center.ts'
import type { AppCredential } from '../../graph/tokens.ts'
import type { UserTokens } from '../../graph/user-tokens.ts'
import type { KeyRing } from '../../key-ring.ts'
import type { Log } from '../../log.ts'
import type { ProofContext } from '../grants/prove.ts'

/** What sign-in of partner users, pre-consent and revoking need. */
export interface PreconsentContext {
  db: Kysely<Database>
  ring: KeyRing
  users: UserTokens
  userGraph: UserGraph
  /** null = this cloud has none. */
  partnerCenter: PartnerCenter | null
  /** Resource that tokens for Partner Center and for Graph are asked for, without a slash at the end. */
  resources: { partnerCenter: string; graph: string }
  graph: ProofContext['graph'] & {
    credentialsFor(entraTenantId: string, clientId: string): Promise<AppCredential[]>
  }
  log: Log
  timings: PreconsentTimings
}

/** Milliseconds. */
export interface PreconsentTimings {
  /** How long what was just consented to may take to arrive; Microsoft's own samples wait a minute. */
  arrivalMs: number
  /** Between two looks whether it has. */
  lookAgainMs: number
}

export const defaultPreconsentTimings: PreconsentTimings = { arrivalMs: 60_000, lookAgainMs: 3_000 }

/** An error of the catalogue, told of one Entra tenant. */
export function catalogueError(
  code: string,
  facts: {
    tenant: string
    clientId?: string
    what?: string
    cause?: unknown
    requestId?: string | undefined
  },
): EntraSyncError {
  const entry = entryOfCode(code)
  if (entry === undefined) throw new TypeError(`The catalogue has no ${code}.`)
  const text = facts.what ?? entry.what
  return new EntraSyncError(entry.kind, `${text.charAt(0).toUpperCase()}${text.slice(1)}.`, {
    code,
    remedy: fillRemedy(entry, { tenant: facts.tenant, clientId: facts.clientId }),
    tenant: facts.tenant,
    cause: facts.cause,
    ...(facts.requestId !== undefined && { requestId: facts.requestId }),
  })
}

/** Whether the same may come to a good end later without anybody doing anything. */
export function isPassing({ kind }: EntraSyncError): boolean {
  return ['transient', 'throttled', 'aborted', 'fenced', 'database', 'queue'].includes(kind)
}

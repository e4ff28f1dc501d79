import { sql, type Kysely } from 'kysely'
import type { ConsentMethod, ConsentStatus, Database } from '../../db/tables.ts'
import { EntraSyncError, isEntraSyncError } from '../../errors.ts'
import type { GraphClient } from '../../graph/client.ts'
import type { Log } from '../../log.ts'
import { probe, type Findings } from './probes.ts'
import { beginProof, settleError, settleFindings, type Settled } from './settle.ts'

export interface ProofContext {
  db: Kysely<Database>
  graph: {
    asApp(clientId: string): { forTenant(entraTenantId: string): GraphClient; close(): void }
    forgetTokens(entraTenantId: string): void
    wantedAppFor(entraTenantId: string): Promise<string | null>
  }
  log: Log
}

export interface ProofOptions {
  /** The app; default: the one that the Entra tenant's permission level says. */
  clientId?: string
  /** How consent came, for the record of a new one. Default `found`. */
  method?: ConsentMethod
  grantedBy?: string | null
  /** Consent was given just now: what is missing may be on its way. */
  expectSoon?: boolean
  signal?: AbortSignal
}

export interface Proof {
  /** null = no proof has come to a verdict yet. */
  status: ConsentStatus | null
  clientId: string
  grantedRoles: string[]
  /** Required permissions that are missing. */
  missingRoles: string[]
  missingOptionalRoles: string[]
  /** Why this proof came to no verdict; the rest is as it was before. */
  error?: EntraSyncError
  nextProofAt: Date
  /** It is granted, and reading was at rest or failing before: the caller may ask for a sync at once, the tick does within seconds. */
  regained: boolean
}

/**
 * Proves consent of an Entra tenant to an app by a token and a probe per permission, and stores what it found:
 * `consents`, problems, the next sync where consent has come. Nothing is stored of a directory other than the one
 * asked for. What is no verdict (credential, policy, passing fault) leaves the status as it is and is `error`.
 * @throws kind `not_found` for an Entra tenant that is not known, `config` (`default_app_missing`) where no app is
 * wanted, `aborted`
 */
export async function proveConsent(
  context: ProofContext,
  entraTenantId: string,
  options: ProofOptions = {},
): Promise<Proof> {
  const { db, graph, log } = context
  const tenant = await readTenant(db, entraTenantId)
  const wantedApp = await graph.wantedAppFor(entraTenantId)
  const clientId = options.clientId ?? wantedApp
  if (clientId === null) throw noApp(entraTenantId)
  const expectSoon = options.expectSoon ?? false
  const proof = await beginProof(
    db,
    {
      entraTenantId,
      clientId,
      wanted: clientId === wantedApp,
      method: options.method ?? 'found',
      grantedBy: options.grantedBy ?? null,
    },
    expectSoon,
  )
  const found = await ask(context, entraTenantId, clientId, tenant.partner, options.signal)
  const failed = found instanceof EntraSyncError
  const settled = failed ? await settleError(db, proof, found) : await settleFindings(db, proof, found)
  if (expectSoon || settled.status !== tenant.statuses[clientId]) graph.forgetTokens(entraTenantId)
  log.info(
    {
      entraTenantId,
      clientId,
      status: settled.status,
      missing: settled.missingRoles,
      ...(failed && { err: found }),
    },
    failed ? 'consent could not be proved' : 'consent was proved',
  )
  return { ...resultOf(settled), clientId, ...(failed && { error: found }) }
}

function resultOf(settled: Settled) {
  const { status, grantedRoles, missingRoles, missingOptionalRoles, nextProofAt, regained } = settled
  return { status, grantedRoles, missingRoles, missingOptionalRoles, nextProofAt, regained }
}

/** Tokens of its own: one that was cached before the consent would show the roles of then. */
async function ask(
  { graph }: ProofContext,
  entraTenantId: string,
  clientId: string,
  partner: boolean,
  signal: AbortSignal | undefined,
): Promise<Findings | EntraSyncError> {
  const own = graph.asApp(clientId)
  try {
    return await probe(own.forTenant(entraTenantId), { clientId, partner, signal })
  } catch (error) {
    if (!isEntraSyncError(error) || error.kind === 'aborted' || error.kind === 'database') throw error
    return error
  } finally {
    own.close()
  }
}

async function readTenant(
  db: Kysely<Database>,
  entraTenantId: string,
): Promise<{ partner: boolean; statuses: Record<string, ConsentStatus | null> }> {
  const { rows } = await sql<{ partner: boolean; statuses: Record<string, ConsentStatus | null> }>`
    select kind = 'partner' as partner,
      (select coalesce(jsonb_object_agg(app_id, status), '{}') from entra_sync.consents c
        where c.entra_tenant_id = s.entra_tenant_id) as statuses
    from entra_sync.tenant_status s where entra_tenant_id = ${entraTenantId}`.execute(db)
  const [row] = rows
  if (row !== undefined) return row
  throw new EntraSyncError('not_found', `No Entra tenant ${entraTenantId} is known.`, {
    code: 'tenant_unknown',
    remedy: 'Link or import it first.',
    tenant: entraTenantId,
  })
}

function noApp(entraTenantId: string): EntraSyncError {
  return new EntraSyncError('config', 'No app is configured that could read this Entra tenant.', {
    code: 'default_app_missing',
    remedy:
      'Set DEFAULT_APP_CLIENT_ID and its certificate or secret, or give the tenant an app of its own: entra-sync permission-level ID custom.',
    tenant: entraTenantId,
  })
}

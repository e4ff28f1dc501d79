import { sql } from 'kysely'
import { proveConsent, type Proof } from '../../consent/grants/prove.ts'
import { createTicket } from '../../consent/grants/tickets.ts'
import { requireEntraTenant } from '../../db/entra-tenant-facts.ts'
import { EntraSyncError } from '../../errors.ts'
import { syncNow } from '../../jobs/enqueue.ts'
import { redirectUriOf, type ConsoleDeps } from '../console-deps.ts'

export interface ConsentLink {
  /** Whole, to be sent to an admin of the Entra tenant; a secret. */
  url: string
  expiresAt: Date
  clientId: string
  redirectUri: string
}

/**
 * Makes a link with which an admin of the Entra tenant consents, without a sign-in to us.
 * @throws kind `input`: `entra_tenant_unknown`, `tenant_gone`, `tenant_offboarded`; kind `config`: `default_app_missing`
 */
export async function makeConsentLink(
  deps: ConsoleDeps,
  entraTenantId: string,
  actor: string,
): Promise<ConsentLink> {
  const name = await requireEntraTenant(deps.db, entraTenantId)
  const { rows } = await sql<{ state: string }>`
    select state from entra_sync.tenant_status
    where entra_tenant_id = ${entraTenantId} and state in ('gone', 'offboarded')`.execute(deps.db)
  const state = rows[0]?.state
  if (state !== undefined) {
    throw new EntraSyncError('input', `${name} is ${state}.`, {
      code: `tenant_${state}`,
      remedy: 'Link or import it anew first.',
      tenant: entraTenantId,
    })
  }
  const clientId = await deps.graph.wantedAppFor(entraTenantId)
  if (clientId === null) {
    throw new EntraSyncError('config', 'No app is configured that could be consented to.', {
      code: 'default_app_missing',
      remedy:
        'Set DEFAULT_APP_CLIENT_ID and its certificate or secret, or set the permission level to Custom.',
      tenant: entraTenantId,
    })
  }
  const { url, expiresAt } = await createTicket(deps.db, { entraTenantId, clientId, actor })
  return { url: deps.http.publicUrl + url, expiresAt, clientId, redirectUri: redirectUriOf(deps) }
}

/** Proves consent now, also where a redirect of Microsoft never came. A sync follows where consent has come. */
export async function checkConsent(
  { db, graph, jobs, log }: ConsoleDeps,
  entraTenantId: string,
  signal: AbortSignal,
): Promise<Proof> {
  await requireEntraTenant(db, entraTenantId)
  const proof = await proveConsent({ db, graph, log }, entraTenantId, { method: 'check_now', signal })
  if (proof.regained) await syncNow(db, jobs, { entraTenantId, requestedBy: 'consent' })
  return proof
}

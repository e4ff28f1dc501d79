import { sql, type Kysely } from 'kysely'
import { audit } from '../../db/audit.ts'
import type { Database } from '../../db/tables.ts'
import { describeError, isEntraSyncError } from '../../errors.ts'
import { readServicePrincipal } from '../../graph/applications.ts'
import type { GraphClient } from '../../graph/client.ts'
import type { Log } from '../../log.ts'

/** What an app of ours has in a customer's tenant was taken away, or what is left, by name. */
export type RevokeGrants = (
  entraTenantId: string,
  clientId: string,
  signal: AbortSignal | undefined,
) => Promise<{ revoked: string[]; left: string[] }>

export interface GrantsContext {
  db: Kysely<Database>
  graph: {
    asApp(clientId: string): { forTenant(entraTenantId: string): GraphClient; close(): void }
    wantedAppFor(entraTenantId: string): Promise<string | null>
  }
  log: Log
  /** Takes grants away as a partner user; none = nothing here can, and the customer's admin has to. */
  revokeGrants?: RevokeGrants
}

/** What became of one app's enterprise application in the Entra tenant. */
export interface GrantEnd {
  clientId: string
  /** Display name and object id of the enterprise application, where the app could still read them. */
  name: string | null
  principalId: string | null
  outcome: 'revoked' | 'left'
  revoked: string[]
  left: string[]
  /** Why it was not revoked, or not wholly. */
  why: string | null
  /** What the customer's admin does; null = nothing. */
  steps: string | null
}

/** How long a name is asked for: it is for the report only. */
const nameMs = 15_000

/** The apps that the Entra tenant may have an enterprise application of: consented to once, or wanted. */
export async function appsInside({ db, graph }: GrantsContext, entraTenantId: string): Promise<string[]> {
  const { rows } = await sql<{ appId: string; over: boolean }>`
    select app_id as "appId", coalesce(status in ('required', 'revoked'), false) as over
    from entra_sync.consents where entra_tenant_id = ${entraTenantId} order by granted_at desc nulls last, app_id`.execute(
    db,
  )
  const wanted = await graph.wantedAppFor(entraTenantId)
  const inside = rows.filter(({ over }) => !over).map(({ appId }) => appId)
  const known = rows.some(({ appId }) => appId === wanted)
  return wanted === null || known ? inside : [...inside, wanted]
}

/**
 * Ends what our apps may do in an Entra tenant: takes the grants away where `revoke` says so and it can be done, else
 * says what the customer's admin does. What fails is told in the answer, not thrown, except kind `aborted`.
 */
export async function endGrants(
  context: GrantsContext,
  act: { entraTenantId: string; kind: string; actor: string; revoke: boolean },
  signal?: AbortSignal,
): Promise<GrantEnd[]> {
  const ends: GrantEnd[] = []
  for (const clientId of await appsInside(context, act.entraTenantId)) {
    signal?.throwIfAborted()
    const facts = await readName(context, act.entraTenantId, clientId, signal)
    const tried = await tryRevoke(context, act, clientId, signal)
    const outcome = tried.why === null && tried.left.length === 0 ? 'revoked' : 'left'
    if (outcome === 'revoked') await noteRevoked(context.db, act, clientId)
    ends.push({
      clientId,
      ...facts,
      outcome,
      ...tried,
      steps: outcome === 'revoked' ? null : stepsFor(clientId, facts.name),
    })
  }
  return ends
}

async function tryRevoke(
  { revokeGrants, log }: GrantsContext,
  { entraTenantId, kind, revoke }: { entraTenantId: string; kind: string; revoke: boolean },
  clientId: string,
  signal: AbortSignal | undefined,
): Promise<Pick<GrantEnd, 'revoked' | 'left' | 'why'>> {
  const untouched = (why: string) => ({ revoked: [], left: [], why })
  if (!revoke) return untouched('It was not asked for (--revoke).')
  if (kind !== 'customer') return untouched('Only an admin of this Entra tenant can: no partner reaches it.')
  if (revokeGrants === undefined) return untouched('Nobody has signed in for the partner.')
  try {
    return { ...(await revokeGrants(entraTenantId, clientId, signal)), why: null }
  } catch (error) {
    if (!isEntraSyncError(error) || error.kind === 'aborted') throw error
    log.warn({ err: error, entraTenantId, clientId }, 'grants could not be revoked')
    return untouched(describeError(error))
  }
}

async function noteRevoked(
  db: Kysely<Database>,
  { entraTenantId, actor }: { entraTenantId: string; actor: string },
  clientId: string,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`
      update entra_sync.consents set status = 'revoked', granted_roles = '{}', waiting_since = null
      where entra_tenant_id = ${entraTenantId} and app_id = ${clientId}`.execute(trx)
    await audit(trx, { actor, action: 'grants_revoked', entraTenantId, detail: { clientId } })
  })
}

/** For the report only: an app that is not let in any more says nothing. */
async function readName(
  { graph, log }: GrantsContext,
  entraTenantId: string,
  clientId: string,
  signal: AbortSignal | undefined,
): Promise<Pick<GrantEnd, 'name' | 'principalId'>> {
  const own = graph.asApp(clientId)
  const timeout = AbortSignal.timeout(nameMs)
  try {
    const principal = await readServicePrincipal(own.forTenant(entraTenantId), clientId, {
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    })
    return { name: principal?.displayName ?? null, principalId: principal?.id ?? null }
  } catch (error) {
    signal?.throwIfAborted()
    log.debug({ err: error, entraTenantId, clientId }, 'the enterprise application could not be read')
    return { name: null, principalId: null }
  } finally {
    own.close()
  }
}

function stepsFor(clientId: string, name: string | null): string {
  const which = name === null ? clientId : `${clientId} (${name})`
  return `An admin of the customer signs in to the Microsoft Entra admin center of that tenant, opens Entra ID > Enterprise applications > All applications, searches for application id ${which}, opens it and chooses Properties > Delete.`
}

import { sql } from 'kysely'
import { isEntraSyncError } from '../../errors.ts'
import {
  findPrincipal,
  keepScopes,
  listAssignments,
  listDelegatedGrants,
  removeAssignment,
} from '../../graph/app-grants.ts'
import { bootstrapScopes, permissions } from '../../permissions.ts'
import { actFor, type Acting, type Target } from './acting.ts'
import { awaitBootstrap } from './bootstrap.ts'
import { bootstrapGone, openNoted, tryCloseBootstrap } from './bootstrap-left.ts'
import { catalogueError, type PreconsentContext } from './context.ts'
import { noteBootstrap, readPreconsent } from './rows.ts'

/** What was taken away from an app, and what is still there with who must act. */
export interface Revoked {
  revoked: string[]
  left: string[]
}

/**
 * Takes away from an app all that it may do in a customer's directory, as the partner's signed-in user: its
 * application permissions, its delegated ones, and Partner Center's consent. Without a sign-in nothing is touched, and
 * `left` says what a customer's admin has to do. The rows of `consents` are the caller's.
 * @throws as Microsoft answers, after what was opened for it was taken back or a problem was opened; kind `aborted`
 */
export async function revokeGrants(
  context: PreconsentContext,
  entraTenantId: string,
  clientId: string,
  signal: AbortSignal = AbortSignal.timeout(180_000),
): Promise<Revoked> {
  const partnerEntraTenantId = await partnerOf(context, entraTenantId)
  const byHand = `All that app ${clientId} may do there: an admin of the customer deletes it under Entra admin center > Enterprise applications`
  if (partnerEntraTenantId === null) return { revoked: [], left: [`${byHand}; no partner reaches it.`] }
  const target = { entraTenantId, partnerEntraTenantId, clientId }
  let acting: Acting
  try {
    acting = await actFor(context, target)
  } catch (error) {
    if (!isEntraSyncError(error) || !error.code.startsWith('partner_sign_in_')) throw error
    return { revoked: [], left: [`${byHand}; or a partner user signs in, and it is tried again.`] }
  }
  await noteBootstrap(context.db, target, true, 'offboarding')
  try {
    return await revokeAs(context, acting, target, signal)
  } catch (error) {
    if (
      isEntraSyncError(error) &&
      error.kind !== 'aborted' &&
      (await readPreconsent(context.db, target))?.bootstrapOpen
    )
      await tryCloseBootstrap(context, target, { wasThere: false }, signal)
    throw error
  } finally {
    context.graph.forgetTokens(entraTenantId)
  }
}

async function revokeAs(
  context: PreconsentContext,
  acting: Acting,
  target: Target,
  signal: AbortSignal,
): Promise<Revoked> {
  const { there, clientId, entraTenantId } = acting
  await openNoted(context, acting, { before: false }, signal)
  await awaitBootstrap(context, acting, signal)
  const principal = await findPrincipal(there, clientId, { signal })
  if (principal === null) {
    // The consent has just made it: it is not known everywhere yet, and there is nothing else to take away.
    throw catalogueError('consent_required', {
      tenant: entraTenantId,
      clientId,
      what: 'the app is not found in the directory right after its consent',
    })
  }
  const revoked: string[] = []
  for (const { id, appRoleId } of await listAssignments(there, principal, { signal })) {
    await removeAssignment(there, principal, id, { signal })
    revoked.push(permissions.find((one) => one.id === appRoleId)?.name ?? `app role ${appRoleId}`)
  }
  const grants = await listDelegatedGrants(there, principal, { signal })
  // The one that all this is done with comes last.
  const own = (scopes: string[]): number => Number(scopes.some((scope) => bootstrapScopes.includes(scope)))
  for (const { id, scopes } of grants.toSorted((a, b) => own(a.scopes) - own(b.scopes))) {
    await keepScopes(there, id, [], { signal })
    revoked.push(
      ...scopes.filter((scope) => !bootstrapScopes.includes(scope)).map((scope) => `${scope} (delegated)`),
    )
  }
  await acting.withdraw(signal)
  await bootstrapGone(context, target)
  return { revoked, left: [] }
}

async function partnerOf({ db }: PreconsentContext, entraTenantId: string): Promise<string | null> {
  const { rows } = await sql<{ partner: string | null }>`
    select partner_entra_tenant_id as partner from entra_sync.entra_tenants
    where entra_tenant_id = ${entraTenantId}`.execute(db)
  return rows[0]?.partner ?? null
}

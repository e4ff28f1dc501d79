import { steadyNow } from '../../clock.ts'
import { EntraSyncError, isEntraSyncError } from '../../errors.ts'
import { sleep } from '../../graph/abort.ts'
import { assignRole, findPrincipal, listAssignments } from '../../graph/app-grants.ts'
import { graphAppId } from '../../graph/partner-center.ts'
import { permissions, type Permission } from '../../permissions.ts'
import type { Acting } from './acting.ts'
import type { PreconsentContext } from './context.ts'

/**
 * Permissions to grant in a customer's directory: all required ones, and of the optional ones those that the partner
 * has granted to the app at home. So whoever registered the app decides, and nothing is asked for that nobody uses.
 */
export async function rolesToGrant(
  { graph }: Pick<PreconsentContext, 'graph'>,
  partnerEntraTenantId: string,
  clientId: string,
  signal: AbortSignal,
): Promise<Permission[]> {
  const own = graph.asApp(clientId)
  try {
    const claims = await own.forTenant(partnerEntraTenantId).claims({ signal })
    const atHome = claims?.roles ?? []
    return permissions.filter(
      ({ need, name }) => need === 'required' || (need === 'optional' && atHome.includes(name)),
    )
  } finally {
    own.close()
  }
}

/**
 * Grants the app what it lacks in the customer's directory; what is there already stays. Right after a consent Graph's
 * servers do not all know the app yet, so that 404 is waited out, and read again before it is tried again: the grant
 * may have landed all the same.
 * @throws `authorization_request_denied` where the user lacks Privileged Role Administrator there
 */
export async function grantRoles(
  { timings }: Pick<PreconsentContext, 'timings'>,
  { there, clientId, entraTenantId }: Acting,
  wanted: readonly Permission[],
  signal: AbortSignal,
): Promise<void> {
  const end = steadyNow() + timings.arrivalMs
  for (;;) {
    const [principalId, resourceId] = [
      await findPrincipal(there, clientId, { signal }),
      await findPrincipal(there, graphAppId, { signal }),
    ]
    if (principalId !== null && resourceId !== null && (await grantOnce(principalId, resourceId))) return
    if (steadyNow() >= end) throw notArrived(entraTenantId)
    await sleep(timings.lookAgainMs, signal)
  }

  /** False = not all is granted, and trying again helps. */
  async function grantOnce(principalId: string, resourceId: string): Promise<boolean> {
    const missing = await missingOf(principalId, resourceId)
    let refusal: EntraSyncError | null = null
    for (const { id: appRoleId } of missing) {
      try {
        await assignRole(there, { principalId, resourceId, appRoleId }, { signal })
      } catch (error) {
        if (!isEntraSyncError(error)) throw error
        // 400 is said of what is there already, too; 404 while the app is not known everywhere.
        if (error.status !== 400 && error.status !== 404 && error.status !== 409) throw error
        refusal = error
      }
    }
    if (refusal === null) return true
    if ((await missingOf(principalId, resourceId)).length === 0) return true
    if (refusal.status === 404) return false
    throw refusal
  }

  async function missingOf(principalId: string, resourceId: string): Promise<Permission[]> {
    const present = await listAssignments(there, principalId, { signal })
    const held = new Set(present.filter((one) => one.resourceId === resourceId).map((one) => one.appRoleId))
    return wanted.filter(({ id }) => !held.has(id))
  }
}

function notArrived(tenant: string): EntraSyncError {
  return new EntraSyncError('transient', "The app has not arrived in the customer's directory in time.", {
    code: 'app_not_arrived',
    remedy: 'It is tried again by itself.',
    tenant,
  })
}

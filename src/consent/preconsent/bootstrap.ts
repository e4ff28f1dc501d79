import { steadyNow } from '../../clock.ts'
import { EntraSyncError, isEntraSyncError } from '../../errors.ts'
import { sleep } from '../../graph/abort.ts'
import { findPrincipal, keepScopes, listDelegatedGrants } from '../../graph/app-grants.ts'
import { graphAppId } from '../../graph/partner-center.ts'
import { bootstrapScopes } from '../../permissions.ts'
import type { Acting } from './acting.ts'
import type { PreconsentContext } from './context.ts'

/** Scopes of every sign-in that belong to no API. */
const openIdScopes = ['openid', 'profile', 'email', 'offline_access']

/** What the user's token must be let do there; null, a token that can't be read, is left to Graph's own answer. */
function suffices(scopes: string[] | null): boolean {
  return scopes === null || bootstrapScopes.every((scope) => scopes.includes(scope))
}

function isNotConsented(error: unknown): error is EntraSyncError {
  return isEntraSyncError(error) && error.code === 'consent_required'
}

/**
 * Has the customer's directory let the user grant and take back there. A consent that exists counts once its scopes
 * suffice; else it is replaced, since Partner Center can't add to it, by one that keeps what was there. That may take
 * the app's permissions away for the moment: they are granted again in the same job.
 */
export async function openBootstrap(
  context: PreconsentContext,
  acting: Acting,
  signal: AbortSignal,
): Promise<void> {
  if ((await acting.consent(bootstrapScopes, signal)) === 'made') return
  const before = await scopesOrNone(acting, signal)
  if (suffices(before)) return
  const kept = (before ?? []).filter((scope) => !openIdScopes.includes(scope))
  await acting.withdraw(signal)
  await acting.consent([...new Set([...bootstrapScopes, ...kept])], signal)
  context.graph.forgetTokens(acting.entraTenantId)
}

async function scopesOrNone(acting: Acting, signal: AbortSignal): Promise<string[] | null> {
  try {
    return await acting.scopesThere(signal)
  } catch (error) {
    if (isNotConsented(error)) return []
    throw error
  }
}

/**
 * Waits until the consent has arrived there: tokens show it within a minute.
 * @throws `consent_required` when it does not
 */
export async function awaitBootstrap(
  { timings }: PreconsentContext,
  acting: Acting,
  signal: AbortSignal,
): Promise<void> {
  const end = steadyNow() + timings.arrivalMs
  for (;;) {
    const late = steadyNow() >= end
    try {
      // Later on Graph itself says what is missing.
      if (suffices(await acting.scopesThere(signal)) || late) return
    } catch (error) {
      if (!isNotConsented(error) || late) throw error
    }
    await sleep(timings.lookAgainMs, signal)
  }
}

/**
 * Takes the bootstrap's scopes back, leaving others as they are. `wasThere`: a token has shown them before, so that a
 * refused token means that they are gone, not that they have not arrived yet.
 */
export async function closeBootstrap(
  acting: Acting,
  { wasThere }: { wasThere: boolean },
  signal: AbortSignal,
): Promise<void> {
  try {
    const scopes = await acting.scopesThere(signal)
    if (scopes !== null && !scopes.some((scope) => bootstrapScopes.includes(scope))) return
  } catch (error) {
    if (isNotConsented(error) && wasThere) return
    throw error
  }
  const principal = await findPrincipal(acting.there, acting.clientId, { signal })
  const graph = await findPrincipal(acting.there, graphAppId, { signal })
  if (principal === null) return
  for (const { id, resourceId, scopes } of await listDelegatedGrants(acting.there, principal, { signal })) {
    const kept = scopes.filter((scope) => !bootstrapScopes.includes(scope))
    if (resourceId === graph && kept.length < scopes.length)
      await keepScopes(acting.there, id, kept, { signal })
  }
}

import { closeProblems, openProblem } from '../../db/problems.ts'
import { isEntraSyncError } from '../../errors.ts'
import { actFor, type Acting, type Target } from './acting.ts'
import { closeBootstrap, openBootstrap } from './bootstrap.ts'
import { catalogueError, isPassing, type PreconsentContext } from './context.ts'
import { listPreconsents, noteBootstrap } from './rows.ts'

const topic = 'bootstrap_grant'

/**
 * Opens the bootstrap, which is noted as open already. Where that was refused for good, and none was open `before`,
 * there is nothing to take back.
 */
export async function openNoted(
  context: PreconsentContext,
  acting: Acting,
  { before }: { before: boolean },
  signal: AbortSignal,
): Promise<void> {
  try {
    await openBootstrap(context, acting, signal)
  } catch (error) {
    const refused = isEntraSyncError(error) && !isPassing(error)
    if (refused && !before) await noteBootstrap(context.db, acting, false, 'schedule')
    throw error
  }
}

/** The scopes are gone: notes it and closes the problem. */
export async function bootstrapGone(context: PreconsentContext, target: Target): Promise<void> {
  await noteBootstrap(context.db, target, false, 'schedule')
  await closeProblems(context.db, target.entraTenantId, [topic])
}

/**
 * Takes back what a pre-consent that has ended has left; where it can't, a problem says so. Never throws what Microsoft
 * answers: the pre-consent's own error is the one to be told. Answers whether it is gone.
 */
export async function tryCloseBootstrap(
  context: PreconsentContext,
  target: Target,
  { wasThere }: { wasThere: boolean },
  signal: AbortSignal,
): Promise<boolean> {
  const { entraTenantId, clientId } = target
  try {
    await close(context, target, wasThere, signal)
    await bootstrapGone(context, target)
    return true
  } catch (error) {
    if (!isEntraSyncError(error) || error.kind === 'aborted') throw error
    context.log.warn({ err: error, entraTenantId, clientId }, 'the bootstrap grant could not be taken back')
    const problem = catalogueError('bootstrap_grant_left', { tenant: entraTenantId, clientId })
    await openProblem(context.db, entraTenantId, {
      code: problem.code,
      message: `${problem.message} ${error.message}`,
      remedy: problem.remedy ?? '',
      whoActs: 'partner_admin',
      topic,
      requestId: error.requestId,
    })
    return false
  }
}

/**
 * Through Graph, which wants Privileged Role Administrator. A user without it takes the whole consent back where that
 * costs nothing: where the app holds no permission there that could go with it.
 */
async function close(
  context: PreconsentContext,
  target: Target,
  wasThere: boolean,
  signal: AbortSignal,
): Promise<void> {
  const acting = await actFor(context, target)
  try {
    await closeBootstrap(acting, { wasThere }, signal)
  } catch (error) {
    if (!isEntraSyncError(error) || error.kind === 'aborted') throw error
    if (!(await holdsNothing(context, target, signal))) throw error
    await acting.withdraw(signal)
  }
}

async function holdsNothing(
  { graph }: PreconsentContext,
  { entraTenantId, clientId }: Target,
  signal: AbortSignal,
): Promise<boolean> {
  const own = graph.asApp(clientId)
  try {
    const claims = await own.forTenant(entraTenantId).claims({ signal })
    return claims !== null && (claims.roles ?? []).length === 0
  } catch (error) {
    if (!isEntraSyncError(error) || error.kind === 'aborted') throw error
    return error.code === 'consent_required'
  } finally {
    own.close()
  }
}

/** From then on a token that is refused means that there is nothing any more, not that it has not arrived. */
const arrivedAfterMs = 15 * 60_000

/** Tries again what is left of pre-consents that have ended. Answers how many still are. */
export async function cleanLeft(context: PreconsentContext, signal: AbortSignal): Promise<number> {
  const left = (await listPreconsents(context.db)).filter(
    ({ bootstrapOpen, finishedAt }) => bootstrapOpen && finishedAt !== null,
  )
  let still = 0
  for (const target of left) {
    signal.throwIfAborted()
    const wasThere = Date.now() - (target.finishedAt?.getTime() ?? 0) > arrivedAfterMs
    if (!(await tryCloseBootstrap(context, target, { wasThere }, signal))) still += 1
  }
  return still
}

import { inMs } from '../clock.ts'
import { EntraSyncError, isEntraSyncError } from '../errors.ts'
import type { Circuit } from './circuit.ts'
import { tokenResource } from './errors.ts'

/** Asks the login service for a token while it answers anybody. Throws throttled, with `retryAt`, while it does not. */
export async function whileThere<T>(
  circuit: Circuit,
  entraTenantId: string,
  acquire: () => Promise<T>,
): Promise<T> {
  const rest = await circuit.restMs()
  if (rest > 0) throw loginAway(entraTenantId, rest)
  try {
    const token = await acquire()
    circuit.answered()
    return token
  } catch (error) {
    if (isEntraSyncError(error, 'transient')) {
      circuit.failed(entraTenantId)
      // Whoever asked for all must not be backed off for it: hours of that would make an hour of back-off for everybody.
      const away = circuit.restAfterFailureMs()
      if (away > 0) throw loginAway(entraTenantId, away, error)
    }
    // A refusal is an answer, too; a credential that cannot be read never got as far as the service.
    else if (isEntraSyncError(error) && error.status !== undefined) circuit.answered()
    throw error
  }
}

function loginAway(tenant: string, restMs: number, cause?: unknown): EntraSyncError {
  return new EntraSyncError('throttled', 'The login service answers nobody at the moment.', {
    code: 'login_away',
    tenant,
    resource: tokenResource,
    retryAt: inMs(restMs),
    remedy: 'Nothing to do: it is tried every few seconds, and all go on when it answers.',
    cause,
  })
}

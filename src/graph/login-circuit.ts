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
  if (rest > 0) {
    throw new EntraSyncError('throttled', 'The login service answers nobody at the moment.', {
      code: 'login_away',
      tenant: entraTenantId,
      resource: tokenResource,
      retryAt: new Date(Date.now() + rest),
      remedy: 'Nothing to do: it is tried every few seconds, and all go on when it answers.',
    })
  }
  try {
    const token = await acquire()
    circuit.answered()
    return token
  } catch (error) {
    if (isEntraSyncError(error, 'transient')) circuit.failed(entraTenantId)
    // A refusal is an answer, too; a credential that cannot be read never got as far as the service.
    else if (isEntraSyncError(error) && error.status !== undefined) circuit.answered()
    throw error
  }
}

import type { GraphContext, SimCollection, SimResponse } from '../types.ts'
import { denied } from './answers.ts'
import { holds } from './roles.ts'

/** The answer, or 403 where the token has none of the roles, or a knob forbids the collection. */
export function guarded(
  { roles, faults }: GraphContext,
  collection: SimCollection | null,
  wanted: readonly string[],
  answer: () => SimResponse,
): SimResponse {
  if (collection !== null && faults.knobs.forbidden.includes(collection)) {
    faults.applied('forbidden')
    return denied()
  }
  return holds(roles, wanted) ? answer() : denied()
}

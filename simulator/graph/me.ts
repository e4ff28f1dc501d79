import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { badRequest, noObject } from './answers.ts'
import { answerUsers } from './users.ts'

/** `/me` and what is below it. A partner user is no object of a customer's directory, and Graph says so with 400 or 404. */
export function answerMe(request: SimRequest, context: GraphContext, rest: string[]): SimResponse {
  const { user, tenant } = context
  if (user === null) return badRequest('/me request is only valid with delegated authentication flow.')
  if (user.homeTenantId !== tenant.id) {
    return rest.length === 0 ? noObject(user.id) : badRequest('The signed-in user is not in this directory.')
  }
  // User.Read is for oneself what User.Read.All is for everybody.
  const own = context.roles.includes('User.Read') ? [...context.roles, 'User.Read.All'] : context.roles
  return answerUsers(request, { ...context, roles: own }, [user.id, ...rest])
}

import type { GraphClient, GraphWriter } from '../../graph/client.ts'
import { graphAppId } from '../../graph/partner-center.ts'
import { readUserClaims } from '../../graph/user-claims.ts'
import type { PreconsentContext } from './context.ts'
import { withPartnerCenter } from './partner-center-token.ts'
import { chooseSignIn, type SignIn } from './sign-ins.ts'
import { tokenAs } from './user-access.ts'

/** Which app is about to be consented to, where and through whom. */
export interface Target {
  entraTenantId: string
  partnerEntraTenantId: string
  clientId: string
}

/** A partner user at work on one app in one customer's directory. */
export interface Acting extends Target {
  signIn: SignIn
  /** Delegated scopes for Graph that the user's token has there now; null = the token can't be read. Asked anew each time. */
  scopesThere(signal: AbortSignal): Promise<string[] | null>
  /** Graph of the customer's directory, as the user. */
  there: GraphClient & GraphWriter
  consent(scopes: readonly string[], signal: AbortSignal): Promise<'made' | 'exists'>
  withdraw(signal: AbortSignal): Promise<'withdrawn' | 'absent'>
}

/** @throws `partner_sign_in_missing`, `partner_sign_in_ended` */
export async function actFor(context: PreconsentContext, target: Target): Promise<Acting> {
  const { entraTenantId, partnerEntraTenantId, clientId } = target
  const signIn = await chooseSignIn(context.db, partnerEntraTenantId, clientId)
  const resource = context.resources.graph
  const graphToken = async (signal?: AbortSignal) => {
    const { accessToken, expiresAt } = await tokenAs(context, signIn, { entraTenantId, resource, signal })
    return { value: accessToken, expiresAt }
  }
  return {
    ...target,
    signIn,
    scopesThere: async (signal) => readUserClaims((await graphToken(signal)).value)?.scopes ?? null,
    there: context.userGraph(entraTenantId, graphToken),
    consent: (scopes, signal) =>
      withPartnerCenter(context, signIn, { tenant: entraTenantId, signal }, (center, token) =>
        center.consent({
          token,
          customer: entraTenantId,
          clientId,
          resource: graphAppId,
          scopes,
          signal,
        }),
      ),
    withdraw: (signal) =>
      withPartnerCenter(context, signIn, { tenant: entraTenantId, signal }, (center, token) =>
        center.withdraw({ token, customer: entraTenantId, clientId, signal }),
      ),
  }
}

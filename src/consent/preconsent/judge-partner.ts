import { isEntraSyncError, type EntraSyncError } from '../../errors.ts'
import { listGroupsOf } from '../../graph/access-assignments.ts'
import type { GraphClient } from '../../graph/client.ts'
import { readUserClaims } from '../../graph/user-claims.ts'
import { bootstrapScopes } from '../../permissions.ts'
import type { PreconsentContext } from './context.ts'
import type { PartnerApp } from './partner-app.ts'
import type { Requirement } from './preflight.ts'
import { chooseSignIn, type SignIn } from './sign-ins.ts'
import { tokenAs } from './user-access.ts'

/** What is known of the partner and its user when customers are judged. */
export interface PartnerFacts {
  partnerEntraTenantId: string
  /** null = nobody has signed in, or not any more. */
  signIn: SignIn | null
  /** Groups that the user is in, by id; null = they can't be read. */
  groups: Map<string, string | null> | null
  requirements: Requirement[]
}

const adminAgents = 'adminagents'

/** What does not depend on the customer: the sign-in with its second factor, AdminAgents, and the app at home. */
export async function judgePartner(
  context: PreconsentContext,
  { partnerEntraTenantId, name, clientId }: PartnerApp,
  client: GraphClient,
  signal: AbortSignal,
): Promise<PartnerFacts> {
  const home = await appAtHome(client, name, clientId, signal)
  let signIn: SignIn
  try {
    signIn = await chooseSignIn(context.db, partnerEntraTenantId, clientId)
  } catch (error) {
    if (!isEntraSyncError(error, 'access_lost')) throw error
    const requirements = [home, refused('sign_in', error)]
    return { partnerEntraTenantId, signIn: null, groups: null, requirements }
  }
  const [signedIn, scopes, groups] = [
    await secondFactor(context, signIn, signal),
    await delegatedScopes(context, signIn, signal),
    await groupsOf(client, signIn, signal),
  ]
  return {
    partnerEntraTenantId,
    signIn,
    groups,
    requirements: [home, signedIn, scopes, inAdminAgents(signIn, groups)],
  }
}

async function appAtHome(
  client: GraphClient,
  name: string,
  clientId: string,
  signal: AbortSignal,
): Promise<Requirement> {
  const code = 'app_in_partner'
  try {
    await client.claims({ signal })
    return { code, ok: true, found: `The app ${clientId} is in the tenant of ${name}.`, remedy: null }
  } catch (error) {
    if (isEntraSyncError(error, 'access_lost')) return refused(code, error)
    throw error
  }
}

async function secondFactor(
  context: PreconsentContext,
  signIn: SignIn,
  signal: AbortSignal,
): Promise<Requirement> {
  const code = 'sign_in'
  const { partnerEntraTenantId: entraTenantId, userName } = signIn
  const resource = context.resources.partnerCenter
  try {
    const token = await tokenAs(context, signIn, { entraTenantId, resource, signal })
    const methods = readUserClaims(token.accessToken)?.methods
    const good = `${userName} has signed in, and Partner Center's user_impersonation is consented to.`
    if (methods === undefined)
      return { code, ok: null, found: `${good} With a second factor or not can't be seen.`, remedy: null }
    if (methods.includes('mfa')) return { code, ok: true, found: good, remedy: null }
    return {
      code,
      ok: false,
      found: `${userName} has signed in without a second factor, which Partner Center does not take.`,
      remedy:
        'Have the user sign in again with multi-factor authentication; require it by a Conditional Access policy or security defaults (Entra admin center > Protection).',
    }
  } catch (error) {
    if (!isEntraSyncError(error, 'access_lost')) throw error
    if (error.code === 'consent_required') {
      return {
        code: 'partner_center_scope',
        ok: false,
        found: 'The delegated permission user_impersonation of Microsoft Partner Center is not consented to.',
        remedy: grantAtHome(signIn.clientId, 'Microsoft Partner Center > user_impersonation'),
      }
    }
    return refused(code, error)
  }
}

async function delegatedScopes(
  context: PreconsentContext,
  signIn: SignIn,
  signal: AbortSignal,
): Promise<Requirement> {
  const code = 'delegated_scopes'
  const { partnerEntraTenantId: entraTenantId } = signIn
  let scopes: string[] | undefined
  try {
    const token = await tokenAs(context, signIn, { entraTenantId, resource: context.resources.graph, signal })
    scopes = readUserClaims(token.accessToken)?.scopes
  } catch (error) {
    if (!isEntraSyncError(error, 'access_lost')) throw error
    if (error.code !== 'consent_required') return refused(code, error)
    scopes = []
  }
  if (scopes === undefined)
    return { code, ok: null, found: "Graph's delegated permissions of the app can't be seen.", remedy: null }
  const missing = bootstrapScopes.filter((scope) => !scopes.includes(scope))
  if (missing.length === 0)
    return { code, ok: true, found: "Graph's delegated permissions are consented to.", remedy: null }
  return {
    code,
    ok: false,
    found: `Delegated permissions of Microsoft Graph are not consented to: ${missing.join(', ')}.`,
    remedy: grantAtHome(signIn.clientId, `Microsoft Graph > ${missing.join(', ')}`),
  }
}

/** null = the app may not read them. */
async function groupsOf(
  client: GraphClient,
  { userObjectId }: SignIn,
  signal: AbortSignal,
): Promise<Map<string, string | null> | null> {
  try {
    return await listGroupsOf(client, userObjectId, { signal })
  } catch (error) {
    if (isEntraSyncError(error, 'access_lost') || isEntraSyncError(error, 'not_found')) return null
    throw error
  }
}

function inAdminAgents({ userName }: SignIn, groups: PartnerFacts['groups']): Requirement {
  const code = 'admin_agents'
  if (groups === null) {
    return {
      code,
      ok: null,
      found: `The groups of ${userName} can't be read.`,
      remedy:
        "Grant the app GroupMember.Read.All (application) in the partner's tenant to have them checked.",
    }
  }
  const ok = [...groups.values()].some((name) => name?.toLowerCase() === adminAgents)
  return {
    code,
    ok,
    found: ok ? `${userName} is in AdminAgents.` : `${userName} is not in AdminAgents.`,
    remedy: ok
      ? null
      : 'Make the user an Admin agent: Partner Center > Account settings > User management > the user > Assists your customers as: Admin agent.',
  }
}

function grantAtHome(clientId: string, what: string): string {
  return `In the partner's tenant: Entra admin center > App registrations > app ${clientId} > API permissions > Add a permission > ${what}; then Grant admin consent.`
}

function refused(code: string, error: EntraSyncError): Requirement {
  return { code, ok: false, found: error.message, remedy: error.remedy ?? null }
}

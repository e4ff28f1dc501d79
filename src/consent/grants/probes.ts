import { EntraSyncError, isEntraSyncError } from '../../errors.ts'
import type { GraphClient } from '../../graph/client.ts'
import { asOptional, tokenResource } from '../../graph/errors.ts'
import { readOrganization } from '../../graph/organization.ts'
import { permissions, type Permission } from '../../permissions.ts'

/** What an app can do in an Entra tenant, as token and probes show it. */
export interface Findings {
  /** False = the app has no service principal there: nobody has consented, or it was taken away. */
  principal: boolean
  /** The token's roles or, where the token can't be decoded, the permissions whose probe was answered. */
  granted: string[]
  /** Required permissions that it has not. */
  missing: string[]
  missingOptional: string[]
  /** The refusal that tells most; undefined where nothing required is missing. */
  refusal?: EntraSyncError
}

type Answer = 'granted' | 'missing' | 'unknown' | EntraSyncError

const proofOfTenant = 'User.Read.All'
const instead = 'Directory.Read.All'

/**
 * One small request a permission. Users are asked for by delta, as the sync does: a plain list is answered to
 * User.ReadBasic.All too, which is not enough. `latest` answers without a single user.
 */
const probePaths: Readonly<Record<string, string>> = {
  'User.Read.All': '/users/delta?$select=id,userPrincipalName&$deltatoken=latest',
  'GroupMember.Read.All': '/groups?$top=1&$select=id,displayName',
  'LicenseAssignment.Read.All': '/subscribedSkus?$select=id,skuId',
  'DelegatedAdminRelationship.Read.All': '/tenantRelationships/delegatedAdminRelationships?$top=1',
  'Application.Read.All': '/applications?$top=1&$select=id',
  'Device.Read.All': '/devices?$top=1&$select=id',
}

/** Names of the required permissions, in the order of the one list of them. */
export const requiredPermissions: readonly string[] = permissions
  .filter(({ need }) => need === 'required')
  .map(({ name }) => name)

/**
 * Asks Microsoft what the app of `client` can do in its Entra tenant. The tenant is proved by /organization, and by
 * the token's `tid` where it can be decoded; there its `appid` proves the app, too.
 * @throws EntraSyncError when there is no verdict: credential, policy or passing fault; kind `wrong_tenant` when
 * another directory answers.
 */
export async function probe(
  client: GraphClient,
  { clientId, partner, signal }: { clientId: string; partner: boolean; signal?: AbortSignal | undefined },
): Promise<Findings> {
  try {
    const claims = await client.claims({ signal })
    if (claims?.tid !== undefined) requireTenant(client, claims.tid)
    if (claims?.appId !== undefined) requireApp(client, clientId, claims.appId)
    return await askGraph(client, claims === null ? null : (claims.roles ?? []), partner, signal)
  } catch (error) {
    if (!isEntraSyncError(error) || !saysNoPrincipal(error)) throw error
    const missing = [...requiredPermissions]
    return { principal: false, granted: [], missing, missingOptional: [], refusal: error }
  }
}

async function askGraph(
  client: GraphClient,
  roles: string[] | null,
  partner: boolean,
  signal: AbortSignal | undefined,
): Promise<Findings> {
  const wanted = permissions.filter(({ need }) => need !== 'instead' && (need !== 'partner' || partner))
  const tenant = async (): Promise<void> =>
    requireTenant(client, (await readOrganization(client, { signal })).id)
  const results = await Promise.allSettled([
    answerTo(roles, [proofOfTenant], tenant),
    ...wanted.map((permission) => answerOf(client, roles, permission, signal)),
  ])
  // Only now: no request of this proof goes on behind the caller's back.
  const [organization = 'unknown', ...rest] = results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
  const answers = new Map(wanted.map(({ name }, index) => [name, rest[index] ?? 'unknown']))
  if (organization !== 'granted') answers.set(proofOfTenant, organization)
  const isMissing = ({ name }: Permission): boolean =>
    answers.get(name) === 'missing' || answers.get(name) instanceof EntraSyncError
  const names = (list: readonly Permission[]): string[] => list.map(({ name }) => name)
  const missing = names(wanted.filter((one) => one.need === 'required' && isMissing(one)))
  const refusal = missing.map((name) => answers.get(name)).find((one) => one instanceof EntraSyncError)
  return {
    principal: true,
    granted: roles?.toSorted() ?? names(wanted.filter(({ name }) => answers.get(name) === 'granted')),
    missing,
    missingOptional: names(wanted.filter((one) => one.need !== 'required' && isMissing(one))),
    ...(refusal && { refusal }),
  }
}

async function answerOf(
  client: GraphClient,
  roles: string[] | null,
  { name, need, or }: Permission,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const path = probePaths[name]
  if (path === undefined) return roles === null ? 'unknown' : roles.includes(name) ? 'granted' : 'missing'
  const enough = [name, ...(or === undefined ? [] : [or]), instead]
  try {
    return await answerTo(roles, enough, () => client.get(path, { signal }))
  } catch (error) {
    // A cloud without GDAP, devices that don't answer now: no reason to say nothing of what is required.
    if (need === 'required' || !isEntraSyncError(error) || error.kind === 'aborted') throw error
    return 'unknown'
  }
}

/** Throws what is no word on permissions. */
async function answerTo(
  roles: string[] | null,
  enough: readonly string[],
  ask: () => Promise<unknown>,
): Promise<Answer> {
  try {
    await ask()
    return 'granted'
  } catch (error) {
    if (isEntraSyncError(error) && saysNoPrincipal(error)) throw error
    const refusal = asOptional(error)
    // Graph says 401 to a token without any role. To one that has the role, it is about the token itself.
    if (refusal.status === 401 && roles?.some((role) => enough.includes(role)) === true) throw error
    return refusal
  }
}

function saysNoPrincipal({ code, resource }: EntraSyncError): boolean {
  if (code === 'authorization_identity_not_found') return true
  return code === 'consent_required' && resource === tokenResource
}

function requireApp({ entraTenantId }: GraphClient, clientId: string, answered: string): void {
  if (answered.toLowerCase() === clientId.toLowerCase()) return
  throw new EntraSyncError(
    'config',
    `A token for the app ${clientId} was asked for, and ${answered} got it.`,
    {
      code: 'wrong_app',
      remedy: 'Check LOGIN_URL, and any proxy between here and Microsoft. Nothing was stored.',
      tenant: entraTenantId,
      resource: tokenResource,
    },
  )
}

function requireTenant({ entraTenantId }: GraphClient, answered: string): void {
  if (answered.toLowerCase() === entraTenantId.toLowerCase()) return
  throw new EntraSyncError(
    'wrong_tenant',
    `Entra tenant ${entraTenantId} was asked, and directory ${answered} has answered.`,
    {
      code: 'wrong_tenant',
      remedy: 'Check LOGIN_URL and GRAPH_URL, and any proxy between here and Microsoft. Nothing was stored.',
      tenant: entraTenantId,
      resource: '/organization',
    },
  )
}

import { createHash, randomBytes } from 'node:crypto'
import type { Cloud } from '../../simulator/cloud.ts'
import { partnerGroups } from '../../simulator/tenants.ts'

export const callback = 'http://localhost:8080/callback'

/** A partner user who is in AdminAgents and in the groups with GDAP roles. */
export function technician(cloud: Cloud): string {
  const { directory } = cloud.tenant(cloud.partnerTenantId)
  const [id] = directory.groups.get(partnerGroups.privilegedRoleAdministrators).members.keys()
  if (id === undefined) throw new Error('The partner has no technician')
  return id
}

/** Where the sign-in page sends the browser after the user was chosen. */
export async function signIn(cloud: Cloud, query: Record<string, string> = {}): Promise<Response> {
  const asked = new URLSearchParams({
    client_id: cloud.clientId,
    response_type: 'code',
    redirect_uri: callback,
    scope: 'https://api.partnercenter.microsoft.com/user_impersonation offline_access openid',
    state: 'mine',
    user: technician(cloud),
    ...query,
  })
  return fetch(`${cloud.origin}/${cloud.partnerTenantId}/oauth2/v2.0/authorize?${asked.toString()}`, {
    redirect: 'manual',
  })
}

export function sentBack(answer: Response): Record<string, string> {
  return Object.fromEntries(new URL(answer.headers.get('location') ?? '').searchParams)
}

export function pkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

export interface Tokens {
  access_token: string
  refresh_token: string
  id_token: string
  error: string
  error_codes: number[]
}

/** The token endpoint's JSON; the secret is in, unless the form says it is ''. */
export async function ask(cloud: Cloud, tenant: string, form: Record<string, string>): Promise<Tokens> {
  const body = new URLSearchParams({ client_id: cloud.clientId, client_secret: cloud.clientSecret, ...form })
  if (form['client_secret'] === '') body.delete('client_secret')
  const answer = await fetch(`${cloud.origin}/${tenant}/oauth2/v2.0/token`, { method: 'POST', body })
  return (await answer.json()) as Tokens
}

/** Tokens of a technician in the partner tenant. */
export async function signedIn(cloud: Cloud, query: Record<string, string> = {}): Promise<Tokens> {
  const { code = '' } = sentBack(await signIn(cloud, query))
  return ask(cloud, cloud.partnerTenantId, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: callback,
  })
}

export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
}

import { createHash, randomBytes } from 'node:crypto'
import type { Cloud } from '../../simulator/cloud.ts'

export const callback = 'http://localhost:8080/callback'

/** A user of the (first) partner who is in AdminAgents and in the groups with GDAP roles. */
export function technician(cloud: Cloud, partner = cloud.partners[0]): string {
  const group = partner.partnerGroups?.privilegedRoleAdministrators ?? ''
  const [id] = partner.directory.groups.get(group).members.keys()
  if (id === undefined) throw new Error('The partner has no technician')
  return id
}

/** Where the sign-in page sends the browser after the user was chosen. */
export async function signIn(
  cloud: Cloud,
  query: Record<string, string> = {},
  tenant = cloud.partnerTenantId,
): Promise<Response> {
  const asked = new URLSearchParams({
    client_id: cloud.clientId,
    response_type: 'code',
    redirect_uri: callback,
    scope: 'https://api.partnercenter.microsoft.com/user_impersonation offline_access openid',
    state: 'mine',
    user: technician(cloud),
    ...query,
  })
  asked.delete('client_secret')
  return fetch(`${cloud.origin}/${tenant}/oauth2/v2.0/authorize?${asked.toString()}`, {
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

/** Tokens of a technician in the partner tenant, for the multi-tenant app or one with that id and secret. */
export async function signedIn(
  cloud: Cloud,
  query: Record<string, string> = {},
  app: { client_id?: string; client_secret?: string } = {},
): Promise<Tokens> {
  const { code = '' } = sentBack(await signIn(cloud, { ...query, ...app }))
  const form = { grant_type: 'authorization_code', code, redirect_uri: callback, ...app }
  return ask(cloud, cloud.partnerTenantId, form)
}

export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
}

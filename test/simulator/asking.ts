import { readFileSync } from 'node:fs'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { Cloud } from '../../simulator/cloud.ts'

/** Makes every TLS client of this process trust the cloud's CA, as NODE_EXTRA_CA_CERTS does from outside. */
export function trust(cloud: Cloud): void {
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(cloud.caFile, 'utf8')])
}

/** Posts a form to a tenant's token endpoint; what is left out of `form` is what a good request says. */
export function askToken(cloud: Cloud, tenant: string, form: Record<string, string> = {}): Promise<Response> {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: cloud.clientId,
    scope: `${cloud.origin}/.default`,
    ...(form['client_assertion'] === undefined && { client_secret: cloud.clientSecret }),
    ...form,
  })
  for (const [name, value] of Object.entries(form)) if (value === '') body.delete(name)
  return fetch(`${cloud.origin}/${tenant}/oauth2/v2.0/token`, { method: 'POST', body })
}

/** An access token for Graph. */
export async function tokenFor(cloud: Cloud, tenant: string): Promise<string> {
  const answer = await askToken(cloud, tenant)
  const { access_token: token } = (await answer.json()) as { access_token: string }
  return token
}

/** Asks Graph with a token; `path` begins with a slash, or is a whole link. */
export function askGraph(
  cloud: Cloud,
  token: string,
  path: string,
  init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
): Promise<Response> {
  const url = path.startsWith('/') ? `${cloud.origin}/v1.0${path}` : path
  return fetch(url, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })
}

/** Calls the control port. */
export async function control(cloud: Cloud, call: string, body?: unknown): Promise<unknown> {
  const [method = 'GET', path = '/'] = call.split(' ')
  const answer = await fetch(`${cloud.controlUrl}${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const told: unknown = await answer.json()
  if (!answer.ok) throw new Error(`${call}: ${answer.status} ${JSON.stringify(told)}`)
  return told
}

import { z } from 'zod'
import { inMs } from '../clock.ts'
import { knownClouds } from '../config/clouds.ts'
import { EntraSyncError } from '../errors.ts'
import { loginFetch } from './login-transport.ts'
import { retryAfterMs } from './retry-after.ts'
import type { GraphTimings } from './timings.ts'
import { tokenError } from './token-errors.ts'

const metadataSchema = z.object({
  issuer: z.string(),
  token_endpoint: z.string(),
  msgraph_host: z.string().optional().catch(undefined),
})

const guid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i

// DNS names in the form that a tenant can have; checked here, because the text becomes part of a URL.
const domain = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$/i

/**
 * The tenant id behind a verified domain (or behind itself), by the login service's anonymous OIDC metadata. Throws
 * kind input for what is no domain or id and for an unknown tenant, config for a tenant of another cloud.
 * @see https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc
 */
export async function tenantIdOf(
  cloud: { loginUrl: string; graphUrl: string },
  timings: GraphTimings,
  domainOrId: string,
  signal?: AbortSignal,
): Promise<string> {
  const name = domainOrId.trim()
  const isId = new RegExp(`^${guid.source}$`, 'i').test(name)
  if (!isId && !domain.test(name)) {
    throw new EntraSyncError(
      'input',
      `${JSON.stringify(name.slice(0, 100))} is neither a tenant id nor a domain.`,
      {
        code: 'tenant_id_invalid',
        remedy: 'Give the tenant id (a GUID) or a verified domain, as contoso.onmicrosoft.com.',
      },
    )
  }
  const url = `${cloud.loginUrl}/${name}/v2.0/.well-known/openid-configuration`
  const answer = await loginFetch(cloud.loginUrl, url, timings.tokenMs, { method: 'GET' }, signal)
  if (answer.status !== 200) throw refusal(name, answer, timings)
  const parsed = metadataSchema.safeParse(answer.body)
  const id = parsed.success ? guid.exec(parsed.data.issuer)?.[0] : undefined
  if (!parsed.success || !id) {
    throw new EntraSyncError('malformed', `The login service's metadata of ${name} names no tenant.`, {
      code: 'oidc_malformed',
      remedy: 'Compare LOGIN_URL (or MICROSOFT_CLOUD) with the cloud of this tenant.',
    })
  }
  refuseOtherCloud(cloud, name, parsed.data.msgraph_host)
  return id.toLowerCase()
}

function refusal(
  name: string,
  answer: { status: number; body: unknown; retryAfter: string | null },
  timings: GraphTimings,
): EntraSyncError {
  const wait = retryAfterMs(answer.retryAfter, timings.maxRetryAfterMs)
  const error = tokenError(
    { status: answer.status, body: answer.body, tenant: name, correlationId: '' },
    wait === null ? undefined : inMs(wait),
  )
  // To a token request an unknown tenant is a loss; here it is a name that somebody has typed.
  if (error.kind !== 'access_lost' && answer.status !== 400 && answer.status !== 404) return error
  return new EntraSyncError('input', `No Entra tenant ${name} is known in this cloud.`, {
    code: error.code === 'tenant_in_other_cloud' ? error.code : 'tenant_not_found',
    remedy:
      'Check the spelling (any verified domain or the tenant id), and that MICROSOFT_CLOUD is the cloud of this tenant.',
    status: answer.status,
    ...(error.requestId ? { requestId: error.requestId } : {}),
  })
}

/**
 * Throws kind input for a Graph host of another cloud than ours: a tenant of GCC High is found at the global login
 * host too. GCC High and DoD share their login host and are not told apart, since it is not documented which Graph
 * host a DoD tenant's metadata names. A private cloud may name what it likes.
 */
export function refuseOtherCloud(
  cloud: { loginUrl: string; graphUrl: string },
  name: string,
  graphHost: string | undefined,
): void {
  const own = Object.values(knownClouds).filter(({ loginUrl }) => loginUrl === cloud.loginUrl)
  const host = graphHost?.toLowerCase()
  if (own.length === 0 || !host || own.some(({ graphUrl }) => new URL(graphUrl).host === host)) return
  throw new EntraSyncError(
    'input',
    `${name} is a tenant of another Microsoft cloud: its Graph is ${host.slice(0, 100)}.`,
    {
      code: 'tenant_in_other_cloud',
      remedy: 'Set MICROSOFT_CLOUD to the cloud of this tenant and register the app there.',
    },
  )
}

import { z } from 'zod'
import { isEntraSyncError } from '../errors.ts'
import type { GraphClient } from './client.ts'
import { asOptional } from './errors.ts'
import { cleanText, parseObjects } from './objects.ts'

/** App id of Microsoft Graph itself, the same in every cloud and tenant. */
const graphAppId = '00000003-0000-0000-c000-000000000000'

/** A credential as the registration tells of it: never the secret itself. */
export interface RegisteredCredential {
  kind: 'secret' | 'certificate'
  /** First three characters of a secret; null for certificates, and for secrets made long ago. */
  hint: string | null
  /** Upper case hex, SHA-1 (40 digits) or SHA-256 (64); null for secrets. */
  thumbprint: string | null
  endsAt: Date | null
}

/** An app registration, in the tenant that it is registered in. */
export interface Application {
  appId: string
  displayName: string | null
  /** `AzureADMyOrg` = that tenant alone. */
  signInAudience: string | null
  /** Of platform Web. */
  redirectUris: string[]
  credentials: RegisteredCredential[]
  /** Ids of Microsoft Graph's app roles (application permissions) that consent grants. */
  graphRoleIds: string[]
}

const end = z.iso.datetime({ offset: true }).nullish().catch(null)
const applicationSchema = z.object({
  appId: z.string(),
  displayName: z.string().nullish(),
  signInAudience: z.string().nullish(),
  web: z.object({ redirectUris: z.array(z.string()).nullish() }).nullish(),
  passwordCredentials: z.array(z.object({ hint: z.string().nullish(), endDateTime: end })).nullish(),
  keyCredentials: z
    .array(z.object({ customKeyIdentifier: z.string().nullish(), endDateTime: end }))
    .nullish(),
  requiredResourceAccess: z
    .array(
      z.object({
        resourceAppId: z.string(),
        resourceAccess: z.array(z.object({ id: z.string(), type: z.string() })).nullish(),
      }),
    )
    .nullish(),
})

const selected =
  'id,appId,displayName,signInAudience,passwordCredentials,keyCredentials,web,requiredResourceAccess'

/**
 * Reads an app registration by its client id; null = it is not registered in this tenant. Needs Application.Read.All or
 * Directory.Read.All.
 * @throws kind `not_permitted` without them; others as any request
 */
export async function readApplication(
  client: GraphClient,
  clientId: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Application | null> {
  const path = `/applications(appId='${clientId}')`
  const body = await optionally(() => client.get(`${path}?$select=${selected}`, options))
  if (body === null) return null
  const [application] = parseObjects(z.array(applicationSchema), [body], path)
  if (application === undefined) return null
  const { displayName, signInAudience, web, passwordCredentials, keyCredentials } = application
  const ofGraph = (application.requiredResourceAccess ?? []).filter(
    ({ resourceAppId }) => resourceAppId.toLowerCase() === graphAppId,
  )
  return {
    appId: application.appId.toLowerCase(),
    displayName: displayName == null ? null : cleanText(displayName),
    signInAudience: signInAudience ?? null,
    redirectUris: web?.redirectUris ?? [],
    credentials: [
      ...(passwordCredentials ?? []).map(({ hint, endDateTime }) => ({
        kind: 'secret' as const,
        hint: hint ?? null,
        thumbprint: null,
        endsAt: endDateTime == null ? null : new Date(endDateTime),
      })),
      ...(keyCredentials ?? []).map(({ customKeyIdentifier, endDateTime }) => ({
        kind: 'certificate' as const,
        hint: null,
        thumbprint: customKeyIdentifier == null ? null : thumbprintOf(customKeyIdentifier),
        endsAt: endDateTime == null ? null : new Date(endDateTime),
      })),
    ],
    graphRoleIds: ofGraph.flatMap(({ resourceAccess }) =>
      (resourceAccess ?? []).filter(({ type }) => type === 'Role').map(({ id }) => id.toLowerCase()),
    ),
  }
}

const principalSchema = z.object({ id: z.string(), displayName: z.string().nullish() })

/** An app's service principal (enterprise application) in this tenant; null = none. Throws as `readApplication`. */
export async function readServicePrincipal(
  client: GraphClient,
  clientId: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<{ id: string; displayName: string | null } | null> {
  const path = `/servicePrincipals(appId='${clientId}')`
  const body = await optionally(() => client.get(`${path}?$select=id,appId,displayName`, options))
  if (body === null) return null
  const [principal] = parseObjects(z.array(principalSchema), [body], path)
  if (principal === undefined) return null
  return {
    id: principal.id,
    displayName: principal.displayName == null ? null : cleanText(principal.displayName),
  }
}

/** null for what is not there. */
async function optionally(read: () => Promise<unknown>): Promise<unknown> {
  try {
    return await read()
  } catch (error) {
    if (isEntraSyncError(error, 'not_found')) return null
    throw asOptional(error)
  }
}

/**
 * The portal and Graph write SHA-1 as hex; tools that set `customKeyIdentifier` themselves also put base64 of the hash
 * or of its hex digits there.
 */
function thumbprintOf(text: string): string | null {
  const hex = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i
  if (hex.test(text)) return text.toUpperCase()
  const bytes = Buffer.from(text, 'base64')
  if (hex.test(bytes.toString('latin1'))) return bytes.toString('latin1').toUpperCase()
  return bytes.length === 20 || bytes.length === 32 ? bytes.toString('hex').toUpperCase() : null
}

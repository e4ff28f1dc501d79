import { z } from 'zod'
import type { GraphClient } from './client.ts'
import { malformed } from './json.ts'
import { cleanText, objectId, parseObjects } from './objects.ts'

export interface Organization {
  /** The tenant id: proves which directory has answered. */
  id: string
  displayName: string | null
  defaultDomain: string | null
  /** Verified domains in lower case. */
  domains: string[]
}

const organizationsSchema = z.array(
  z.object({
    id: z.string(),
    displayName: z.string().nullish(),
    verifiedDomains: z.array(z.object({ name: z.string(), isDefault: z.boolean().nullish() })).nullish(),
  }),
)
const bodySchema = z.object({ value: z.unknown().optional() })

/** Reads the tenant's own record. Throws malformed unless exactly one comes. */
export async function readOrganization(
  client: GraphClient,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Organization> {
  const resource = '/organization'
  const body = await client.get(`${resource}?$select=id,displayName,verifiedDomains`, options)
  const [organization, ...others] = parseObjects(
    organizationsSchema,
    bodySchema.safeParse(body).data?.value,
    resource,
  )
  if (!organization || others.length > 0)
    throw malformed('organization_not_one', 'The tenant has not exactly one organization.', resource)
  const domains = organization.verifiedDomains ?? []
  const defaultDomain = domains.find((domain) => domain.isDefault)?.name
  return {
    id: objectId(organization.id, resource),
    displayName: organization.displayName == null ? null : cleanText(organization.displayName),
    defaultDomain: defaultDomain === undefined ? null : cleanText(defaultDomain).toLowerCase(),
    domains: domains.map((domain) => cleanText(domain.name).toLowerCase()),
  }
}

import { EntraSyncError, isEntraSyncError } from '../../errors.ts'
import type { GraphClient } from '../../graph/client.ts'
import { readOrganization } from '../../graph/organization.ts'
import type { Directory } from './link.ts'

export interface DirectoryContext {
  /** By OIDC discovery: needs no consent. */
  tenantIdOf(domainOrId: string): Promise<string>
  graphFor(entraTenantId: string): GraphClient
  signal?: AbortSignal
}

/**
 * The Entra tenant behind an id or a verified domain: its id by OIDC discovery; name and domains from Graph, where
 * consent allows it. `unread` says why they could not be read, which is no fault before there is consent.
 * @throws kind `input`: `tenant_id_invalid`, `tenant_not_found`, `tenant_in_other_cloud`; kind `wrong_tenant` when Graph
 * answers for another directory
 */
export async function findDirectory(
  { tenantIdOf, graphFor, signal }: DirectoryContext,
  idOrDomain: string,
): Promise<Directory & { unread: EntraSyncError | null }> {
  const entraTenantId = (await tenantIdOf(idOrDomain.trim())).toLowerCase()
  try {
    const found = await readOrganization(graphFor(entraTenantId), { signal })
    if (found.id.toLowerCase() === entraTenantId) {
      const { displayName, defaultDomain, domains } = found
      return { entraTenantId, displayName, defaultDomain, domains, unread: null }
    }
    throw new EntraSyncError('wrong_tenant', `Graph answered for ${found.id}, not for ${entraTenantId}.`, {
      code: 'wrong_tenant',
      remedy: 'Check that LOGIN_URL and GRAPH_URL belong to one cloud, and that no proxy mixes them up.',
      tenant: entraTenantId,
    })
  } catch (error) {
    if (!isEntraSyncError(error) || ['aborted', 'wrong_tenant'].includes(error.kind)) throw error
    return { ...unknown(entraTenantId), unread: error }
  }
}

const unknown = (entraTenantId: string): Directory => ({
  entraTenantId,
  displayName: null,
  defaultDomain: null,
  domains: null,
})

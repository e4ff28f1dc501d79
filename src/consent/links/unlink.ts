import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { changeLinks, type LinkChange, type Making } from './change.ts'
import { normalizeDomain } from './domain.ts'
import { readTenant } from './link.ts'

/**
 * Takes links of a tenant away: all of them, or those of some domains, whose persons go back to the default link's
 * tenant. The Entra tenant stays, and what was read of it.
 * @throws kind `input`: `tenant_unknown`, `tenant_not_linked`, `domain_not_linked`
 */
export async function unlinkTenant(
  db: Kysely<Database>,
  request: { tenantId: string; domains: string[]; actor: string },
  making: Making = {},
): Promise<LinkChange> {
  const { tenantId, actor } = request
  const domains = [...new Set(request.domains.map(normalizeDomain))]
  const entraTenantId = await readLinkedTo(db, tenantId)
  return changeLinks(
    db,
    entraTenantId,
    making,
    // Under the lock: it may have been linked elsewhere since.
    async (trx) => [(await readTenant(trx, tenantId)).linkedTo ?? entraTenantId],
    async (trx) => {
      const tenant = await readTenant(trx, tenantId)
      if (tenant.linkedTo !== entraTenantId) throw notLinked(tenant.name)
      const { rows } = await sql<{ domain: string | null; madeChild: boolean }>`
        delete from entra_sync.tenant_links where tenant_id = ${tenantId}
          and (${domains.length === 0} or domain = any (${domains}::text[]))
        returning domain, made_child as "madeChild"`.execute(trx)
      const missing = domains.filter((domain) => !rows.some((row) => row.domain === domain))
      if (missing.length > 0) throw notOwned(tenant.name, missing)
      return {
        reasons: tenant.isMsp && domains.length === 0 ? ['msp_link'] : [],
        freed: rows.some((row) => row.madeChild) ? [tenantId] : [],
        changed: true,
        entry: { actor, action: 'tenant_unlinked', entraTenantId, tenantId, detail: { domains } },
      }
    },
  )
}

async function readLinkedTo(db: Kysely<Database>, tenantId: string): Promise<string> {
  return db.transaction().execute(async (trx) => {
    const { name, linkedTo } = await readTenant(trx, tenantId)
    if (linkedTo === null) throw notLinked(name)
    return linkedTo
  })
}

function notLinked(name: string): EntraSyncError {
  return new EntraSyncError('input', `${name} has no link.`, {
    code: 'tenant_not_linked',
    remedy: '`entra-sync tenants list` shows all links.',
  })
}

function notOwned(name: string, domains: string[]): EntraSyncError {
  return new EntraSyncError('input', `${name} is not linked to the domain ${domains.join(', ')}.`, {
    code: 'domain_not_linked',
    remedy: '`entra-sync tenants show` lists the domains of a tenant.',
  })
}

import { sql, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { settleNewDefault } from '../links/new-default.ts'
import type { Candidate } from './import-candidates.ts'

/** An existing tenant that a customer is linked to. */
export interface Chosen {
  entraTenantId: string
  tenantId: string
  tenantName: string
  /** How it was chosen: a proposal by domain or name, or by an operator. */
  by: 'domain' | 'name' | 'operator'
}

/** The tenant, if it can take this customer; the `input` error says what it is otherwise. */
export async function requireFree(
  db: Transaction<Database>,
  customer: Candidate,
  tenantId: string,
): Promise<{ tenantId: string; tenantName: string }> {
  const { rows } = await sql<{ name: string; isMsp: boolean; linkedTo: string | null }>`
    select t.name, t.is_msp as "isMsp", l.entra_tenant_id as "linkedTo"
    from entra_sync.tenants t left join entra_sync.tenant_links l using (tenant_id)
    where t.tenant_id = ${tenantId}`.execute(db)
  const [tenant] = rows
  if (tenant === undefined) {
    throw new EntraSyncError('input', `There is no tenant ${tenantId}.`, {
      code: 'tenant_unknown',
      remedy: 'Name a tenant that exists, by id, slug or name.',
    })
  }
  if (tenant.isMsp) {
    throw new EntraSyncError('input', `${tenant.name} is the MSP's own tenant.`, {
      code: 'tenant_is_msp',
      remedy: 'Name a tenant of a customer.',
    })
  }
  if (tenant.linkedTo !== null) {
    throw new EntraSyncError('input', `${tenant.name} is linked to Entra tenant ${tenant.linkedTo}.`, {
      code: 'tenant_linked',
      remedy: 'A tenant has one Entra tenant: unlink it first (entra-sync unlink), or name another.',
    })
  }
  if (customer.linkedTo !== null) {
    throw new EntraSyncError('input', `${customer.name} is linked to tenant ${customer.linkedTo}.`, {
      code: 'entra_tenant_linked',
      remedy: 'An Entra tenant has one default link: remove that one first (entra-sync unlink).',
      tenant: customer.id,
    })
  }
  return { tenantId, tenantName: tenant.name }
}

/** Default links to tenants that exist; persons that are there already come along. */
export async function linkExisting(db: Transaction<Database>, links: readonly Chosen[]): Promise<void> {
  if (links.length === 0) return
  const list = JSON.stringify(links)
  await sql`
    insert into entra_sync.tenant_links (tenant_id, entra_tenant_id)
    select "tenantId", "entraTenantId"
    from jsonb_to_recordset(${list}::jsonb) as list ("tenantId" uuid, "entraTenantId" uuid)`.execute(db)
  for (const { entraTenantId } of links) await settleNewDefault(db, entraTenantId)
}

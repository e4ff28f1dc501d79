import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { proposeTenants, type CandidateTenant, type Match, type UnlinkedCustomer } from './proposals.ts'

/**
 * What matches the customers without a default link, by Entra tenant id. Before the first sync a customer's name is
 * known, and its default domain where the partner's contracts may be read; all its domains after one.
 */
export async function readMatches(db: Kysely<Database>): Promise<Map<string, Match>> {
  const tenants = await readTenants(db)
  return tenants.length === 0 ? new Map() : proposeTenants(await readUnlinked(db), tenants)
}

/** Partners are left out: they are nobody's customers here, whoever lists them. */
async function readUnlinked(db: Kysely<Database>): Promise<UnlinkedCustomer[]> {
  const { rows } = await sql<UnlinkedCustomer>`
    select c.entra_tenant_id as "entraTenantId",
      coalesce(max(nullif(trim(c.display_name), '')), max(e.display_name), '') as name,
      array(
        select distinct lower(d.domain) from (
          select unnest(e.domains) union all select e.default_domain
          union all select x.default_domain from entra_sync.gdap_customers x where x.entra_tenant_id = c.entra_tenant_id
        ) as d (domain) where d.domain <> '' order by 1
      ) as domains
    from entra_sync.gdap_customers c
    left join entra_sync.entra_tenants e using (entra_tenant_id)
    left join entra_sync.tenant_status s using (entra_tenant_id)
    where coalesce(s.kind, '') <> 'partner'
      and not exists (
        select from entra_sync.tenant_links l where l.entra_tenant_id = c.entra_tenant_id and l.domain is null)
    group by c.entra_tenant_id, e.entra_tenant_id
    order by c.entra_tenant_id`.execute(db)
  return rows
}

/** Tenants without a link, and those linked by domain, which say whose that domain is. Never the MSP's. */
async function readTenants(db: Kysely<Database>): Promise<CandidateTenant[]> {
  const { rows } = await sql<CandidateTenant>`
    select t.tenant_id as "tenantId", t.name, l.entra_tenant_id as "linkedTo",
      array(
        select distinct lower(d.domain) from (
          select l.domain
          union all select t.name where t.name ~ '^[[:alnum:]-]+(\\.[[:alnum:]-]+)+$'
          union all select distinct split_part(p.user_principal_name, '@', 2) from entra_sync.persons p
          where l.tenant_id is null and p.tenant_id = t.tenant_id and p.deleted_at is null
        ) as d (domain) where d.domain <> '' order by 1
      ) as domains
    from entra_sync.tenants t
    left join entra_sync.tenant_links l using (tenant_id)
    where not t.is_msp and (l.tenant_id is null or l.domain is not null)
    order by t.name, t.tenant_id`.execute(db)
  return rows
}

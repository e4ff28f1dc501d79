import { sql, type Kysely, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { reinstate } from '../offboard/reinstate.ts'
import { changeLinks, type LinkChange, type Making, type Reason } from './change.ts'
import { normalizeDomain } from './domain.ts'

/** What is known of the Entra tenant to link to: see `findDirectory`. */
export interface Directory {
  entraTenantId: string
  displayName: string | null
  defaultDomain: string | null
  /** Verified domains; null = they could not be read. */
  domains: string[] | null
}

export interface LinkRequest {
  tenantId: string
  directory: Directory
  /** Only users of these UPN suffixes; empty = the default link, for all the others. */
  domains: string[]
  actor: string
}

interface TenantRow {
  name: string
  isMsp: boolean
  linkedTo: string | null
}

/**
 * Links an ImmyBot tenant to an Entra tenant, by default or for some domains; links that it has to another Entra tenant
 * are given up. Doing it again changes nothing. Kinds are derived by the view `tenant_status` and never stored. The
 * Entra tenant is added where it is not known, and taken up again where it was offboarded.
 * @throws kind `input`: `tenant_unknown`, `domain_invalid`, `domain_of_default`, `default_with_domains`, `tenant_cycle`
 */
export async function linkTenant(
  db: Kysely<Database>,
  request: LinkRequest,
  making: Making = {},
): Promise<LinkChange> {
  const { tenantId, directory, actor } = request
  const { entraTenantId } = directory
  const domains = [...new Set(request.domains.map(normalizeDomain))]
  let tenant: TenantRow
  return changeLinks(
    db,
    entraTenantId,
    making,
    async (trx) => {
      tenant = await readTenant(trx, tenantId)
      await addEntraTenant(trx, directory)
      const owners = await readOwners(trx, domains)
      return [...new Set([entraTenantId, ...(tenant.linkedTo === null ? [] : [tenant.linkedTo]), ...owners])]
    },
    async (trx) => {
      await takeUp(trx, directory)
      const reasons: Reason[] = []
      const freed: string[] = []
      if (tenant.linkedTo !== null && tenant.linkedTo !== entraTenantId) {
        reasons.push('leaves_entra_tenant', ...(tenant.isMsp ? (['msp_link'] as const) : []))
        if (await giveUp(trx, tenantId)) freed.push(tenantId)
      }
      const written =
        domains.length === 0
          ? await writeDefault(trx, tenantId, tenant.name, entraTenantId, reasons)
          : await writeDomains(trx, tenantId, tenant.name, directory, domains, reasons, freed)
      return {
        reasons,
        freed,
        changed: written || reasons.length > 0,
        entry: { actor, action: 'tenant_linked', entraTenantId, tenantId, detail: { domains } },
      }
    },
  )
}

export async function readTenant(trx: Transaction<Database>, tenantId: string): Promise<TenantRow> {
  const { rows } = await sql<TenantRow>`
    select name, is_msp as "isMsp",
      (select entra_tenant_id from entra_sync.tenant_links l where l.tenant_id = t.tenant_id limit 1) as "linkedTo"
    from entra_sync.tenants t where tenant_id = ${tenantId}`.execute(trx)
  const [tenant] = rows
  if (tenant !== undefined) return tenant
  throw new EntraSyncError('input', `There is no tenant ${tenantId}.`, {
    code: 'tenant_unknown',
    remedy: '`entra-sync tenants list` shows them; `entra-sync tenants add NAME` makes one.',
  })
}

/** Entra tenants that the domains are linked to now. */
async function readOwners(trx: Transaction<Database>, domains: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select distinct entra_tenant_id as id from entra_sync.tenant_links
    where domain = any (${domains}::text[])`.execute(trx)
  return rows.map((row) => row.id)
}

async function addEntraTenant(
  trx: Transaction<Database>,
  { entraTenantId, displayName, defaultDomain, domains }: Directory,
): Promise<void> {
  await sql`
    insert into entra_sync.entra_tenants (entra_tenant_id, display_name, default_domain, domains)
    values (${entraTenantId}, ${displayName}, ${defaultDomain}, ${domains ?? []}::text[])
    on conflict do nothing`.execute(trx)
}

async function takeUp(
  trx: Transaction<Database>,
  { entraTenantId, displayName, defaultDomain, domains }: Directory,
): Promise<void> {
  await sql`
    update entra_sync.entra_tenants set display_name = coalesce(${displayName}, display_name),
      default_domain = coalesce(${defaultDomain}, default_domain), domains = coalesce(${domains}::text[], domains)
    where entra_tenant_id = ${entraTenantId}`.execute(trx)
  await reinstate(trx, entraTenantId)
}

/** Removes all links of a tenant; true when a domain link had made it a child. */
async function giveUp(trx: Transaction<Database>, tenantId: string): Promise<boolean> {
  const { rows } = await sql<{ madeChild: boolean }>`
    delete from entra_sync.tenant_links where tenant_id = ${tenantId} returning made_child as "madeChild"`.execute(
    trx,
  )
  return rows.some((row) => row.madeChild)
}

async function writeDefault(
  trx: Transaction<Database>,
  tenantId: string,
  name: string,
  entraTenantId: string,
  reasons: Reason[],
): Promise<boolean> {
  const { rows: owners } = await sql<{ id: string; isMsp: boolean }>`
    select tenant_id as id, is_msp as "isMsp" from entra_sync.tenant_links join entra_sync.tenants using (tenant_id)
    where entra_tenant_id = ${entraTenantId} and domain is null`.execute(trx)
  const [owner] = owners
  if (owner?.id === tenantId) return false
  const { rows: own } = await sql<{ domain: string }>`
    select domain from entra_sync.tenant_links where tenant_id = ${tenantId} order by domain`.execute(trx)
  if (own.length > 0) {
    const list = own.map(({ domain }) => domain).join(', ')
    throw new EntraSyncError('input', `${name} has only the domain ${list} of this Entra tenant.`, {
      code: 'default_with_domains',
      remedy: 'Remove its domains first: entra-sync unlink. Then the default link takes everybody.',
      tenant: entraTenantId,
    })
  }
  if (owner !== undefined) {
    reasons.push('takes_default_link', ...(owner.isMsp ? (['msp_link'] as const) : []))
    await sql`delete from entra_sync.tenant_links where tenant_id = ${owner.id} and domain is null`.execute(
      trx,
    )
  }
  await sql`insert into entra_sync.tenant_links (tenant_id, entra_tenant_id)
    values (${tenantId}, ${entraTenantId})`.execute(trx)
  // A name for people until Graph may tell its own.
  await sql`update entra_sync.entra_tenants set display_name = ${name}
    where entra_tenant_id = ${entraTenantId} and display_name is null`.execute(trx)
  return true
}

async function writeDomains(
  trx: Transaction<Database>,
  tenantId: string,
  name: string,
  { entraTenantId, domains: verified }: Directory,
  domains: readonly string[],
  reasons: Reason[],
  freed: string[],
): Promise<boolean> {
  const { rows: known } = await sql<{ isDefault: boolean; verified: string[] }>`
    select exists (select from entra_sync.tenant_links l
        where l.tenant_id = ${tenantId} and l.domain is null) as "isDefault", domains as verified
    from entra_sync.entra_tenants where entra_tenant_id = ${entraTenantId}`.execute(trx)
  if (known[0]?.isDefault === true) {
    throw new EntraSyncError('input', `${name} has the default link of this Entra tenant.`, {
      code: 'domain_of_default',
      remedy: 'It has the users of every domain that no other tenant owns. Link another tenant to a domain.',
      tenant: entraTenantId,
    })
  }
  const names = verified ?? known[0]?.verified ?? []
  if (names.length > 0 && domains.some((domain) => !names.includes(domain)))
    reasons.push('domain_not_verified')
  const { rows: taken } = await sql<{ tenantId: string; madeChild: boolean }>`
    delete from entra_sync.tenant_links where domain = any (${domains}::text[]) and tenant_id <> ${tenantId}
    returning tenant_id as "tenantId", made_child as "madeChild"`.execute(trx)
  if (taken.length > 0) reasons.push('takes_domain')
  freed.push(...taken.filter((row) => row.madeChild).map((row) => row.tenantId))
  const { numAffectedRows } = await sql`
    insert into entra_sync.tenant_links (tenant_id, entra_tenant_id, domain)
    select ${tenantId}, ${entraTenantId}, domain from unnest(${domains}::text[]) as domain
    on conflict do nothing`.execute(trx)
  return (numAffectedRows ?? 0n) > 0n
}

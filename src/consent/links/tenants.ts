import { sql, type Kysely } from 'kysely'
import { audit } from '../../db/audit.ts'
import { lockLinks } from '../../db/link-lock.ts'
import type { Consent, Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { placeBelow } from './parents.ts'
import { uniqueSlug } from './slug.ts'

/** An ImmyBot tenant with its link. */
export interface TenantEntry {
  tenantId: string
  name: string
  slug: string
  isMsp: boolean
  parentTenantId: string | null
  parent: string | null
  inCrossTenantDeployments: boolean
  /** null = not linked. */
  entraTenantId: string | null
  entraTenant: string | null
  /** Domains that it owns; empty with a default link. */
  domains: string[]
  kind: 'partner' | 'customer' | 'standalone' | null
  state: string | null
  consent: Consent | null
  /** Live persons. */
  persons: number
}

/** All ImmyBot tenants, the MSP first, then by name; or one of them. */
export async function listTenants(
  db: Kysely<Database>,
  tenantId: string | null = null,
): Promise<TenantEntry[]> {
  const { rows } = await sql<TenantEntry>`
    select t.tenant_id as "tenantId", t.name, t.slug, t.is_msp as "isMsp",
      t.parent_tenant_id as "parentTenantId", p.name as parent,
      t.in_cross_tenant_deployments as "inCrossTenantDeployments",
      l.entra_tenant_id as "entraTenantId", coalesce(s.display_name, s.default_domain) as "entraTenant",
      coalesce(l.domains, '{}') as domains, s.kind, s.state, s.consent,
      (select count(*)::int from entra_sync.persons x where x.tenant_id = t.tenant_id and x.deleted_at is null) as persons
    from entra_sync.tenants t
    left join entra_sync.tenants p on p.tenant_id = t.parent_tenant_id
    left join lateral (
      select entra_tenant_id, array_agg(domain order by domain) filter (where domain is not null) as domains
      from entra_sync.tenant_links l where l.tenant_id = t.tenant_id group by entra_tenant_id
    ) l on true
    left join entra_sync.tenant_status s on s.entra_tenant_id = l.entra_tenant_id
    where ${tenantId}::uuid is null or t.tenant_id = ${tenantId}::uuid
    order by t.is_msp desc, lower(t.name), t.tenant_id`.execute(db)
  return rows
}

export interface NewTenant {
  name: string
  /** Default: made of the name. */
  slug?: string | undefined
  parentTenantId?: string | undefined
  actor: string
}

/**
 * Makes an ImmyBot tenant without a link.
 * @throws kind `input`: `name_empty`, `slug_invalid`, `slug_taken`, `tenant_unknown` (the parent)
 */
export async function addTenant(
  db: Kysely<Database>,
  request: NewTenant,
): Promise<{ tenantId: string; name: string; slug: string }> {
  const name = request.name.trim()
  if (name === '')
    throw new EntraSyncError('input', 'The name of the tenant is empty.', {
      code: 'name_empty',
      remedy: 'Give it a name.',
    })
  return db.transaction().execute(async (trx) => {
    await lockLinks(trx)
    const { rows: slugs } = await sql<{ slug: string }>`select slug from entra_sync.tenants`.execute(trx)
    const taken = new Set(slugs.map((row) => row.slug))
    const slug = request.slug ?? uniqueSlug(name, taken)
    if (request.slug !== undefined) refuseSlug(request.slug, taken)
    const { rows } = await sql<{ id: string }>`
      insert into entra_sync.tenants (name, slug) values (${name}, ${slug}) returning tenant_id as id`.execute(
      trx,
    )
    const tenantId = rows[0]?.id ?? ''
    if (request.parentTenantId !== undefined) {
      const [parent] = await listTenants(trx, request.parentTenantId)
      if (parent === undefined)
        throw new EntraSyncError('input', `There is no tenant ${request.parentTenantId}.`, {
          code: 'tenant_unknown',
          remedy: '`entra-sync tenants list` shows them.',
        })
      await placeBelow(trx, { tenantId, tenant: name }, { tenantId: parent.tenantId, tenant: parent.name })
    }
    await audit(trx, {
      actor: request.actor,
      action: 'tenant_added',
      tenantId,
      detail: { name, slug, parentTenantId: request.parentTenantId },
    })
    return { tenantId, name, slug }
  })
}

function refuseSlug(slug: string, taken: ReadonlySet<string>): void {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(slug))
    throw new EntraSyncError('input', `${JSON.stringify(slug)} is no slug.`, {
      code: 'slug_invalid',
      remedy: 'Use lower-case letters, digits and dashes, as contoso-north.',
    })
  if (taken.has(slug))
    throw new EntraSyncError('input', `The slug ${slug} is taken.`, {
      code: 'slug_taken',
      remedy: 'Choose another one, or leave --slug out.',
    })
}

/** The tenant that a person means by id, slug or name; letter case does not count. Throws `input` for none or several. */
export async function findTenant(
  db: Kysely<Database>,
  text: string,
): Promise<{ tenantId: string; name: string }> {
  const wanted = text.trim().toLowerCase()
  const { rows } = await sql<{ tenantId: string; name: string }>`
    select tenant_id as "tenantId", name from entra_sync.tenants
    where tenant_id::text = ${wanted} or slug = ${wanted} or lower(name) = ${wanted}
    order by (tenant_id::text = ${wanted}) desc, name, tenant_id`.execute(db)
  const [only] = rows
  if (only === undefined)
    throw new EntraSyncError('input', `No tenant is known as ${JSON.stringify(text.slice(0, 100))}.`, {
      code: 'tenant_unknown',
      remedy: '`entra-sync tenants list` shows them: an id, a slug or a name will do.',
    })
  if (rows.length > 1)
    throw new EntraSyncError('input', `${JSON.stringify(text.slice(0, 100))} means more than one tenant.`, {
      code: 'tenant_ambiguous',
      remedy: `Use the id: ${rows.map((row) => row.tenantId).join(', ')}.`,
    })
  return only
}

import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { counts } from './relationships.ts'

/** A listed customer, through the partner that it would be imported through. */
export interface Candidate {
  id: string
  partner: string
  name: string
  defaultDomain: string | null
  active: boolean
  /** A customer here already, of whichever partner, and not offboarded. */
  imported: boolean
  offboarded: boolean
  /** Linked on its own, without a partner. */
  standalone: boolean
  isPartner: boolean
  /** Tenant of its default link. */
  linkedTo: string | null
}

/**
 * Each customer once. Where several partners reach it: first one with an active relationship, then one whose list
 * names it now, then the one that has known it longest.
 */
export async function readCandidates(
  db: Kysely<Database>,
  which: readonly string[] | 'all',
): Promise<Candidate[]> {
  const { rows } = await sql<Candidate>`
    select distinct on (c.entra_tenant_id) c.entra_tenant_id as id, c.partner_entra_tenant_id as partner,
      coalesce(nullif(trim(c.display_name), ''), c.entra_tenant_id::text) as name, c.default_domain as "defaultDomain",
      coalesce(g.active, false) as active,
      e.partner_entra_tenant_id is not null and e.offboarded_at is null as imported,
      e.offboarded_at is not null as offboarded,
      coalesce(s.kind = 'standalone', false)
        and exists (select from entra_sync.tenant_links x where x.entra_tenant_id = c.entra_tenant_id) as standalone,
      coalesce(s.kind = 'partner', false) as "isPartner",
      l.tenant_id as "linkedTo"
    from entra_sync.gdap_customers c
    left join entra_sync.gdap_status g using (entra_tenant_id)
    left join entra_sync.entra_tenants e using (entra_tenant_id)
    left join entra_sync.tenant_status s using (entra_tenant_id)
    left join entra_sync.tenant_links l on l.entra_tenant_id = c.entra_tenant_id and l.domain is null
    where ${which === 'all' ? sql`c.missing_since is null or e.partner_entra_tenant_id is not null` : sql`c.entra_tenant_id = any (${which}::uuid[])`}
    order by c.entra_tenant_id,
      exists (select from entra_sync.gdap_relationships r where r.entra_tenant_id = c.entra_tenant_id
        and r.partner_entra_tenant_id = c.partner_entra_tenant_id and ${counts}) desc,
      c.missing_since is null desc, c.first_seen_at, c.partner_entra_tenant_id`.execute(db)
  return rows
}

/** Throws `input` naming those of `which` that cannot be imported. */
export function refuseUnfit(which: readonly string[], listed: readonly Candidate[]): void {
  const byId = new Map(listed.map((one) => [one.id, one]))
  const unknown = which.filter((id) => !byId.has(id.toLowerCase()))
  if (unknown.length > 0) {
    throw new EntraSyncError('input', `No partner's list names ${unknown.join(', ')}.`, {
      code: 'customer_unknown',
      remedy: 'Run entra-sync customers discover, then entra-sync customers list shows who can be imported.',
    })
  }
  const partners = listed.filter((one) => one.isPartner)
  if (partners.length > 0) {
    throw new EntraSyncError('input', `${named(partners)} is a partner here and becomes nobody's customer.`, {
      code: 'customer_is_partner',
      remedy: 'Leave it out; entra-sync status shows the kind of every Entra tenant.',
    })
  }
  const inactive = listed.filter((one) => !one.active && !one.imported)
  if (inactive.length > 0) {
    throw new EntraSyncError('input', `No active GDAP relationship with ${named(inactive)}.`, {
      code: 'gdap_not_active',
      remedy: 'Have the customer approve a GDAP relationship, then run entra-sync customers discover.',
    })
  }
}

/** For messages: names with ids. */
export function named(some: readonly Candidate[]): string {
  return some.map((one) => `${one.name} (${one.id})`).join(', ')
}

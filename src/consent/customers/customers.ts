import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { preConsentRoles, rolesOf, type DirectoryRole, type PreConsentRoles } from './directory-roles.ts'
import type { Proposal } from './proposals.ts'
import { readMatches } from './read-proposals.ts'
import { counts } from './relationships.ts'

/** A GDAP relationship of one partner with one customer. */
export interface CustomerRelationship {
  relationshipId: string
  displayName: string | null
  status: string
  /** It lets the partner in; see the view `gdap_status`. */
  counts: boolean
  roles: DirectoryRole[]
  createdAt: Date | null
  activatedAt: Date | null
  endsAt: Date | null
  autoExtends: boolean
  missingSince: Date | null
}

/** A customer as one partner reaches it: one that two partners reach has two rows. */
export interface CustomerRow {
  entraTenantId: string
  displayName: string | null
  partnerEntraTenantId: string
  partnerName: string
  defaultDomain: string | null
  /** All that are known, the default one among them; before the first sync that one at most. */
  domains: string[]
  /** This partner's with it, those that count first. */
  relationships: CustomerRelationship[]
  /** Roles that this partner's relationships give, of those that count. */
  roles: DirectoryRole[]
  preConsentRoles: PreConsentRoles
  /** Whether any relationship of any partner is active; so are the next two. */
  gdapActive: boolean
  gdapEndsAt: Date | null
  gdapAutoExtends: boolean
  /** It is a customer here, of whichever partner. */
  imported: boolean
  /** `partner`, `customer` or `standalone`; null = not an Entra tenant here yet. */
  kind: string | null
  /** As `tenant_status` has it; null = not an Entra tenant here yet. */
  state: string | null
  /** As `consent_status` has it; null = never proved. */
  consent: string | null
  /** The tenant of the default link. */
  tenant: { tenantId: string; name: string } | null
  firstSeenAt: Date
  /** Appeared within a week, after the partner's first list, and is not imported. */
  isNew: boolean
  /** Since when this partner's list lacks it. */
  missingSince: Date | null
  /** The tenant without a link that it seems to be. */
  proposal: Proposal | null
  /** Why there is no proposal though something matches. */
  noProposal: string | null
}

/** All customers that a partner's list has named, by name, id and partner. */
export async function listKnownCustomers(db: Kysely<Database>): Promise<CustomerRow[]> {
  const [rows, relationships, matches] = await Promise.all([
    readRows(db),
    readRelationships(db),
    readMatches(db),
  ])
  const byCustomer = Map.groupBy(relationships, keyOf)
  return rows.map(({ tenantId, tenantName, ...row }) => {
    const own = (byCustomer.get(keyOf(row)) ?? []).map(({ roleIds, ...relationship }) => ({
      ...relationship,
      roles: rolesOf(roleIds),
    }))
    const roles = rolesOf(
      own.filter((each) => each.counts).flatMap((each) => each.roles.map(({ templateId }) => templateId)),
    )
    const match = matches.get(row.entraTenantId)
    return {
      ...row,
      relationships: own.map(({ entraTenantId: _customer, partnerEntraTenantId: _partner, ...each }) => each),
      roles,
      preConsentRoles: preConsentRoles(roles),
      tenant: tenantId === null ? null : { tenantId, name: tenantName ?? '' },
      proposal: match?.proposal ?? null,
      noProposal: match?.reason ?? null,
    }
  })
}

interface CustomerKey {
  entraTenantId: string
  partnerEntraTenantId: string
}

const keyOf = ({ entraTenantId, partnerEntraTenantId }: CustomerKey): string =>
  `${entraTenantId} ${partnerEntraTenantId}`

type Row = Omit<
  CustomerRow,
  'relationships' | 'roles' | 'preConsentRoles' | 'tenant' | 'proposal' | 'noProposal'
> & {
  tenantId: string | null
  tenantName: string | null
}

async function readRows(db: Kysely<Database>): Promise<Row[]> {
  const { rows } = await sql<Row>`
    with first_lists as (
      select partner_entra_tenant_id, min(first_seen_at) as at from entra_sync.gdap_customers group by 1
    )
    select c.entra_tenant_id as "entraTenantId", c.display_name as "displayName",
      c.partner_entra_tenant_id as "partnerEntraTenantId",
      coalesce(p.display_name, p.default_domain, p.entra_tenant_id::text) as "partnerName",
      coalesce(e.default_domain, c.default_domain, (
        select min(x.default_domain) from entra_sync.gdap_customers x where x.entra_tenant_id = c.entra_tenant_id
      )) as "defaultDomain",
      array(
        select distinct lower(d.domain) from (
          select unnest(e.domains) union all select e.default_domain
          union all select x.default_domain from entra_sync.gdap_customers x where x.entra_tenant_id = c.entra_tenant_id
        ) as d (domain) where d.domain <> '' order by 1
      ) as domains,
      coalesce(g.active, false) as "gdapActive", g.ends_at as "gdapEndsAt",
      coalesce(g.auto_extends, false) as "gdapAutoExtends",
      e.partner_entra_tenant_id is not null and e.offboarded_at is null as imported,
      s.kind, s.state, s.consent, t.tenant_id as "tenantId", t.name as "tenantName",
      c.first_seen_at as "firstSeenAt",
      e.entra_tenant_id is null and c.first_seen_at > f.at and c.first_seen_at > now() - interval '7 days' as "isNew",
      c.missing_since as "missingSince"
    from entra_sync.gdap_customers c
    join entra_sync.entra_tenants p on p.entra_tenant_id = c.partner_entra_tenant_id
    join first_lists f on f.partner_entra_tenant_id = c.partner_entra_tenant_id
    left join entra_sync.entra_tenants e on e.entra_tenant_id = c.entra_tenant_id
    left join entra_sync.tenant_status s on s.entra_tenant_id = c.entra_tenant_id
    left join entra_sync.gdap_status g on g.entra_tenant_id = c.entra_tenant_id
    left join entra_sync.tenant_links l on l.entra_tenant_id = c.entra_tenant_id and l.domain is null
    left join entra_sync.tenants t on t.tenant_id = l.tenant_id
    order by lower(c.display_name), c.entra_tenant_id, lower(p.display_name), p.entra_tenant_id`.execute(db)
  return rows
}

type RelationshipRow = Omit<CustomerRelationship, 'roles'> & CustomerKey & { roleIds: string[] }

async function readRelationships(db: Kysely<Database>): Promise<RelationshipRow[]> {
  const { rows } = await sql<RelationshipRow>`
    select r.entra_tenant_id as "entraTenantId", r.partner_entra_tenant_id as "partnerEntraTenantId",
      r.relationship_id as "relationshipId", r.display_name as "displayName", r.status, ${counts} as counts,
      r.roles as "roleIds", r.created_at as "createdAt", r.activated_at as "activatedAt", r.ends_at as "endsAt",
      r.auto_extends as "autoExtends", r.missing_since as "missingSince"
    from entra_sync.gdap_relationships r
    where r.entra_tenant_id is not null
    order by ${counts} desc, r.ends_at desc nulls last, r.relationship_id`.execute(db)
  return rows
}

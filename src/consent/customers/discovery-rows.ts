import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import type { GdapCustomer, GdapRelationship } from '../../graph/gdap.ts'
import { knownStatuses } from './relationships.ts'

/** Returns those that this partner's lists had never named before. */
export async function upsertCustomers(
  db: Kysely<Database>,
  partner: string,
  customers: GdapCustomer[],
): Promise<GdapCustomer[]> {
  const list = JSON.stringify(
    customers.map(({ entraTenantId, displayName }) => ({ id: entraTenantId, name: displayName })),
  )
  const { rows } = await sql<GdapCustomer>`
    with written as (
      insert into entra_sync.gdap_customers as c (partner_entra_tenant_id, entra_tenant_id, display_name)
      select ${partner}, id, name from jsonb_to_recordset(${list}::jsonb) as list (id uuid, name text)
      on conflict (partner_entra_tenant_id, entra_tenant_id)
        do update set display_name = excluded.display_name, last_seen_at = now(), missing_since = null
      returning c.entra_tenant_id, c.display_name, c.first_seen_at = now() as added
    )
    select entra_tenant_id as "entraTenantId", display_name as "displayName" from written where added
    order by lower(display_name), entra_tenant_id`.execute(db)
  return rows
}

/**
 * An unknown status (unknownFutureValue, or one that came later) leaves the one known before, and a customer once told
 * is not untold. Two partners can be shown one relationship (an indirect provider and its reseller): it stays the
 * first one's row until that one's lists lack it.
 */
export async function upsertRelationships(
  db: Kysely<Database>,
  partner: string,
  relationships: GdapRelationship[],
): Promise<void> {
  const list = JSON.stringify(relationships)
  await sql`
    insert into entra_sync.gdap_relationships as r (relationship_id, partner_entra_tenant_id, entra_tenant_id, display_name,
      status, roles, created_at, activated_at, ends_at, auto_extends)
    select "relationshipId", ${partner}, "entraTenantId", "displayName", status,
      array(select jsonb_array_elements_text(roles)), "createdAt", "activatedAt", "endsAt", "autoExtends"
    from jsonb_to_recordset(${list}::jsonb) as list ("relationshipId" text, "entraTenantId" uuid, "displayName" text, status text,
      roles jsonb, "createdAt" timestamptz, "activatedAt" timestamptz, "endsAt" timestamptz, "autoExtends" boolean)
    on conflict (relationship_id) do update set partner_entra_tenant_id = excluded.partner_entra_tenant_id,
      entra_tenant_id = coalesce(excluded.entra_tenant_id, r.entra_tenant_id), display_name = excluded.display_name,
      status = case when excluded.status = any (${knownStatuses}::text[]) then excluded.status else r.status end,
      roles = excluded.roles, created_at = excluded.created_at, activated_at = excluded.activated_at,
      ends_at = excluded.ends_at, auto_extends = excluded.auto_extends, last_seen_at = now(), missing_since = null
    where r.partner_entra_tenant_id = excluded.partner_entra_tenant_id or r.missing_since is not null`.execute(
    db,
  )
}

/** Marks what whole lists lack; returns how many customers that newly are. */
export async function markMissing(
  db: Kysely<Database>,
  partner: string,
  customerIds: string[],
  relationshipIds: string[],
): Promise<number> {
  await sql`
    update entra_sync.gdap_relationships set missing_since = now()
    where partner_entra_tenant_id = ${partner} and missing_since is null
      and relationship_id <> all (${relationshipIds}::text[])`.execute(db)
  const { numAffectedRows } = await sql`
    update entra_sync.gdap_customers set missing_since = now()
    where partner_entra_tenant_id = ${partner} and missing_since is null
      and entra_tenant_id <> all (${customerIds}::uuid[])`.execute(db)
  return Number(numAffectedRows ?? 0n)
}

/** Domains of customers, by Entra tenant id; those that are not named keep theirs. */
export async function saveDomains(
  db: Kysely<Database>,
  partner: string,
  domains: ReadonlyMap<string, string>,
): Promise<void> {
  await sql`
    update entra_sync.gdap_customers c set default_domain = d.domain
    from unnest(${[...domains.keys()]}::uuid[], ${[...domains.values()]}::text[]) as d (id, domain)
    where c.partner_entra_tenant_id = ${partner} and c.entra_tenant_id = d.id
      and c.default_domain is distinct from d.domain`.execute(db)
}

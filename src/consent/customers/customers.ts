import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import type { GraphClient } from '../../graph/client.ts'
import {
  listCustomers,
  listRelationships,
  type GdapCustomer,
  type GdapRelationship,
} from '../../graph/gdap.ts'
import type { Log } from '../../log.ts'

export interface DiscoveryContext {
  db: Kysely<Database>
  graphFor(entraTenantId: string): GraphClient
  log: Log
}

export interface Discovery {
  customers: number
  added: number
  /** Customers that the list named before and does not name now. */
  missing: number
  relationships: number
}

/**
 * Reads a partner's GDAP customers and relationships to their ends, then writes both in one transaction. An error is
 * never an empty list: any failing page throws and leaves what is known as it was. An empty list marks nothing as
 * missing either, since a lost role can look like one. Throws what Graph's errors become, and `input` for an Entra
 * tenant that is not known.
 */
export async function discoverCustomers(
  { db, graphFor, log }: DiscoveryContext,
  partnerEntraTenantId: string,
  signal: AbortSignal,
): Promise<Discovery> {
  await requirePartner(db, partnerEntraTenantId)
  const client = graphFor(partnerEntraTenantId)
  const customers = new Map<string, GdapCustomer>()
  for await (const page of listCustomers(client, { signal })) {
    for (const customer of page) customers.set(customer.entraTenantId, customer)
  }
  const relationships = new Map<string, GdapRelationship>()
  for await (const page of listRelationships(client, { signal })) {
    for (const relationship of page) relationships.set(relationship.relationshipId, relationship)
  }
  const written = await db.transaction().execute(async (trx) => {
    // Two discoveries of one partner at once would each mark what the other has just read.
    await sql`select 1 from entra_sync.entra_tenants where entra_tenant_id = ${partnerEntraTenantId} for no key update`.execute(
      trx,
    )
    const added = await upsertCustomers(trx, partnerEntraTenantId, [...customers.values()])
    await upsertRelationships(trx, partnerEntraTenantId, [...relationships.values()])
    const whole = customers.size > 0 && relationships.size > 0
    const missing = whole
      ? await markMissing(trx, partnerEntraTenantId, [...customers.keys()], [...relationships.keys()])
      : 0
    return { added, missing }
  })
  const found = { customers: customers.size, relationships: relationships.size, ...written }
  log.info({ partnerEntraTenantId, ...found }, 'customers discovered')
  return found
}

async function requirePartner(db: Kysely<Database>, entraTenantId: string): Promise<void> {
  const { rows } =
    await sql`select 1 from entra_sync.entra_tenants where entra_tenant_id = ${entraTenantId}`.execute(db)
  if (rows.length > 0) return
  throw new EntraSyncError('input', `There is no Entra tenant ${entraTenantId}.`, {
    code: 'entra_tenant_unknown',
    remedy: 'Set up the partner first: entra-sync init.',
  })
}

/** Returns how many were not known before. */
async function upsertCustomers(
  db: Kysely<Database>,
  partner: string,
  customers: GdapCustomer[],
): Promise<number> {
  const list = JSON.stringify(
    customers.map(({ entraTenantId, displayName }) => ({ id: entraTenantId, name: displayName })),
  )
  const { rows } = await sql<{ added: number }>`
    with written as (
      insert into entra_sync.gdap_customers as c (partner_entra_tenant_id, entra_tenant_id, display_name)
      select ${partner}, id, name from jsonb_to_recordset(${list}::jsonb) as list (id uuid, name text)
      on conflict (partner_entra_tenant_id, entra_tenant_id)
        do update set display_name = excluded.display_name, last_seen_at = now(), missing_since = null
      returning c.first_seen_at = now() as added
    )
    select (count(*) filter (where added))::int as added from written`.execute(db)
  return rows[0]?.added ?? 0
}

async function upsertRelationships(
  db: Kysely<Database>,
  partner: string,
  relationships: GdapRelationship[],
): Promise<void> {
  const list = JSON.stringify(relationships)
  await sql`
    insert into entra_sync.gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, display_name,
      status, roles, created_at, activated_at, ends_at, auto_extends)
    select "relationshipId", ${partner}, "entraTenantId", "displayName", status,
      array(select jsonb_array_elements_text(roles)), "createdAt", "activatedAt", "endsAt", "autoExtends"
    from jsonb_to_recordset(${list}::jsonb) as list ("relationshipId" text, "entraTenantId" uuid, "displayName" text, status text,
      roles jsonb, "createdAt" timestamptz, "activatedAt" timestamptz, "endsAt" timestamptz, "autoExtends" boolean)
    on conflict (relationship_id) do update set partner_entra_tenant_id = excluded.partner_entra_tenant_id,
      entra_tenant_id = excluded.entra_tenant_id, display_name = excluded.display_name, status = excluded.status,
      roles = excluded.roles, created_at = excluded.created_at, activated_at = excluded.activated_at,
      ends_at = excluded.ends_at, auto_extends = excluded.auto_extends, last_seen_at = now(), missing_since = null`.execute(
    db,
  )
}

/** Marks what whole lists lack; returns how many customers that newly are. */
async function markMissing(
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

export interface CustomerRow {
  entraTenantId: string
  displayName: string | null
  partnerEntraTenantId: string
  imported: boolean
  gdapActive: boolean
  gdapEndsAt: Date | null
  missingSince: Date | null
}

/** All customers that a partner's list has named, by name. */
export async function listKnownCustomers(db: Kysely<Database>): Promise<CustomerRow[]> {
  const { rows } = await sql<CustomerRow>`
    select c.entra_tenant_id as "entraTenantId", c.display_name as "displayName",
      c.partner_entra_tenant_id as "partnerEntraTenantId",
      coalesce(e.partner_entra_tenant_id = c.partner_entra_tenant_id, false) as imported,
      coalesce(g.active, false) as "gdapActive", g.ends_at as "gdapEndsAt", c.missing_since as "missingSince"
    from entra_sync.gdap_customers c
    left join entra_sync.entra_tenants e using (entra_tenant_id)
    left join entra_sync.gdap_status g using (entra_tenant_id)
    order by lower(c.display_name), c.entra_tenant_id`.execute(db)
  return rows
}

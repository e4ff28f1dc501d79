import { sql, type Kysely } from 'kysely'
import { EntraSyncError } from '../errors.ts'
import type { ConsentStatusView, Database, GdapRelationshipsTable } from './tables.ts'

/** Throws kind `input`, code `entra_tenant_unknown`, where there is no Entra tenant of this id; else gives its name. */
export async function requireEntraTenant(db: Kysely<Database>, entraTenantId: string): Promise<string> {
  const { rows } = await sql<{ name: string }>`
    select coalesce(display_name, default_domain, entra_tenant_id::text) as name
    from entra_sync.entra_tenants where entra_tenant_id = ${entraTenantId}`.execute(db)
  const [row] = rows
  if (row !== undefined) return row.name
  throw new EntraSyncError('input', `There is no Entra tenant ${entraTenantId}.`, {
    code: 'entra_tenant_unknown',
    remedy: 'Import it as a customer, or link a tenant to it.',
    tenant: entraTenantId,
  })
}

/**
 * As `requireEntraTenant`; throws kind `input`, code `tenant_not_scheduled`, too where nothing syncs it: paused,
 * offboarded, gone, without consent or GDAP.
 */
export async function requireScheduled(db: Kysely<Database>, entraTenantId: string): Promise<string> {
  const name = await requireEntraTenant(db, entraTenantId)
  const { rows } = await sql<{ state: string; scheduled: boolean }>`
    select state, scheduled from entra_sync.tenant_status where entra_tenant_id = ${entraTenantId}`.execute(
    db,
  )
  const { state = 'gone', scheduled = false } = rows[0] ?? {}
  if (scheduled) return name
  throw new EntraSyncError('input', `${name} is not scheduled: its state is ${state}.`, {
    code: 'tenant_not_scheduled',
    remedy:
      state === 'paused' || state === 'offboarded'
        ? 'Resume it first, if it is to be synced again.'
        : 'Mend what its state says; its page and its problems tell how.',
    tenant: entraTenantId,
  })
}

export interface LinkRow {
  tenantId: string
  name: string
  slug: string
  /** null = the default link. */
  domain: string | null
}

/** The links of an Entra tenant, the default link first, and the domains that it has proved to Microsoft. */
export async function readLinks(
  db: Kysely<Database>,
  entraTenantId: string,
): Promise<{ links: LinkRow[]; domains: string[] }> {
  const [{ rows: links }, { rows }] = await Promise.all([
    sql<LinkRow>`
      select t.tenant_id as "tenantId", t.name, t.slug, l.domain
      from entra_sync.tenant_links l join entra_sync.tenants t using (tenant_id)
      where l.entra_tenant_id = ${entraTenantId} order by l.domain nulls first`.execute(db),
    sql<{ domains: string[] }>`
      select domains from entra_sync.entra_tenants where entra_tenant_id = ${entraTenantId}`.execute(db),
  ])
  return { links, domains: rows[0]?.domains ?? [] }
}

/** What is known of an Entra tenant's consent; null = there is no such Entra tenant. */
export async function readConsent(
  db: Kysely<Database>,
  entraTenantId: string,
): Promise<ConsentStatusView | null> {
  const { rows } = await sql<ConsentStatusView>`
    select * from entra_sync.consent_status where entra_tenant_id = ${entraTenantId}`.execute(db)
  return rows[0] ?? null
}

export interface RunRow {
  runId: string
  mode: 'delta' | 'full'
  trigger: string[]
  startedAt: Date
  finishedAt: Date | null
  outcome: string | null
  requests: number
  throttledMs: number
  errorCode: string | null
  errorMessage: string | null
  requestId: string | null
}

/** The last runs of an Entra tenant, the newest first. */
export async function readRuns(
  db: Kysely<Database>,
  entraTenantId: string,
  limit: number,
): Promise<RunRow[]> {
  const { rows } = await sql<RunRow>`
    select run_id as "runId", mode, trigger, started_at as "startedAt", finished_at as "finishedAt", outcome,
      requests::int as requests, throttled_ms::float8 as "throttledMs", error_code as "errorCode", error_message as "errorMessage",
      error_request_id as "requestId"
    from entra_sync.sync_runs where entra_tenant_id = ${entraTenantId}
    order by started_at desc limit ${limit}`.execute(db)
  return rows
}

export interface RelationshipRow {
  relationshipId: string
  partnerEntraTenantId: string
  /** Name of the partner, or its id. */
  partner: string
  displayName: string | null
  status: GdapRelationshipsTable['status']
  /** Ids of Entra directory roles. */
  roles: string[]
  endsAt: Date | null
  autoExtends: boolean
  missingSince: Date | null
}

/** GDAP relationships of a customer, active ones first. */
export async function readRelationships(
  db: Kysely<Database>,
  entraTenantId: string,
): Promise<RelationshipRow[]> {
  const { rows } = await sql<RelationshipRow>`
    select r.relationship_id as "relationshipId", r.partner_entra_tenant_id as "partnerEntraTenantId",
      coalesce(p.display_name, p.default_domain, r.partner_entra_tenant_id::text) as partner,
      r.display_name as "displayName", r.status, r.roles, r.ends_at as "endsAt", r.auto_extends as "autoExtends",
      r.missing_since as "missingSince"
    from entra_sync.gdap_relationships r
    join entra_sync.entra_tenants p on p.entra_tenant_id = r.partner_entra_tenant_id
    where r.entra_tenant_id = ${entraTenantId}
    order by r.status = 'active' desc, r.ends_at desc nulls first, r.relationship_id`.execute(db)
  return rows
}

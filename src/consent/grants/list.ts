import { sql, type Kysely } from 'kysely'
import type { Consent, ConsentMethod, Database } from '../../db/tables.ts'

/** How consent of one Entra tenant stands. */
export interface ConsentEntry {
  entraTenantId: string
  name: string
  kind: 'partner' | 'customer' | 'standalone'
  state: string
  /** Client id of the app that the permission level says; null = none is configured. */
  appId: string | null
  /** To that app, or `other_app`; null = no proof has come to a verdict yet. */
  consent: Consent | null
  /** The app that is consented to instead, and reads meanwhile. */
  otherAppId: string | null
  grantedAt: Date | null
  grantedBy: string | null
  method: ConsentMethod | null
  grantedRoles: string[]
  missingRoles: string[]
  missingOptionalRoles: string[]
  provedAt: Date | null
  nextProofAt: Date | null
}

/** Consent of all Entra tenants that are not gone, or of one, by name. `defaultClientId` is the Default app's. */
export async function listConsents(
  db: Kysely<Database>,
  defaultClientId: string | null,
  only: string | null = null,
): Promise<ConsentEntry[]> {
  const { rows } = await sql<ConsentEntry>`
    select t.entra_tenant_id as "entraTenantId",
      coalesce(t.display_name, t.default_domain, t.entra_tenant_id::text) as name, t.kind, t.state,
      w.app_id as "appId", coalesce(case when s.consent = 'other_app' then s.consent end, c.status) as consent,
      s.other_app_id as "otherAppId", c.granted_at as "grantedAt", c.granted_by as "grantedBy", c.method,
      coalesce(c.granted_roles, '{}') as "grantedRoles", coalesce(c.missing_roles, '{}') as "missingRoles",
      coalesce(c.missing_optional_roles, '{}') as "missingOptionalRoles",
      c.proved_at as "provedAt", c.next_proof_at as "nextProofAt"
    from entra_sync.tenant_status t
    join entra_sync.consent_status s using (entra_tenant_id)
    cross join lateral (select coalesce(s.wanted_app_id, ${defaultClientId}::uuid) as app_id) w
    left join entra_sync.consents c on c.entra_tenant_id = t.entra_tenant_id and c.app_id = w.app_id
    where ${only === null ? sql`t.state <> 'gone'` : sql`t.entra_tenant_id = ${only}`}
    order by lower(coalesce(t.display_name, t.default_domain, '')), t.entra_tenant_id`.execute(db)
  return rows
}

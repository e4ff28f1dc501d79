import { sql, type Kysely } from 'kysely'
import type { SealedText } from '../secrets.ts'
import type { Database } from './tables.ts'

/** What a credential's sealed text is bound to, beside its Entra tenant. */
export const credentialPurpose = 'app-credential'

export interface SealedCredential {
  credentialId: string
  kind: 'secret' | 'certificate'
  sealed: SealedText
}

/** The app that reads an Entra tenant, as its row and its partner's say. */
export type ChosenApp =
  /** The Default app of the configuration. */
  | { level: 'default' }
  | {
      level: 'custom'
      appId: string
      clientId: string
      /** Grows with each change of the credentials. */
      version: number
      /** Whose registration it is: the partner's for its customers. */
      ownerEntraTenantId: string
    }

/**
 * The app for an Entra tenant: the one its own `app_id` names (for customers the one that was consented to), else what
 * the permission level says, which customers have from their partner. An unknown `app_id` is the Default app's.
 */
export async function readChosenApp(db: Kysely<Database>, entraTenantId: string): Promise<ChosenApp> {
  const { rows } = await sql<{ appId: string; clientId: string; version: number; owner: string }>`
    select r.app_id as "appId", r.client_id as "clientId", r.version, r.entra_tenant_id as owner
    from entra_sync.entra_tenants e
    left join entra_sync.entra_tenants p on p.entra_tenant_id = e.partner_entra_tenant_id
    join entra_sync.app_registrations r
      on r.entra_tenant_id = coalesce(p.entra_tenant_id, e.entra_tenant_id)
      and coalesce(case when p.entra_tenant_id is not null then e.app_id end,
        case when coalesce(p.permission_level, e.permission_level) = 'custom'
          then coalesce(p.app_id, e.app_id) end) in (r.app_id, r.client_id)
    where e.entra_tenant_id = ${entraTenantId}`.execute(db)
  const [row] = rows
  if (row === undefined) return { level: 'default' }
  const { appId, clientId, version, owner } = row
  return { level: 'custom', appId, clientId, version, ownerEntraTenantId: owner }
}

/** Those not expired first, the newest first; expired ones come last, since an end that was told may be wrong. */
export async function readCredentials(db: Kysely<Database>, appId: string): Promise<SealedCredential[]> {
  const { rows } = await sql<SealedCredential>`
    select credential_id as "credentialId", kind, sealed from entra_sync.app_credentials
    where app_id = ${appId}
    order by coalesce(expires_at <= now(), false), added_at desc, credential_id`.execute(db)
  return rows
}

/** To be called in the transaction of every change of an app's credentials. */
export async function raiseAppVersion(db: Kysely<Database>, appId: string): Promise<void> {
  await sql`update entra_sync.app_registrations set version = version + 1 where app_id = ${appId}`.execute(db)
}

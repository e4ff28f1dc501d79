import { sql, type Kysely, type Transaction } from 'kysely'
import { credentialPurpose, raiseAppVersion } from '../../db/app-registrations.ts'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import type { KeyRing } from '../../key-ring.ts'
import { seal } from '../../secrets.ts'
import { forgetAppCheck } from './check-app.ts'
import { refreshCredentialProblems } from './credential-expiry.ts'
import type { NewCredential } from './new-credential.ts'

export interface StoredCredential {
  credentialId: string
  kind: 'secret' | 'certificate'
  /** SHA-256 of a certificate; null for secrets. */
  thumbprint: string | null
  expiresAt: Date | null
  /** Where that end is known from; null = it is not known. */
  expiresSource: 'told' | 'certificate' | 'graph' | null
  /** Whether the app registration has it; null = not known. */
  registered: boolean | null
  addedAt: Date
}

export interface PermissionLevel {
  level: 'default' | 'custom'
  /** null = the Default app. */
  clientId: string | null
  /** Newest first; none with the Default app, whose credential is in the configuration. */
  credentials: StoredCredential[]
  /** The partner that a customer follows; null for partner and standalone Entra tenants. */
  partnerEntraTenantId: string | null
  /** How many customers follow. */
  customers: number
}

/** The level of an Entra tenant; a customer's is its partner's. */
export async function readPermissionLevel(
  db: Kysely<Database>,
  entraTenantId: string,
): Promise<PermissionLevel> {
  const { rows } = await sql<{
    level: 'default' | 'custom'
    appId: string | null
    clientId: string | null
    partner: string | null
    customers: number
  }>`
    select o.permission_level as level, r.app_id as "appId", r.client_id as "clientId",
      e.partner_entra_tenant_id as partner,
      (select count(*)::int from entra_sync.entra_tenants c
        where c.partner_entra_tenant_id = e.entra_tenant_id and c.gone_at is null) as customers
    from entra_sync.entra_tenants e
    join entra_sync.entra_tenants o on o.entra_tenant_id = coalesce(e.partner_entra_tenant_id, e.entra_tenant_id)
    left join entra_sync.app_registrations r on r.entra_tenant_id = o.entra_tenant_id
      and o.app_id in (r.app_id, r.client_id) and o.permission_level = 'custom'
    where e.entra_tenant_id = ${entraTenantId}`.execute(db)
  const { level = 'default', appId = null, clientId = null, partner = null, customers = 0 } = rows[0] ?? {}
  const credentials = appId === null ? [] : await readStored(db, appId)
  return { level, clientId, credentials, partnerEntraTenantId: partner, customers }
}

/** Sets level Default. What is known of own apps stays, for who goes back to Custom. */
export async function setDefaultLevel(
  db: Kysely<Database>,
  change: { entraTenantId: string; actor: string },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lockOwner(trx, change.entraTenantId)
    await sql`update entra_sync.entra_tenants set permission_level = 'default', app_id = null
      where entra_tenant_id = ${change.entraTenantId}`.execute(trx)
    await audit(trx, 'permission_level', change, { level: 'default' })
    await wakeFailed(trx, change.entraTenantId)
    await forgetAppCheck(trx, change.entraTenantId)
    await refreshCredentialProblems(trx, change.entraTenantId)
  })
}

/**
 * Sets level Custom. `clientId` null = the app that is or was in use last. A credential is added beside those that are
 * there, so that a new one can be stored before the old one ends. Answers the new credential's id.
 * @throws kind `input`: `follows_partner`, `client_id_missing`, `credential_missing`; kind `config` without a key
 */
export async function setCustomLevel(
  db: Kysely<Database>,
  ring: KeyRing,
  change: {
    entraTenantId: string
    clientId: string | null
    credential: NewCredential | null
    actor: string
  },
): Promise<{ appId: string; clientId: string; credentialId: string | null }> {
  const { entraTenantId, credential } = change
  return db.transaction().execute(async (trx) => {
    await lockOwner(trx, entraTenantId)
    const app = await findOrAddApp(trx, entraTenantId, change.clientId)
    const credentialId =
      credential === null ? null : await addCredential(trx, ring, app.appId, entraTenantId, credential)
    if ((await readStored(trx, app.appId)).length === 0) {
      throw new EntraSyncError('input', `The app ${app.clientId} has no credential yet.`, {
        code: 'credential_missing',
        remedy: 'Give --client-secret-file FILE or --certificate-file FILE.',
        tenant: entraTenantId,
      })
    }
    await sql`update entra_sync.entra_tenants set permission_level = 'custom', app_id = ${app.appId}
      where entra_tenant_id = ${entraTenantId}`.execute(trx)
    const detail = { level: 'custom', clientId: app.clientId, credentialId, kind: credential?.kind }
    await audit(trx, 'permission_level', change, detail)
    await wakeFailed(trx, entraTenantId)
    await forgetAppCheck(trx, entraTenantId)
    await refreshCredentialProblems(trx, entraTenantId)
    return { ...app, credentialId }
  })
}

/**
 * Removes one credential of the Entra tenant's own apps.
 * @throws kind `input`: `credential_unknown`; `credential_last` when the app in use would be left without any
 */
export async function removeCredential(
  db: Kysely<Database>,
  change: { entraTenantId: string; credentialId: string; actor: string },
): Promise<void> {
  const { entraTenantId, credentialId } = change
  await db.transaction().execute(async (trx) => {
    await lockOwner(trx, entraTenantId)
    const { rows } = await sql<{ appId: string }>`
      delete from entra_sync.app_credentials
      where credential_id = ${credentialId} and entra_tenant_id = ${entraTenantId}
      returning app_id as "appId"`.execute(trx)
    const [removed] = rows
    if (removed === undefined) {
      throw new EntraSyncError('input', `There is no credential ${credentialId} of this Entra tenant.`, {
        code: 'credential_unknown',
        remedy: '`entra-sync permission-level ID --list` shows their ids.',
        tenant: entraTenantId,
      })
    }
    const { rows: inUse } = await sql`
      select from entra_sync.entra_tenants e join entra_sync.app_registrations r on e.app_id in (r.app_id, r.client_id)
      where e.entra_tenant_id = ${entraTenantId} and e.permission_level = 'custom' and r.app_id = ${removed.appId}`.execute(
      trx,
    )
    if (inUse.length > 0 && (await readStored(trx, removed.appId)).length === 0) {
      throw new EntraSyncError('input', 'It is the last credential of the app in use, so it was kept.', {
        code: 'credential_last',
        remedy: 'Add its successor first, or set the level to default.',
        tenant: entraTenantId,
      })
    }
    await raiseAppVersion(trx, removed.appId)
    await audit(trx, 'credential_removed', change, { credentialId })
    await refreshCredentialProblems(trx, entraTenantId)
  })
}

async function readStored(db: Kysely<Database>, appId: string): Promise<StoredCredential[]> {
  const { rows } = await sql<StoredCredential>`
    select credential_id as "credentialId", kind, thumbprint, expires_at as "expiresAt",
      expires_source as "expiresSource", registered, added_at as "addedAt"
    from entra_sync.app_credentials where app_id = ${appId} order by added_at desc, credential_id`.execute(db)
  return rows
}

/** One change of an Entra tenant's apps at a time; only partner and standalone ones have a level to set. */
async function lockOwner(db: Transaction<Database>, entraTenantId: string): Promise<void> {
  const { rows } = await sql<{ partner: string | null }>`
    select partner_entra_tenant_id as partner from entra_sync.entra_tenants
    where entra_tenant_id = ${entraTenantId} for no key update`.execute(db)
  const partner = rows[0]?.partner ?? null
  if (partner === null) return
  throw new EntraSyncError('input', 'A customer follows the permission level of its partner.', {
    code: 'follows_partner',
    remedy: `Set it for the partner: entra-sync permission-level ${partner} default|custom.`,
    tenant: entraTenantId,
  })
}

async function findOrAddApp(
  db: Transaction<Database>,
  entraTenantId: string,
  clientId: string | null,
): Promise<{ appId: string; clientId: string }> {
  const { rows } =
    clientId === null
      ? await sql<{ appId: string; clientId: string }>`
          select r.app_id as "appId", r.client_id as "clientId"
          from entra_sync.app_registrations r join entra_sync.entra_tenants e using (entra_tenant_id)
          where r.entra_tenant_id = ${entraTenantId}
          order by coalesce(e.app_id in (r.app_id, r.client_id), false) desc, r.created_at desc limit 1`.execute(
          db,
        )
      : await sql<{ appId: string; clientId: string }>`
          insert into entra_sync.app_registrations (entra_tenant_id, client_id) values (${entraTenantId}, ${clientId})
          on conflict (entra_tenant_id, client_id) do update set client_id = excluded.client_id
          returning app_id as "appId", client_id as "clientId"`.execute(db)
  const [app] = rows
  if (app !== undefined) return app
  throw new EntraSyncError('input', 'This Entra tenant has no app registration of its own yet.', {
    code: 'client_id_missing',
    remedy: "Give --client-id, the Application (client) ID on the app registration's overview page.",
    tenant: entraTenantId,
  })
}

async function addCredential(
  db: Transaction<Database>,
  ring: KeyRing,
  appId: string,
  entraTenantId: string,
  { kind, text, thumbprint, expiresAt }: NewCredential,
): Promise<string | null> {
  const sealed = seal(ring, text, { purpose: credentialPurpose, entraTenantId })
  const source = expiresAt === null ? null : kind === 'certificate' ? 'certificate' : 'told'
  const { rows } = await sql<{ id: string }>`
    insert into entra_sync.app_credentials
      (app_id, entra_tenant_id, kind, sealed, thumbprint, expires_at, expires_source, added_at)
    values (${appId}, ${entraTenantId}, ${kind}, ${sealed}, ${thumbprint}, ${expiresAt}, ${source}, clock_timestamp())
    returning credential_id as id`.execute(db)
  await raiseAppVersion(db, appId)
  return rows[0]?.id ?? null
}

/** Those that could not sign in are tried at once instead of after their back-off; consent of all is proved anew. */
async function wakeFailed(db: Transaction<Database>, entraTenantId: string): Promise<void> {
  await sql`update entra_sync.entra_tenants set next_sync_at = now()
    where ${entraTenantId} in (entra_tenant_id, partner_entra_tenant_id) and consecutive_failures > 0`.execute(
    db,
  )
  // Another app may be shown customers that this one was not.
  await sql`update entra_sync.entra_tenants set next_discovery_at = now()
    where entra_tenant_id = ${entraTenantId} and next_discovery_at > now()`.execute(db)
  await sql`
    update entra_sync.consents c set next_proof_at = now() from entra_sync.entra_tenants e
    where e.entra_tenant_id = c.entra_tenant_id
      and ${entraTenantId} in (e.entra_tenant_id, e.partner_entra_tenant_id)`.execute(db)
}

async function audit(
  db: Transaction<Database>,
  action: string,
  { actor, entraTenantId }: { actor: string; entraTenantId: string },
  detail: object,
): Promise<void> {
  await sql`insert into entra_sync.audit_log (actor, action, entra_tenant_id, detail)
    values (${actor}, ${action}, ${entraTenantId}, ${JSON.stringify(detail)}::jsonb)`.execute(db)
}

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

/** An app that may read an Entra tenant. */
export type ChosenApp =
  /** The Default app of the configuration. */
  | { level: 'default'; clientId: string; consentedAt: Date | null }
  | {
      level: 'custom'
      appId: string
      clientId: string
      /** Grows with each change of the credentials. */
      version: number
      /** Whose registration it is: the partner's for its customers. */
      ownerEntraTenantId: string
      /** When consent to it was last given; null = that is not known. */
      consentedAt: Date | null
    }

interface AppRow {
  appId: string | null
  clientId: string
  version: number
  owner: string | null
  consentedAt: Date | null
  wanted: boolean
  offboarded: boolean
}

/**
 * The app that reads an Entra tenant: the one that it has consented to, first of all the one that its permission level
 * says, which customers have from their partner; where none is consented to, that one. null = level Default, and no
 * Default app is configured (`defaultClientId` null), or an Entra tenant that is not known, or was offboarded: nothing
 * reads it.
 */
export async function readChosenApp(
  db: Kysely<Database>,
  entraTenantId: string,
  defaultClientId: string | null,
): Promise<ChosenApp | null> {
  const [first] = (await readApps(db, entraTenantId, defaultClientId)).filter(
    ({ wanted, consentedAt, offboarded }) => (wanted || consentedAt !== null) && !offboarded,
  )
  return first === undefined ? null : chosen(first)
}

/** The app that the permission level says, whether or not it is consented to; null as for `readChosenApp`. */
export async function readWantedApp(
  db: Kysely<Database>,
  entraTenantId: string,
  defaultClientId: string | null,
): Promise<ChosenApp | null> {
  const wanted = (await readApps(db, entraTenantId, defaultClientId)).find((app) => app.wanted)
  return wanted === undefined ? null : chosen(wanted)
}

/** The app with this client id, which may be any that is known here: the Entra tenant may have consented to it. */
export async function readApp(
  db: Kysely<Database>,
  entraTenantId: string,
  defaultClientId: string | null,
  clientId: string,
): Promise<ChosenApp | null> {
  const found = (await readApps(db, entraTenantId, defaultClientId)).find((app) => app.clientId === clientId)
  return found === undefined ? null : chosen(found)
}

/** All apps there are, in the order in which they are to be used for this Entra tenant. */
async function readApps(
  db: Kysely<Database>,
  entraTenantId: string,
  defaultClientId: string | null,
): Promise<AppRow[]> {
  const { rows } = await sql<AppRow>`
    with reading as (
      -- One that is not known yet is looked at before it is linked: with the Default app.
      select i.id as entra_tenant_id, e.offboarded_at is not null as offboarded,
        coalesce(p.entra_tenant_id, i.id) as owner,
        case when coalesce(p.permission_level, e.permission_level) = 'custom'
          then case when p.entra_tenant_id is null then e.app_id else p.app_id end end as chosen
      from (select ${entraTenantId}::uuid as id) i
      left join entra_sync.entra_tenants e on e.entra_tenant_id = i.id
      left join entra_sync.entra_tenants p on p.entra_tenant_id = e.partner_entra_tenant_id
    ), apps as (
      select r.app_id, r.client_id, r.version, r.entra_tenant_id as owner,
        coalesce(r.entra_tenant_id = o.owner and o.chosen in (r.app_id, r.client_id), false) as wanted
      from entra_sync.app_registrations r cross join reading o
      union all
      select null, ${defaultClientId}::uuid, 0, null,
        not exists (select from entra_sync.app_registrations r
          where r.entra_tenant_id = o.owner and o.chosen in (r.app_id, r.client_id))
      from reading o where ${defaultClientId}::uuid is not null
    )
    select a.app_id as "appId", a.client_id as "clientId", a.version, a.owner, a.wanted, o.offboarded,
      case when c.status = 'granted' then coalesce(c.granted_at, c.proved_at, to_timestamp(0)) end as "consentedAt"
    from apps a cross join reading o
    left join entra_sync.consents c on c.entra_tenant_id = o.entra_tenant_id and c.app_id = a.client_id
    order by coalesce(c.status = 'granted', false) desc, a.wanted desc, c.granted_at desc nulls last,
      a.owner = o.owner desc nulls last, a.client_id, a.app_id`.execute(db)
  return rows
}

function chosen({ appId, clientId, version, owner, consentedAt }: AppRow): ChosenApp {
  if (appId === null || owner === null) return { level: 'default', clientId, consentedAt }
  return { level: 'custom', appId, clientId, version, ownerEntraTenantId: owner, consentedAt }
}

/**
 * The newest first; those that the registration does not have and expired ones come last, since an end that was told
 * may be wrong, and so may what was read yesterday.
 */
export async function readCredentials(db: Kysely<Database>, appId: string): Promise<SealedCredential[]> {
  const { rows } = await sql<SealedCredential>`
    select credential_id as "credentialId", kind, sealed from entra_sync.app_credentials
    where app_id = ${appId}
    order by coalesce(not registered, false) or coalesce(expires_at <= now(), false), added_at desc, credential_id`.execute(
    db,
  )
  return rows
}

/** To be called in the transaction of every change of an app's credentials. */
export async function raiseAppVersion(db: Kysely<Database>, appId: string): Promise<void> {
  await sql`update entra_sync.app_registrations set version = version + 1 where app_id = ${appId}`.execute(db)
}

import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'

/** Entra tenants taken at once; the rest a tick later. */
const batch = 100
/**
 * Once the last relationship with a customer has ended nothing is read there any more, by our own decision; a probe is a
 * read. `next_proof_at` stays in the past meanwhile, so that consent is proved as soon as there is a relationship again.
 */
const mayBeRead = sql`(e.partner_entra_tenant_id is null or exists (
  select from entra_sync.gdap_status g where g.entra_tenant_id = e.entra_tenant_id and g.active))`
/** A proof that was asked for and never ended is asked for again after this long. */
const claim = sql`interval '10 minutes'`

export interface DueProof {
  entraTenantId: string
  /** Changes with each proof that has ended. */
  after: string
}

/**
 * Takes the Entra tenants whose consent is to be proved now, and moves their next proof on in the same statement, so
 * that of any number of processes one takes each. Proved are the app that is wanted, also where nothing is known of it
 * yet, and others that are granted, since one of them may be reading. `defaultClientId` is the Default app's.
 */
export async function takeDueProofs(
  db: Kysely<Database>,
  defaultClientId: string | null,
): Promise<DueProof[]> {
  const fresh = await takeUnproved(db, defaultClientId)
  const { rows } = await sql<DueProof>`
    update entra_sync.consents set next_proof_at = now() + ${claim}
    where (entra_tenant_id, app_id) in (
      select c.entra_tenant_id, c.app_id
      from entra_sync.consents c
      join entra_sync.entra_tenants e using (entra_tenant_id)
      left join entra_sync.consent_status s using (entra_tenant_id)
      where c.next_proof_at <= now() and e.gone_at is null and e.offboarded_at is null and e.sync_enabled
        and ${mayBeRead}
        and (c.status = 'granted' or c.app_id = coalesce(s.wanted_app_id, ${defaultClientId}::uuid))
      order by c.next_proof_at limit ${batch} for no key update of c skip locked)
    returning entra_tenant_id as "entraTenantId",
      concat_ws('-', proofs_failed, (extract(epoch from proved_at) * 1000)::bigint) as after`.execute(db)
  return [...new Map([...fresh, ...rows].map((due) => [due.entraTenantId, due])).values()]
}

/** Linked and imported Entra tenants of which it is not known whether they have consented to the app wanted now. */
async function takeUnproved(db: Kysely<Database>, defaultClientId: string | null): Promise<DueProof[]> {
  const { rows } = await sql<DueProof>`
    insert into entra_sync.consents (entra_tenant_id, app_id, status, next_proof_at)
    select e.entra_tenant_id, coalesce(w.client_id, ${defaultClientId}::uuid), null, now() + ${claim}
    from entra_sync.entra_tenants e
    left join entra_sync.entra_tenants p on p.entra_tenant_id = e.partner_entra_tenant_id
    left join entra_sync.app_registrations w on coalesce(p.permission_level, e.permission_level) = 'custom'
      and w.entra_tenant_id = coalesce(p.entra_tenant_id, e.entra_tenant_id)
      and coalesce(p.app_id, e.app_id) in (w.app_id, w.client_id)
    where e.gone_at is null and e.offboarded_at is null and e.sync_enabled and ${mayBeRead}
      and coalesce(w.client_id, ${defaultClientId}::uuid) is not null
      and (e.partner_entra_tenant_id is not null
        or exists (select from entra_sync.tenant_links l where l.entra_tenant_id = e.entra_tenant_id))
      and not exists (select from entra_sync.consents c where c.entra_tenant_id = e.entra_tenant_id
        and c.app_id = coalesce(w.client_id, ${defaultClientId}::uuid))
    order by e.created_at limit ${batch}
    on conflict do nothing
    returning entra_tenant_id as "entraTenantId", 'none' as after`.execute(db)
  return rows
}

/** Apps whose consent a proof of this Entra tenant is about, the wanted one first. */
export async function appsToProve(
  db: Kysely<Database>,
  entraTenantId: string,
  wanted: string | null,
): Promise<string[]> {
  const { rows } = await sql<{ appId: string }>`
    select app_id as "appId" from entra_sync.consents
    where entra_tenant_id = ${entraTenantId} and status = 'granted' order by granted_at desc nulls last`.execute(
    db,
  )
  return [...new Set([...(wanted === null ? [] : [wanted]), ...rows.map(({ appId }) => appId)])]
}

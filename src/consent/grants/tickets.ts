import { sql, type Kysely } from 'kysely'
import { audit } from '../../db/audit.ts'
import type { Database } from '../../db/tables.ts'
import { hashOf, looksLikeKey, newKey } from './one-time.ts'

const ticketDays = 7

/** What a ticket is good for. */
export interface Ticket {
  entraTenantId: string
  /** Client id of the app that was wanted when the link was made. */
  clientId: string
  /** Who made the link. */
  actor: string
}

/**
 * Makes a link for an admin of the Entra tenant, who needs no sign-in to us: path and query below PUBLIC_URL. It is good
 * for 7 days and any number of tries, since mail scanners and previews open links, too. Noted in the audit log.
 */
export async function createTicket(
  db: Kysely<Database>,
  { entraTenantId, clientId, actor }: Ticket,
): Promise<{ url: string; expiresAt: Date }> {
  const ticket = newKey()
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ expiresAt: Date }>`
      insert into entra_sync.consent_tickets (ticket_hash, entra_tenant_id, app_id, created_by, expires_at)
      values (${hashOf(ticket)}, ${entraTenantId}, ${clientId}, ${actor}, now() + make_interval(days => ${ticketDays}))
      returning expires_at as "expiresAt"`.execute(trx)
    const expiresAt = rows[0]?.expiresAt ?? new Date()
    await audit(trx, {
      actor,
      action: 'consent_link_created',
      entraTenantId,
      detail: { clientId, expiresAt },
    })
    return { url: `/consent/start?ticket=${ticket}`, expiresAt }
  })
}

/** The ticket, or null when it is unknown, has expired, or its Entra tenant is gone or was offboarded. */
export async function readTicket(db: Kysely<Database>, text: string): Promise<Ticket | null> {
  if (!looksLikeKey(text)) return null
  const { rows } = await sql<Ticket>`
    select t.entra_tenant_id as "entraTenantId", t.app_id as "clientId", t.created_by as actor
    from entra_sync.consent_tickets t join entra_sync.entra_tenants e using (entra_tenant_id)
    where t.ticket_hash = ${hashOf(text)} and t.expires_at > now()
      and e.gone_at is null and e.offboarded_at is null`.execute(db)
  return rows[0] ?? null
}

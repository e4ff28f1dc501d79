import { timingSafeEqual } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { hashOf, looksLikeKey, newKey } from './one-time.ts'
import type { Ticket } from './tickets.ts'

const minutes = 10
/**
 * Admin consents open at once to one app in one Entra tenant; the oldest give way. Refusing further ones would let
 * whoever opens a link again and again lock out the admin.
 */
const mostOpen = 50

/** An admin consent that came back from Microsoft. */
export interface ConsentRequest extends Ticket {
  /** For the admin: what we know their organization by. */
  tenantName: string
}

export type Taken =
  | { outcome: 'taken'; request: ConsentRequest }
  | { outcome: 'unknown' | 'expired' | 'used' | 'other_browser' | 'offboarded' }

/** Begins an admin consent: the state for Microsoft, good once, for 10 minutes, and in the browser with this key. */
export async function openRequest(
  db: Kysely<Database>,
  { entraTenantId, clientId, actor }: Ticket,
  browserKey: string,
): Promise<string> {
  const state = newKey()
  await db.transaction().execute(async (trx) => {
    await sql`
      insert into entra_sync.consent_requests (state_hash, entra_tenant_id, app_id, requested_by, browser_hash, expires_at)
      values (${hashOf(state)}, ${entraTenantId}, ${clientId}, ${actor}, ${hashOf(browserKey)},
        now() + make_interval(mins => ${minutes}))`.execute(trx)
    await sql`
      delete from entra_sync.consent_requests where state_hash in (
        select state_hash from entra_sync.consent_requests
        where entra_tenant_id = ${entraTenantId} and app_id = ${clientId} and used_at is null and expires_at > now()
        order by started_at desc offset ${mostOpen})`.execute(trx)
  })
  return state
}

interface RequestRow extends ConsentRequest {
  browserHash: Buffer
  used: boolean
  expired: boolean
  over: boolean
}

/**
 * Takes a state, once: of any number of answers with the same state at once, one gets it. One that came in another
 * browser, too late or a second time is not taken, and stays as it is.
 */
export async function takeRequest(
  db: Kysely<Database>,
  state: string,
  browserKey: string | undefined,
): Promise<Taken> {
  if (!looksLikeKey(state)) return { outcome: 'unknown' }
  const { rows } = await sql<RequestRow>`
    select r.entra_tenant_id as "entraTenantId", r.app_id as "clientId", r.requested_by as actor,
      coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as "tenantName",
      r.browser_hash as "browserHash", r.used_at is not null as used, r.expires_at <= now() as expired,
      e.gone_at is not null or e.offboarded_at is not null as over
    from entra_sync.consent_requests r join entra_sync.entra_tenants e using (entra_tenant_id)
    where r.state_hash = ${hashOf(state)}`.execute(db)
  const [row] = rows
  if (row === undefined) return { outcome: 'unknown' }
  if (!looksLikeKey(browserKey) || !timingSafeEqual(row.browserHash, hashOf(browserKey)))
    return { outcome: 'other_browser' }
  if (row.used) return { outcome: 'used' }
  if (row.expired) return { outcome: 'expired' }
  const taken = await sql`
    update entra_sync.consent_requests set used_at = now()
    where state_hash = ${hashOf(state)} and used_at is null and expires_at > now()
    returning 1`.execute(db)
  if (taken.rows.length === 0) return { outcome: 'used' }
  if (row.over) return { outcome: 'offboarded' }
  const { entraTenantId, clientId, actor, tenantName } = row
  return { outcome: 'taken', request: { entraTenantId, clientId, actor, tenantName } }
}

/** Notes what became of a state that was taken; a short word, nothing of the query. */
export async function noteOutcome(db: Kysely<Database>, state: string, outcome: string): Promise<void> {
  await sql`
    update entra_sync.consent_requests set outcome = ${outcome} where state_hash = ${hashOf(state)}`.execute(
    db,
  )
}

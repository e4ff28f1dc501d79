import { sql, type Kysely } from 'kysely'
import { audit } from '../../db/audit.ts'
import { lockEntraTenant } from '../../db/entra-tenants.ts'
import type { Database } from '../../db/tables.ts'
import { refuseUnfit } from './plan.ts'

/** The act in the audit log: other processes forget tokens when they see it. */
export const offboardedAction = 'entra_tenant_offboarded'

/** What was stopped. */
export interface Stopped {
  at: Date
  /** It had been offboarded before. */
  before: boolean
  /** Runs that were under way: they write nothing more. */
  runs: number
  /** Requests that nobody had served yet. */
  requests: number
  /** Links for the customer's admin, and admin consents under way. */
  tickets: number
  states: number
  /** Pre-consents under way. */
  preconsents: number
  /** Problems that were open. */
  problems: number
}

/**
 * Stops an Entra tenant for good, in one transaction: it is scheduled no more, its lease moves on, so that a running
 * sync writes nothing after this, and what was asked or handed out for it is void. Doing it again changes nothing.
 * @throws kind `input` as `planOffboard`
 */
export async function stopSyncing(
  db: Kysely<Database>,
  act: { entraTenantId: string; actor: string; purge: boolean; detail: object },
): Promise<Stopped> {
  const { entraTenantId } = act
  return db.transaction().execute(async (trx) => {
    await refuseUnfit(trx, entraTenantId, act.purge)
    await moveLease(trx, entraTenantId)
    await lockEntraTenant(trx, entraTenantId)
    const { rows } = await sql<{ at: Date; before: boolean }>`
      update entra_sync.entra_tenants e set offboarded_at = coalesce(e.offboarded_at, now())
      from entra_sync.entra_tenants o
      where e.entra_tenant_id = ${entraTenantId} and o.entra_tenant_id = e.entra_tenant_id
      returning e.offboarded_at as at, o.offboarded_at is not null as before`.execute(trx)
    const [row] = rows
    if (row === undefined) throw new TypeError(`no row of ${entraTenantId} after it was locked`)
    const stopped: Stopped = {
      ...row,
      requests: await dropRequests(trx, entraTenantId),
      runs: await count(
        sql`
        update entra_sync.sync_runs set finished_at = now(), outcome = 'fenced'
        where entra_tenant_id = ${entraTenantId} and finished_at is null`.execute(trx),
      ),
      tickets: await count(
        sql`
        delete from entra_sync.consent_tickets where entra_tenant_id = ${entraTenantId}`.execute(trx),
      ),
      states: await count(
        sql`
        update entra_sync.consent_requests set expires_at = now()
        where entra_tenant_id = ${entraTenantId} and used_at is null and expires_at > now()`.execute(trx),
      ),
      preconsents: await count(
        sql`
        update entra_sync.preconsents set step = 'failed', finished_at = now(), error_code = 'tenant_offboarded',
          error_message = 'The Entra tenant was offboarded.', error_remedy = null, error_request_id = null
        where entra_tenant_id = ${entraTenantId} and finished_at is null`.execute(trx),
      ),
      problems: await count(
        sql`
        update entra_sync.problems set closed_at = now()
        where entra_tenant_id = ${entraTenantId} and closed_at is null`.execute(trx),
      ),
    }
    const { at, ...counts } = stopped
    await audit(trx, {
      actor: act.actor,
      action: offboardedAction,
      entraTenantId,
      detail: { ...act.detail, offboardedAt: at, ...counts },
    })
    return stopped
  })
}

/**
 * FOR UPDATE waits for pages that are being written and keeps new ones out, as a claim does: an update alone would pass
 * their FOR KEY SHARE. Taken first, in the order in which a run's end takes the two.
 */
async function moveLease(db: Kysely<Database>, entraTenantId: string): Promise<void> {
  await sql`insert into entra_sync.sync_leases (entra_tenant_id) values (${entraTenantId}) on conflict do nothing`.execute(
    db,
  )
  await sql`select from entra_sync.sync_leases where entra_tenant_id = ${entraTenantId} for update`.execute(
    db,
  )
  await sql`
    update entra_sync.sync_leases set run_seq = run_seq + 1, worker = null, expires_at = '-infinity', run_id = null,
      claims_without_page = 0, throttled_until = null
    where entra_tenant_id = ${entraTenantId}`.execute(db)
}

/** Counted as served rather than deleted: cursors compare their numbers, and would take new ones for old. */
function dropRequests(db: Kysely<Database>, entraTenantId: string): Promise<number> {
  return count(
    sql`
    update entra_sync.sync_requests set served_seq = requested_seq, mode = 'delta', collections = null, priority = 20,
      requested_by = '{}', serving_seq = null, serving_mode = null, serving_collections = null,
      serving_priority = null, serving_by = null
    where entra_tenant_id = ${entraTenantId} and (requested_seq > served_seq or serving_seq is not null)`.execute(
      db,
    ),
  )
}

async function count(result: Promise<{ numAffectedRows?: bigint }>): Promise<number> {
  return Number((await result).numAffectedRows ?? 0n)
}

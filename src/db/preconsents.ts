import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export interface PreconsentRow {
  entraTenantId: string
  name: string
  clientId: string
  step: 'waiting' | 'consenting' | 'granting' | 'cleaning' | 'proving' | 'done' | 'failed'
  requestedBy: string
  requestedAt: Date
  finishedAt: Date | null
  attempts: number
  bootstrapOpen: boolean
  errorCode: string | null
  errorMessage: string | null
  errorRemedy: string | null
  errorRequestId: string | null
  /** Where the list goes on after this row: give it as `after`. */
  position: string[]
}

/** A page of pre-consents: open ones first, then the newest; with counts of all. */
export async function readPreconsents(
  db: Kysely<Database>,
  {
    after,
    offset = 0,
    limit,
  }: { after?: readonly [string, string, string, string] | undefined; offset?: number; limit: number },
): Promise<{ rows: PreconsentRow[]; counts: { open: number; done: number; failed: number } }> {
  const key = sql`(p.finished_at is not null, -extract(epoch from p.requested_at), p.entra_tenant_id, p.app_id)`
  const [{ rows }, { rows: counted }] = await Promise.all([
    sql<PreconsentRow>`
      select p.entra_tenant_id as "entraTenantId", p.app_id as "clientId", p.step, p.requested_by as "requestedBy",
        coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name,
        p.requested_at as "requestedAt", p.finished_at as "finishedAt", p.attempts, p.bootstrap_open as "bootstrapOpen",
        p.error_code as "errorCode", p.error_message as "errorMessage", p.error_remedy as "errorRemedy",
        p.error_request_id as "errorRequestId",
        array[(p.finished_at is not null)::text, (-extract(epoch from p.requested_at))::text,
          p.entra_tenant_id::text, p.app_id::text] as position
      from entra_sync.preconsents p join entra_sync.entra_tenants e using (entra_tenant_id)
      where ${
        after === undefined
          ? sql`true`
          : sql`${key} > (${after[0]}::boolean, ${after[1]}::numeric, ${after[2]}::uuid, ${after[3]}::uuid)`
      }
      order by p.finished_at is not null, p.requested_at desc, p.entra_tenant_id, p.app_id
      limit ${limit} offset ${offset}`.execute(db),
    sql<{ open: number; done: number; failed: number }>`
      select (count(*) filter (where finished_at is null))::int as open,
        (count(*) filter (where finished_at is not null and step = 'done'))::int as done,
        (count(*) filter (where finished_at is not null and step = 'failed'))::int as failed
      from entra_sync.preconsents`.execute(db),
  ])
  return { rows, counts: counted[0] ?? { open: 0, done: 0, failed: 0 } }
}

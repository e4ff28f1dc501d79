import { sql, type Kysely } from 'kysely'
import { audit } from '../../db/audit.ts'
import type { Database } from '../../db/tables.ts'
import type { EntraSyncError } from '../../errors.ts'
import { counts } from '../customers/relationships.ts'
import type { Target } from './acting.ts'

export type Step = 'waiting' | 'consenting' | 'granting' | 'cleaning' | 'proving' | 'done' | 'failed'

/** Pre-consent of one customer, as far as it is known. */
export interface Preconsent extends Target {
  step: Step
  bootstrapOpen: boolean
  requestedBy: string
  attempts: number
  finishedAt: Date | null
  errorCode: string | null
  errorMessage: string | null
  errorRemedy: string | null
  errorRequestId: string | null
}

/** An Entra tenant that pre-consent may be asked for. */
export interface Candidate {
  entraTenantId: string
  name: string
  kind: string
  state: string
  partnerEntraTenantId: string | null
  /** A relationship with that partner counts. */
  relationship: boolean
}

const columns = sql<never>`entra_tenant_id as "entraTenantId", app_id as "clientId",
  partner_entra_tenant_id as "partnerEntraTenantId", step, bootstrap_open as "bootstrapOpen",
  requested_by as "requestedBy", attempts, finished_at as "finishedAt", error_code as "errorCode",
  error_message as "errorMessage", error_remedy as "errorRemedy", error_request_id as "errorRequestId"`

export async function readCandidate(db: Kysely<Database>, entraTenantId: string): Promise<Candidate | null> {
  const { rows } = await sql<Candidate>`
    select t.entra_tenant_id as "entraTenantId",
      coalesce(t.display_name, t.default_domain, t.entra_tenant_id::text) as name, t.kind, t.state,
      e.partner_entra_tenant_id as "partnerEntraTenantId",
      exists (select from entra_sync.gdap_relationships r where r.entra_tenant_id = e.entra_tenant_id
        and r.partner_entra_tenant_id = e.partner_entra_tenant_id and ${counts}) as relationship
    from entra_sync.tenant_status t join entra_sync.entra_tenants e using (entra_tenant_id)
    where t.entra_tenant_id = ${entraTenantId}`.execute(db)
  return rows[0] ?? null
}

/** Asks for the pre-consent of a customer. One that is under way already goes on as it is. */
export async function requestPreconsent(db: Kysely<Database>, target: Target, actor: string): Promise<void> {
  const { entraTenantId, clientId, partnerEntraTenantId } = target
  await db.transaction().execute(async (trx) => {
    await sql`
      insert into entra_sync.preconsents as p (entra_tenant_id, app_id, partner_entra_tenant_id, requested_by)
      values (${entraTenantId}, ${clientId}, ${partnerEntraTenantId}, ${actor})
      on conflict (entra_tenant_id, app_id) do update set
        partner_entra_tenant_id = excluded.partner_entra_tenant_id, requested_by = excluded.requested_by,
        requested_at = now(), step = 'waiting', started_at = null, finished_at = null, attempts = 0,
        error_code = null, error_message = null, error_remedy = null, error_request_id = null
      where p.finished_at is not null`.execute(trx)
    await audit(trx, {
      actor,
      action: 'preconsent_requested',
      entraTenantId,
      detail: { clientId, partnerEntraTenantId },
    })
  })
}

/** Takes an open one up; null = there is none. */
export async function takeUp(
  db: Kysely<Database>,
  entraTenantId: string,
  clientId: string,
): Promise<Preconsent | null> {
  const { rows } = await sql<Preconsent>`
    update entra_sync.preconsents set started_at = now(), attempts = attempts + 1
    where entra_tenant_id = ${entraTenantId} and app_id = ${clientId} and finished_at is null
    returning ${columns}`.execute(db)
  return rows[0] ?? null
}

/** Notes the step that comes now. `bootstrapOpen` is set before the scopes are asked for: a kill in between loses nothing. */
export async function advance(
  db: Kysely<Database>,
  { entraTenantId, clientId }: Target,
  step: Step,
  bootstrapOpen: boolean,
): Promise<void> {
  await sql`
    update entra_sync.preconsents set step = ${step}, bootstrap_open = ${bootstrapOpen}, started_at = now(),
      finished_at = case when ${step} in ('done', 'failed') then now() end,
      error_code = case when ${step} <> 'done' then error_code end,
      error_message = case when ${step} <> 'done' then error_message end,
      error_remedy = case when ${step} <> 'done' then error_remedy end,
      error_request_id = case when ${step} <> 'done' then error_request_id end
    where entra_tenant_id = ${entraTenantId} and app_id = ${clientId}`.execute(db)
}

/** Keeps why it failed, or why it has to be tried again; what stands there stays until the next request. */
export async function noteError(
  db: Kysely<Database>,
  { entraTenantId, clientId }: Target,
  error: EntraSyncError,
): Promise<void> {
  await sql`
    update entra_sync.preconsents set error_code = ${error.code}, error_message = ${error.message},
      error_remedy = ${error.remedy ?? null}, error_request_id = ${error.requestId ?? null}
    where entra_tenant_id = ${entraTenantId} and app_id = ${clientId}`.execute(db)
}

/** Says whether bootstrap scopes are there, also where no pre-consent was asked for. */
export async function noteBootstrap(
  db: Kysely<Database>,
  { entraTenantId, clientId, partnerEntraTenantId }: Target,
  open: boolean,
  actor: string,
): Promise<void> {
  await sql`
    insert into entra_sync.preconsents
      (entra_tenant_id, app_id, partner_entra_tenant_id, requested_by, step, bootstrap_open, finished_at)
    values (${entraTenantId}, ${clientId}, ${partnerEntraTenantId}, ${actor}, 'done', ${open}, now())
    on conflict (entra_tenant_id, app_id) do update set bootstrap_open = excluded.bootstrap_open`.execute(db)
}

/** As it is now; null = it was never asked for. */
export async function readPreconsent(
  db: Kysely<Database>,
  { entraTenantId, clientId }: Target,
): Promise<Preconsent | null> {
  return (await listPreconsents(db, [entraTenantId])).find((one) => one.clientId === clientId) ?? null
}

/** Those that were asked for, by Entra tenant and app, or all. */
export async function listPreconsents(
  db: Kysely<Database>,
  only: readonly string[] | null = null,
): Promise<Preconsent[]> {
  const { rows } = await sql<Preconsent>`
    select ${columns} from entra_sync.preconsents
    where ${only}::uuid[] is null or entra_tenant_id = any (${only}::uuid[])
    order by requested_at, entra_tenant_id`.execute(db)
  return rows
}

/**
 * Open ones that nobody has been at for `olderMs`: their job was lost, or their try failed. Each is taken by one process.
 */
export async function takeLost(db: Kysely<Database>, olderMs: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    update entra_sync.preconsents set started_at = now()
    where (entra_tenant_id, app_id) in (
      select entra_tenant_id, app_id from entra_sync.preconsents
      where finished_at is null and coalesce(started_at, requested_at) < now() - make_interval(secs => ${olderMs / 1000})
      order by requested_at limit 100 for update skip locked)
    returning entra_tenant_id as id`.execute(db)
  return [...new Set(rows.map(({ id }) => id))]
}

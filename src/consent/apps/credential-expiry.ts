import { sql, type Kysely } from 'kysely'
import { openProblem, type ProblemFacts } from '../../db/problems.ts'
import type { Database } from '../../db/tables.ts'

/** Days before the end at which a warning is told anew. */
const warnDays = [60, 30, 14, 7, 1]
const dayMs = 86_400_000
const code = 'credential_expiring'
const never = new Date(8.64e15)

export interface CredentialEnd {
  entraTenantId: string
  name: string
  clientId: string
  /** When the credential that lasts longest ends; null = no end is known. */
  endsAt: Date | null
  /** It is the app that the permission level says; else customers that have not consented to that one are read with it. */
  chosen: boolean
}

/**
 * The own apps in use, each with the end of the credential that lasts longest: older ones may end unnoticed. In use is
 * the one chosen, and any that an Entra tenant is read with because it has not consented to that one yet.
 */
export async function readCredentialEnds(
  db: Kysely<Database>,
  entraTenantId: string | null = null,
): Promise<CredentialEnd[]> {
  const { rows } = await sql<CredentialEnd>`
    select e.entra_tenant_id as "entraTenantId", r.client_id as "clientId", u.chosen,
      max(c.expires_at) filter (where c.registered is distinct from false) as "endsAt",
      coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name
    from entra_sync.entra_tenants e
    join entra_sync.app_registrations r on r.entra_tenant_id = e.entra_tenant_id
    cross join lateral (
      select e.permission_level = 'custom' and coalesce(e.app_id in (r.app_id, r.client_id), false) as chosen) u
    left join entra_sync.app_credentials c on c.app_id = r.app_id
    where e.partner_entra_tenant_id is null and e.gone_at is null and e.offboarded_at is null
      and (u.chosen or exists (
        select from entra_sync.entra_tenants t join entra_sync.consent_status s using (entra_tenant_id)
        where e.entra_tenant_id in (t.entra_tenant_id, t.partner_entra_tenant_id) and t.gone_at is null
          and t.offboarded_at is null and s.consent = 'other_app' and s.other_app_id = r.client_id))
      and (${entraTenantId}::uuid is null or e.entra_tenant_id = ${entraTenantId}::uuid)
    group by e.entra_tenant_id, r.client_id, u.chosen order by 5, 1, 3 desc`.execute(db)
  return rows
}

/**
 * The problem of an app whose last credential ends within 60 days; null = none. Its message changes when 30, 14, 7 days
 * and one are left, and when it has ended, so that whoever watches messages is told each time.
 */
export function expiryProblem(
  { entraTenantId, clientId, endsAt, chosen }: CredentialEnd,
  now: Date,
): ProblemFacts | null {
  if (endsAt === null) return null
  const days = warnDays.filter((limit) => endsAt.getTime() - now.getTime() <= limit * dayMs).at(-1)
  if (days === undefined) return null
  const date = endsAt.toISOString().slice(0, 10)
  const left = days === 1 ? 'less than a day is left' : `less than ${days} days are left`
  const message =
    endsAt <= now
      ? `The last credential of app ${clientId} ended on ${date}.`
      : `The last credential of app ${clientId} ends on ${date}: ${left}.`
  return {
    code,
    message,
    remedy: chosen
      ? `Make a new client secret or certificate in the app registration and add it: entra-sync permission-level ${entraTenantId} custom --client-secret-file FILE --expires DATE. No new consent is needed.`
      : `It is not the app chosen now, and Entra tenants that have not consented to that one are read with it: have them consent, entra-sync consent list shows them.`,
    whoActs: 'operator',
    topic: 'credential',
  }
}

/** Opens and closes the problem `credential_expiring`, of one Entra tenant or of all; answers how many are open. */
export async function refreshCredentialProblems(
  db: Kysely<Database>,
  entraTenantId: string | null = null,
  now = new Date(),
): Promise<number> {
  const worst = new Map<string, CredentialEnd>()
  for (const end of await readCredentialEnds(db, entraTenantId)) {
    const before = worst.get(end.entraTenantId)
    if (expiryProblem(end, now) === null || (before?.endsAt ?? never) <= (end.endsAt ?? never)) continue
    worst.set(end.entraTenantId, end)
  }
  for (const end of worst.values()) {
    const problem = expiryProblem(end, now)
    if (problem !== null) await openProblem(db, end.entraTenantId, problem)
  }
  const open = [...worst.keys()]
  await sql`
    update entra_sync.problems set closed_at = now()
    where code = ${code} and closed_at is null and entra_tenant_id <> all (${open}::uuid[])
      and (${entraTenantId}::uuid is null or entra_tenant_id = ${entraTenantId}::uuid)`.execute(db)
  return open.length
}

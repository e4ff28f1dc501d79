import { sql, type Kysely } from 'kysely'
import { openProblem, type ProblemFacts } from '../../db/problems.ts'
import type { Database } from '../../db/tables.ts'

/** Days before the end at which a warning is told anew. */
const warnDays = [60, 30, 14, 7, 1]
const dayMs = 86_400_000
const code = 'credential_expiring'

export interface CredentialEnd {
  entraTenantId: string
  name: string
  clientId: string
  /** When the credential that lasts longest ends; null = no end is known. */
  endsAt: Date | null
}

/** The own apps in use, each with the end of the credential that lasts longest: older ones may end unnoticed. */
export async function readCredentialEnds(
  db: Kysely<Database>,
  entraTenantId: string | null = null,
): Promise<CredentialEnd[]> {
  const { rows } = await sql<CredentialEnd>`
    select e.entra_tenant_id as "entraTenantId", r.client_id as "clientId", max(c.expires_at) as "endsAt",
      coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name
    from entra_sync.entra_tenants e
    join entra_sync.app_registrations r on r.entra_tenant_id = e.entra_tenant_id and e.app_id in (r.app_id, r.client_id)
    left join entra_sync.app_credentials c on c.app_id = r.app_id
    where e.permission_level = 'custom' and e.partner_entra_tenant_id is null and e.gone_at is null
      and (${entraTenantId}::uuid is null or e.entra_tenant_id = ${entraTenantId}::uuid)
    group by e.entra_tenant_id, r.client_id order by 4, 1`.execute(db)
  return rows
}

/**
 * The problem of an app whose last credential ends within 60 days; null = none. Its message changes when 30, 14, 7 days
 * and one are left, and when it has ended, so that whoever watches messages is told each time.
 */
export function expiryProblem(
  { entraTenantId, clientId, endsAt }: CredentialEnd,
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
    remedy: `Make a new client secret or certificate in the app registration and add it: entra-sync permission-level ${entraTenantId} custom --client-secret-file FILE --expires DATE. No new consent is needed.`,
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
  const open: string[] = []
  for (const end of await readCredentialEnds(db, entraTenantId)) {
    const problem = expiryProblem(end, now)
    if (problem === null) continue
    await openProblem(db, end.entraTenantId, problem)
    open.push(end.entraTenantId)
  }
  await sql`
    update entra_sync.problems set closed_at = now()
    where code = ${code} and closed_at is null and entra_tenant_id <> all (${open}::uuid[])
      and (${entraTenantId}::uuid is null or entra_tenant_id = ${entraTenantId}::uuid)`.execute(db)
  return open.length
}

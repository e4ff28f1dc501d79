import { sql, type Kysely } from 'kysely'
import { readWantedApp } from '../../db/app-registrations.ts'
import { closeProblems, openProblem } from '../../db/problems.ts'
import type { Database } from '../../db/tables.ts'
import { describeError, EntraSyncError, isEntraSyncError } from '../../errors.ts'
import { readApplication, type Application } from '../../graph/applications.ts'
import type { GraphClient } from '../../graph/client.ts'
import type { AppCredential } from '../../graph/tokens.ts'
import type { KeyRing } from '../../key-ring.ts'
import type { Log } from '../../log.ts'
import { appFindings, type AppFinding } from './app-findings.ts'
import { refreshCredentialProblems } from './credential-expiry.ts'
import { markOf, readMarks, storeMatches } from './credential-marks.ts'
import { matchCredentials } from './match-credentials.ts'

export interface AppCheckContext {
  db: Kysely<Database>
  graph: { forTenant(entraTenantId: string): GraphClient }
  ring: KeyRing
  log: Log
  /** PUBLIC_URL/consent-callback. */
  redirectUri: string
  /** null = none is configured. */
  defaultApp: AppCredential | null
}

/** What is known of the app that a permission level says, after its registration was read. */
export interface AppCheck {
  entraTenantId: string
  /** null = no app is chosen or configured. */
  clientId: string | null
  level: 'default' | 'custom' | null
  /** `elsewhere`: the app is not registered in this tenant, as the vendor's Default app. */
  outcome: 'checked' | 'not_permitted' | 'elsewhere' | 'failed'
  findings: AppFinding[]
  /** Why it was not checked. */
  notice: string | null
  /** End of the Default app's credential as the registration tells it; null = not known. */
  defaultAppEndsAt: Date | null
}

/** Problems of registrations; only a check that could read one disproves them. */
const topic = 'app'

/**
 * Reads the registrations of an Entra tenant's apps, in that tenant, where the app may (Application.Read.All): stores
 * the real ends of its credentials, opens and closes the problems. That nothing could be read is an answer, no error.
 * @throws kind `aborted`, `database`
 */
export async function checkApp(
  context: AppCheckContext,
  entraTenantId: string,
  signal?: AbortSignal,
): Promise<AppCheck> {
  const { db, defaultApp } = context
  const wanted = await readWantedApp(db, entraTenantId, defaultApp?.clientId ?? null)
  const check: AppCheck = {
    entraTenantId,
    clientId: wanted?.clientId ?? null,
    level: wanted?.level ?? null,
    outcome: 'elsewhere',
    findings: [],
    notice: null,
    defaultAppEndsAt: null,
  }
  await sql`update entra_sync.entra_tenants set app_checked_at = now() where entra_tenant_id = ${entraTenantId}`.execute(
    db,
  )
  try {
    const application = await readAll(context, entraTenantId, wanted?.clientId ?? null, signal)
    if (application !== null) {
      check.outcome = 'checked'
      const { redirectUri } = context
      const customers = await countCustomers(db, entraTenantId)
      check.findings = appFindings(application, {
        redirectUri,
        customers,
        unregistered: application.unregistered,
      })
      if (wanted?.level === 'default') check.defaultAppEndsAt = endOfDefault(defaultApp, application)
    }
    await settleProblems(db, entraTenantId, check.findings)
  } catch (error) {
    if (!isEntraSyncError(error) || error.kind === 'aborted' || error.kind === 'database') throw error
    check.outcome = error.kind === 'not_permitted' ? 'not_permitted' : 'failed'
    check.notice = noticeOf(error, entraTenantId)
    context.log.info({ err: error, entraTenantId }, 'the app registration could not be read')
  }
  await refreshCredentialProblems(db, entraTenantId)
  return check
}

/** To be called in the transaction of a change of level or app: what was found is of another app. */
export async function forgetAppCheck(db: Kysely<Database>, entraTenantId: string): Promise<void> {
  await closeProblems(db, entraTenantId, [topic])
  await sql`update entra_sync.entra_tenants set app_checked_at = null where entra_tenant_id = ${entraTenantId}`.execute(
    db,
  )
}

/**
 * Reads the registration of the app with this client id, null where it is none of this tenant's, and those of all own
 * apps with credentials: customers may still be read with one that is not chosen any more.
 */
async function readAll(
  { db, ring, graph }: AppCheckContext,
  entraTenantId: string,
  clientId: string | null,
  signal: AbortSignal | undefined,
): Promise<(Application & { unregistered: string[] }) | null> {
  const client = graph.forTenant(entraTenantId)
  const marks = await readMarks(db, ring, entraTenantId)
  let wanted: (Application & { unregistered: string[] }) | null = null
  for (const id of new Set([...marks.keys(), ...(clientId === null ? [] : [clientId])])) {
    const application = await readApplication(client, id, { signal })
    if (application === null) continue
    const matches = matchCredentials(marks.get(id) ?? [], application.credentials)
    await storeMatches(db, matches)
    const unregistered = [...matches].flatMap(([one, { registered }]) => (registered === false ? [one] : []))
    if (id === clientId) wanted = { ...application, unregistered }
  }
  return wanted
}

function endOfDefault(credential: AppCredential | null, application: Application): Date | null {
  if (credential === null) return null
  const mark = markOf('default', credential)
  return matchCredentials([mark], application.credentials).get('default')?.endsAt ?? null
}

async function settleProblems(
  db: Kysely<Database>,
  entraTenantId: string,
  findings: readonly AppFinding[],
): Promise<void> {
  const problems = findings.filter(({ isProblem }) => isProblem)
  await db.transaction().execute(async (trx) => {
    for (const { code, message, remedy } of problems)
      await openProblem(trx, entraTenantId, { code, message, remedy, whoActs: 'operator', topic })
    await sql`
      update entra_sync.problems set closed_at = now()
      where entra_tenant_id = ${entraTenantId} and topic = ${topic} and closed_at is null
        and code <> all (${problems.map(({ code }) => code)}::text[])`.execute(trx)
  })
}

async function countCustomers(db: Kysely<Database>, entraTenantId: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from entra_sync.entra_tenants
    where partner_entra_tenant_id = ${entraTenantId} and gone_at is null and offboarded_at is null`.execute(
    db,
  )
  return rows[0]?.count ?? 0
}

function noticeOf(error: EntraSyncError, entraTenantId: string): string {
  if (error.kind !== 'not_permitted') return `The app registration could not be read: ${describeError(error)}`
  return `The app registration could not be read: the app lacks Application.Read.All in ${entraTenantId}. Ends of secrets are known as far as they were told (--expires).`
}

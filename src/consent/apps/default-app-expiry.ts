import { sql, type Kysely } from 'kysely'
import { openProblem } from '../../db/problems.ts'
import type { Database } from '../../db/tables.ts'
import type { AppCredential } from '../../graph/tokens.ts'
import { expiryProblem } from './credential-expiry.ts'

const code = 'default_app_expiring'

/**
 * Opens and closes the problem of the Default app's credential, of each partner and standalone Entra tenant on level
 * Default; null = no Default app is configured, and nobody has the problem.
 */
export async function refreshDefaultAppProblems(
  db: Kysely<Database>,
  app: (AppCredential & { endsAt: Date }) | null,
  now: Date,
): Promise<void> {
  const problem =
    app === null
      ? null
      : expiryProblem(
          { entraTenantId: '', name: '', clientId: app.clientId, endsAt: app.endsAt, chosen: true },
          now,
        )
  const { rows } =
    app === null || problem === null
      ? { rows: [] }
      : await sql<{ id: string }>`
          select entra_tenant_id as id from entra_sync.entra_tenants
          where partner_entra_tenant_id is null and permission_level = 'default' and gone_at is null
            and offboarded_at is null`.execute(db)
  for (const { id } of rows) {
    if (app === null || problem === null) continue
    const message = problem.message.replace('The last credential of app', 'The credential of the Default app')
    await openProblem(db, id, { ...problem, code, message, remedy: remedyOf(app) })
  }
  await sql`
    update entra_sync.problems set closed_at = now()
    where code = ${code} and closed_at is null and entra_tenant_id <> all (${rows.map(({ id }) => id)}::uuid[])`.execute(
    db,
  )
}

function remedyOf(app: AppCredential): string {
  return 'certificate' in app
    ? 'Register a new certificate with the app, set DEFAULT_APP_CERTIFICATE_FILE to it, and restart the daemon.'
    : 'Make a new client secret in the app registration, set DEFAULT_APP_CLIENT_SECRET_FILE to it, and restart the daemon.'
}

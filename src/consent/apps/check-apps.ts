import { X509Certificate } from 'node:crypto'
import { sql } from 'kysely'
import { refreshDefaultAppProblems } from './default-app-expiry.ts'
import { checkApp, type AppCheckContext } from './check-app.ts'

/** A little less than a day, so that an hourly job does it daily. */
const everyHours = 23

/**
 * Checks the apps of all partner and standalone Entra tenants whose last check is a day ago, and says of the Default
 * app's end where it is chosen. Answers how many were checked.
 * @throws kind `aborted`, `database`
 */
export async function checkApps(context: AppCheckContext, signal?: AbortSignal): Promise<number> {
  const { db, defaultApp } = context
  const { rows } = await sql<{ id: string }>`
    select entra_tenant_id as id from entra_sync.entra_tenants
    where partner_entra_tenant_id is null and gone_at is null and offboarded_at is null and sync_enabled
      and coalesce(app_checked_at, '-infinity') < now() - make_interval(hours => ${everyHours})
    order by app_checked_at nulls first`.execute(db)
  let told: Date | null = null
  for (const { id } of rows) {
    signal?.throwIfAborted()
    told = (await checkApp(context, id, signal)).defaultAppEndsAt ?? told
  }
  if (defaultApp !== null) {
    const own = 'certificate' in defaultApp ? endOf(defaultApp.certificate.certificatePem) : null
    // Not known now is no proof of a longer life: what was told of it stays.
    const endsAt = told ?? own
    if (endsAt !== null) await refreshDefaultAppProblems(db, { ...defaultApp, endsAt }, new Date())
  } else await refreshDefaultAppProblems(db, null, new Date())
  return rows.length
}

function endOf(certificatePem: string): Date {
  return new X509Certificate(certificatePem).validToDate
}

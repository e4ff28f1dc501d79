import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { isEntraSyncError } from '../../errors.ts'
import { cleanLeft } from './bootstrap-left.ts'
import type { PreconsentContext } from './context.ts'
import { listSignIns } from './sign-ins.ts'
import { tokenAs } from './user-access.ts'

/** Refresh tokens end after 90 idle days; one that is a day old tells of a revoked sign-in while somebody still remembers. */
const refreshAfterMs = 24 * 3600_000

/** Refreshes the sign-ins that were not for a day. A refused one opens a problem. Answers how many there were. */
export async function refreshSignIns(context: PreconsentContext, signal: AbortSignal): Promise<number> {
  const due = (await listSignIns(context.db)).filter(
    ({ refusedAt, refreshedAt }) => refusedAt === null && Date.now() - refreshedAt.getTime() > refreshAfterMs,
  )
  for (const signIn of due) {
    signal.throwIfAborted()
    try {
      await tokenAs(context, signIn, {
        entraTenantId: signIn.partnerEntraTenantId,
        resource: context.resources.partnerCenter,
        signal,
      })
    } catch (error) {
      if (!isEntraSyncError(error) || error.kind === 'aborted') throw error
      context.log.warn({ err: error, signInId: signIn.signInId }, 'a sign-in could not be refreshed')
    }
  }
  return due.length
}

/** What pre-consent looks after every hour, for the words of the housekeeping's result. */
export async function keepPreconsent(context: PreconsentContext, signal: AbortSignal): Promise<string> {
  const refreshed = await refreshSignIns(context, signal)
  const left = await cleanLeft(context, signal)
  return `${refreshed} partner sign-ins refreshed, ${left} bootstrap grants still left`
}

/** Deletes up to `most` states of browser sign-ins a day after their end. */
export async function deleteOldSignInRequests(db: Kysely<Database>, most: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from entra_sync.partner_sign_in_requests where request_id in (
      select request_id from entra_sync.partner_sign_in_requests
      where expires_at < now() - interval '1 day' limit ${most})`.execute(db)
  return Number(numAffectedRows ?? 0n)
}

import { sql } from 'kysely'
import { partnerSignInPurpose } from '../../db/sealed-rows.ts'
import { EntraSyncError, isEntraSyncError } from '../../errors.ts'
import type { UserToken } from '../../graph/user-tokens.ts'
import { open, seal } from '../../secrets.ts'
import { catalogueError, type PreconsentContext } from './context.ts'
import { noteRefusal, type SignIn } from './sign-ins.ts'

/** The refresh token itself is no good any more. */
const ended = ['sign_in_expired', 'sign_in_revoked', 'sign_in_not_taken']
/** In the partner's own tenant these mean that nothing but a new sign-in helps; in a customer's they are about it. */
const endedAtHome = ['mfa_required', 'mfa_registration_required', 'external_mfa_required', 'app_disabled']

interface Stored {
  sealed: string
  /** Database clock, in its full precision. */
  askedAt: string
}

/**
 * A token of the signed-in user for a resource, in the partner's tenant or a customer's. The answer's refresh token is
 * stored, and of answers that cross each other the one that was asked for last: no lock is held while Microsoft is
 * asked, and a token that was replaced stays good for a while. A refused one opens a problem of the partner.
 * @throws as the login service says; `partner_sign_in_missing` after a sign-out
 */
export async function tokenAs(
  context: PreconsentContext,
  signIn: SignIn,
  request: { entraTenantId: string; resource: string; signal?: AbortSignal | undefined },
): Promise<UserToken> {
  const { db, graph, log } = context
  const credentials = await graph.credentialsFor(signIn.partnerEntraTenantId, signIn.clientId)
  for (let attempt = 1; ; attempt++) {
    const stored = await readStored(context, signIn)
    try {
      return await refreshWith(context, signIn, stored, { ...request, credentials })
    } catch (error) {
      if (!isEntraSyncError(error) || !isEnd(error, request.entraTenantId === signIn.partnerEntraTenantId))
        throw error
      if (!(await noteRefusal(db, signIn, stored.sealed, error.code)) && attempt < 3) continue
      log.warn({ err: error, signInId: signIn.signInId }, 'a sign-in of a partner user has ended')
      throw error
    }
  }
}

function isEnd({ code }: EntraSyncError, atHome: boolean): boolean {
  return ended.includes(code) || (atHome && endedAtHome.includes(code))
}

async function refreshWith(
  { db, ring, users }: PreconsentContext,
  { signInId, partnerEntraTenantId, clientId }: SignIn,
  { sealed, askedAt }: Stored,
  {
    entraTenantId,
    resource,
    credentials,
    signal,
  }: Parameters<typeof tokenAs>[2] & {
    credentials: Awaited<ReturnType<PreconsentContext['graph']['credentialsFor']>>
  },
): Promise<UserToken> {
  const binding = { purpose: partnerSignInPurpose, entraTenantId: partnerEntraTenantId }
  const token = await users.refresh({
    entraTenantId,
    clientId,
    credentials,
    refreshToken: open(ring, sealed, binding),
    scope: `${resource}/.default offline_access`,
    signal,
  })
  if (token.refreshToken !== null) {
    await sql`
      update entra_sync.partner_sign_ins
      set sealed = ${seal(ring, token.refreshToken, binding)}, refreshed_at = ${askedAt}::timestamptz
      where sign_in_id = ${signInId} and refreshed_at < ${askedAt}::timestamptz`.execute(db)
  }
  await sql`
    update entra_sync.partner_sign_ins set last_used_at = now() where sign_in_id = ${signInId}`.execute(db)
  return token
}

async function readStored({ db }: PreconsentContext, signIn: SignIn): Promise<Stored> {
  const { rows } = await sql<Stored>`
    select sealed, clock_timestamp()::text as "askedAt" from entra_sync.partner_sign_ins
    where sign_in_id = ${signIn.signInId}`.execute(db)
  const [row] = rows
  if (row !== undefined) return row
  throw catalogueError('partner_sign_in_missing', {
    tenant: signIn.partnerEntraTenantId,
    clientId: signIn.clientId,
  })
}

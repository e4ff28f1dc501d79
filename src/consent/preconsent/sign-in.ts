import { createHash, timingSafeEqual } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { codeVerifierPurpose } from '../../db/sealed-rows.ts'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { newVerifier, type DeviceCode, type UserToken } from '../../graph/user-tokens.ts'
import { open, seal } from '../../secrets.ts'
import { hashOf, looksLikeKey, newKey } from '../grants/one-time.ts'
import type { PreconsentContext } from './context.ts'
import { readPartnerApp, type PartnerApp } from './partner-app.ts'
import { storeSignIn } from './sign-ins.ts'

const minutes = 10
/** Sign-ins of one partner open at once; the oldest give way. */
const mostOpen = 50

/** Who has signed in. */
export interface SignedInUser {
  signInId: string
  partnerName: string
  userName: string
}

type Finished =
  | { outcome: 'signed_in'; user: SignedInUser }
  | { outcome: 'expired' | 'used' | 'other_browser' | 'declined' }

/** Delegated scopes of Partner Center, a refresh token, and who it was. One resource a request: Graph's come by refresh. */
function signInScope({ resources }: PreconsentContext): string {
  return `${resources.partnerCenter}/user_impersonation offline_access openid profile`
}

/**
 * Derived from the verifier, which is stored sealed and known to nobody else: a column of its own would say no more.
 */
function nonceOf(verifier: string): string {
  return createHash('sha256').update(`nonce ${verifier}`).digest('base64url')
}

/** Begins a sign-in in the browser that will hold `browserKey`: where it goes. Good once, for 10 minutes. */
export async function beginSignIn(
  context: PreconsentContext,
  request: { partnerEntraTenantId: string; actor: string; redirectUri: string },
): Promise<{ url: string; browserKey: string }> {
  const { db, ring, users } = context
  const { partnerEntraTenantId, clientId } = await readPartnerApp(context, request.partnerEntraTenantId)
  const [state, browserKey, verifier] = [newKey(), newKey(), newVerifier()]
  const sealed = seal(ring, verifier, { purpose: codeVerifierPurpose, entraTenantId: partnerEntraTenantId })
  await db.transaction().execute(async (trx) => {
    await sql`
      insert into entra_sync.partner_sign_in_requests
        (state_hash, partner_entra_tenant_id, app_id, requested_by, browser_hash, sealed, expires_at)
      values (${hashOf(state)}, ${partnerEntraTenantId}, ${clientId}, ${request.actor}, ${hashOf(browserKey)},
        ${sealed}, now() + make_interval(mins => ${minutes}))`.execute(trx)
    await sql`
      delete from entra_sync.partner_sign_in_requests where request_id in (
        select request_id from entra_sync.partner_sign_in_requests
        where partner_entra_tenant_id = ${partnerEntraTenantId} and used_at is null and expires_at > now()
        order by started_at desc offset ${mostOpen})`.execute(trx)
  })
  const url = users.authorizeUrl({
    entraTenantId: partnerEntraTenantId,
    clientId,
    redirectUri: request.redirectUri,
    scope: signInScope(context),
    state,
    nonce: nonceOf(verifier),
    verifier,
  })
  return { url, browserKey }
}

interface RequestRow {
  partnerEntraTenantId: string
  partnerName: string
  clientId: string
  actor: string
  browserHash: Buffer
  sealed: string
  used: boolean
  expired: boolean
}

/**
 * Ends a sign-in with what the browser brought back; null = the state is of no partner sign-in. The code is redeemed
 * with the verifier of this very sign-in, and who signed in must be of the partner that it was begun for.
 * @throws as the login service says; kind `wrong_tenant`; `sign_in_not_taken` for an identity of another sign-in
 */
export async function finishSignIn(
  context: PreconsentContext,
  answer: { state: string; code: string | null; browserKey: string | undefined; redirectUri: string },
  signal?: AbortSignal,
): Promise<Finished | null> {
  const { db, ring, users, graph } = context
  if (!looksLikeKey(answer.state)) return null
  const row = await readRequest(db, answer.state)
  if (row === null) return null
  const { browserKey } = answer
  if (!looksLikeKey(browserKey) || !timingSafeEqual(row.browserHash, hashOf(browserKey)))
    return { outcome: 'other_browser' }
  if (row.used) return { outcome: 'used' }
  if (row.expired) return { outcome: 'expired' }
  const taken = await sql`
    update entra_sync.partner_sign_in_requests set used_at = now()
    where state_hash = ${hashOf(answer.state)} and used_at is null and expires_at > now() returning 1`.execute(
    db,
  )
  if (taken.rows.length === 0) return { outcome: 'used' }
  if (answer.code === null) return { outcome: 'declined' }
  const { partnerEntraTenantId, clientId } = row
  const verifier = open(ring, row.sealed, {
    purpose: codeVerifierPurpose,
    entraTenantId: partnerEntraTenantId,
  })
  const token = await users.redeemCode({
    entraTenantId: partnerEntraTenantId,
    clientId,
    credentials: await graph.credentialsFor(partnerEntraTenantId, clientId),
    code: answer.code,
    redirectUri: answer.redirectUri,
    verifier,
    scope: signInScope(context),
    signal,
  })
  const app = { partnerEntraTenantId, name: row.partnerName, clientId }
  const user = await keep(context, app, token, {
    actor: row.actor,
    how: 'browser',
    nonce: nonceOf(verifier),
  })
  return { outcome: 'signed_in', user }
}

/** Signs in without a browser of ours: `onCode` is told what the user types where; then it is waited for. */
export async function deviceSignIn(
  context: PreconsentContext,
  request: { partnerEntraTenantId: string; actor: string; signal?: AbortSignal },
  onCode: (device: Pick<DeviceCode, 'userCode' | 'verificationUri' | 'expiresAt'>) => void,
): Promise<SignedInUser> {
  const app = await readPartnerApp(context, request.partnerEntraTenantId)
  const { partnerEntraTenantId, clientId } = app
  const asked = { entraTenantId: partnerEntraTenantId, clientId, signal: request.signal }
  const credentials = await context.graph.credentialsFor(partnerEntraTenantId, clientId)
  const device = await context.users.startDeviceCode({ ...asked, scope: signInScope(context) })
  onCode(device)
  const token = await context.users.awaitDeviceCode({ ...asked, credentials, device })
  return keep(context, app, token, { actor: request.actor, how: 'device_code', nonce: null })
}

async function keep(
  context: PreconsentContext,
  { partnerEntraTenantId, name, clientId }: PartnerApp,
  { identity, refreshToken }: UserToken,
  { actor, how, nonce }: { actor: string; how: 'browser' | 'device_code'; nonce: string | null },
): Promise<SignedInUser> {
  if (identity?.tid !== partnerEntraTenantId || identity.oid === undefined) {
    throw new EntraSyncError('wrong_tenant', `Who signed in does not belong to ${name}.`, {
      code: 'wrong_tenant',
      remedy: "Sign in with an account of the partner's own tenant: a private window keeps others out.",
      tenant: partnerEntraTenantId,
    })
  }
  if (identity.aud !== clientId || (nonce !== null && identity.nonce !== nonce) || refreshToken === null) {
    throw new EntraSyncError('access_lost', `Microsoft's answer is not that of the sign-in for ${name}.`, {
      code: 'sign_in_not_taken',
      remedy: 'Sign in again, from the start and in one browser.',
      tenant: partnerEntraTenantId,
    })
  }
  const userName = identity.name ?? null
  const signInId = await storeSignIn(context, {
    partnerEntraTenantId,
    clientId,
    userObjectId: identity.oid,
    userName,
    refreshToken,
    actor,
    how,
  })
  return { signInId, partnerName: name, userName: userName ?? identity.oid }
}

async function readRequest(db: Kysely<Database>, state: string): Promise<RequestRow | null> {
  const { rows } = await sql<RequestRow>`
    select r.partner_entra_tenant_id as "partnerEntraTenantId", r.app_id as "clientId", r.requested_by as actor,
      coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as "partnerName",
      r.browser_hash as "browserHash", r.sealed, r.used_at is not null as used, r.expires_at <= now() as expired
    from entra_sync.partner_sign_in_requests r
    join entra_sync.entra_tenants e on e.entra_tenant_id = r.partner_entra_tenant_id
    where r.state_hash = ${hashOf(state)}`.execute(db)
  return rows[0] ?? null
}

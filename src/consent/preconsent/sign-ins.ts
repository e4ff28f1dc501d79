import { sql, type Kysely } from 'kysely'
import { audit } from '../../db/audit.ts'
import { closeProblems, openProblem } from '../../db/problems.ts'
import { partnerSignInPurpose } from '../../db/sealed-rows.ts'
import type { Database } from '../../db/tables.ts'
import { seal } from '../../secrets.ts'
import { catalogueError, type PreconsentContext } from './context.ts'

/** A partner user who signed in to an app. */
export interface SignIn {
  signInId: string
  partnerEntraTenantId: string
  partnerName: string
  userObjectId: string
  /** User principal name, or the id where it is not known. */
  userName: string
  clientId: string
  obtainedAt: Date
  refreshedAt: Date
  lastUsedAt: Date | null
  /** Since when Microsoft takes it no more; null = it is good. */
  refusedAt: Date | null
  refusedCode: string | null
  signedInBy: string
}

const topic = 'partner_sign_in'

const columns = sql<never>`s.sign_in_id as "signInId", s.partner_entra_tenant_id as "partnerEntraTenantId",
  coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as "partnerName",
  s.user_object_id as "userObjectId", coalesce(s.user_principal_name, s.user_object_id::text) as "userName",
  s.app_id as "clientId", s.obtained_at as "obtainedAt", s.refreshed_at as "refreshedAt",
  s.last_used_at as "lastUsedAt", s.refused_at as "refusedAt", s.refused_code as "refusedCode",
  s.signed_in_by as "signedInBy"`

/** All sign-ins, or those of one partner, the good and newest first. */
export async function listSignIns(
  db: Kysely<Database>,
  partnerEntraTenantId: string | null = null,
): Promise<SignIn[]> {
  const { rows } = await sql<SignIn>`
    select ${columns}
    from entra_sync.partner_sign_ins s
    join entra_sync.entra_tenants e on e.entra_tenant_id = s.partner_entra_tenant_id
    where ${partnerEntraTenantId}::uuid is null or s.partner_entra_tenant_id = ${partnerEntraTenantId}::uuid
    order by lower(e.display_name), s.refused_at is not null, s.obtained_at desc, s.sign_in_id`.execute(db)
  return rows
}

/**
 * The sign-in to act by for a partner's app: the newest good one.
 * @throws `partner_sign_in_missing`, `partner_sign_in_ended`
 */
export async function chooseSignIn(
  db: Kysely<Database>,
  partnerEntraTenantId: string,
  clientId: string,
): Promise<SignIn> {
  const all = (await listSignIns(db, partnerEntraTenantId)).filter((one) => one.clientId === clientId)
  const [first] = all
  const facts = { tenant: partnerEntraTenantId, clientId }
  if (first === undefined) throw catalogueError('partner_sign_in_missing', facts)
  if (first.refusedAt !== null) throw catalogueError('partner_sign_in_ended', facts)
  return first
}

/** Keeps a fresh sign-in in place of an older one of the same user, and says so in the audit log. */
export async function storeSignIn(
  { db, ring }: Pick<PreconsentContext, 'db' | 'ring'>,
  signIn: {
    partnerEntraTenantId: string
    clientId: string
    userObjectId: string
    userName: string | null
    refreshToken: string
    actor: string
    how: 'browser' | 'device_code'
  },
): Promise<string> {
  const { partnerEntraTenantId, clientId, userObjectId, userName, actor, how } = signIn
  const binding = { purpose: partnerSignInPurpose, entraTenantId: partnerEntraTenantId }
  const sealed = seal(ring, signIn.refreshToken, binding)
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ id: string }>`
      insert into entra_sync.partner_sign_ins as s
        (partner_entra_tenant_id, user_object_id, user_principal_name, app_id, sealed, signed_in_by)
      values (${partnerEntraTenantId}, ${userObjectId}, ${userName}, ${clientId}, ${sealed}, ${actor})
      on conflict (partner_entra_tenant_id, user_object_id, app_id) do update set
        user_principal_name = coalesce(excluded.user_principal_name, s.user_principal_name),
        sealed = excluded.sealed, obtained_at = clock_timestamp(), refreshed_at = clock_timestamp(),
        refused_at = null, refused_code = null, signed_in_by = excluded.signed_in_by
      returning sign_in_id as id`.execute(trx)
    await audit(trx, {
      actor,
      action: 'partner_signed_in',
      entraTenantId: partnerEntraTenantId,
      detail: { userObjectId, userName, clientId, how },
    })
    await judgeSignIns(trx, partnerEntraTenantId)
    return rows[0]?.id ?? ''
  })
}

/** Forgets sign-ins: of one user (by id or name), or all of the partner. Answers how many there were. */
export async function signOut(
  db: Kysely<Database>,
  { partnerEntraTenantId, user, actor }: { partnerEntraTenantId: string; user: string | null; actor: string },
): Promise<SignIn[]> {
  const wanted = user?.trim().toLowerCase() ?? null
  return db.transaction().execute(async (trx) => {
    const gone = (await listSignIns(trx, partnerEntraTenantId)).filter(
      ({ userObjectId, userName }) =>
        wanted === null || userObjectId === wanted || userName.toLowerCase() === wanted,
    )
    for (const { signInId, userObjectId, userName, clientId } of gone) {
      await sql`delete from entra_sync.partner_sign_ins where sign_in_id = ${signInId}`.execute(trx)
      await audit(trx, {
        actor,
        action: 'partner_signed_out',
        entraTenantId: partnerEntraTenantId,
        detail: { userObjectId, userName, clientId },
      })
    }
    await judgeSignIns(trx, partnerEntraTenantId)
    return gone
  })
}

/**
 * Notes that Microsoft took a sealed token no more. False where it is not the one in use any longer: another process
 * has a newer one.
 */
export async function noteRefusal(
  db: Kysely<Database>,
  { signInId, partnerEntraTenantId }: Pick<SignIn, 'signInId' | 'partnerEntraTenantId'>,
  sealed: string,
  code: string,
): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql`
      update entra_sync.partner_sign_ins
      set refused_at = coalesce(refused_at, now()), refused_code = ${code}
      where sign_in_id = ${signInId} and sealed = ${sealed} returning 1`.execute(trx)
    if (rows.length > 0) await judgeSignIns(trx, partnerEntraTenantId)
    return rows.length > 0
  })
}

/** Opens or closes the problem of ended sign-ins, as the rows are. */
async function judgeSignIns(db: Kysely<Database>, partnerEntraTenantId: string): Promise<void> {
  const ended = (await listSignIns(db, partnerEntraTenantId)).filter(({ refusedAt }) => refusedAt !== null)
  if (ended.length === 0) return closeProblems(db, partnerEntraTenantId, [topic])
  const names = ended
    .map(({ userName, refusedCode }) => `${userName} (${refusedCode ?? 'refused'})`)
    .join(', ')
  const error = catalogueError('partner_sign_in_ended', { tenant: partnerEntraTenantId })
  await openProblem(db, partnerEntraTenantId, {
    code: error.code,
    message: `Microsoft does not take the stored sign-in any more of ${names}.`,
    remedy: error.remedy ?? '',
    whoActs: 'partner_admin',
    topic,
  })
}

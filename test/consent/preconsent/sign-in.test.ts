import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { beginSignIn, deviceSignIn, finishSignIn } from '../../../src/consent/preconsent/sign-in.ts'
import { deleteOldSignInRequests, refreshSignIns } from '../../../src/consent/preconsent/housekeeping.ts'
import { listSignIns, signOut } from '../../../src/consent/preconsent/sign-ins.ts'
import { tokenAs } from '../../../src/consent/preconsent/user-access.ts'
import { partnerSignInPurpose } from '../../../src/db/sealed-rows.ts'
import { open } from '../../../src/secrets.ts'
import { caught } from '../../graph/caught.ts'
import { control } from '../../simulator/asking.ts'
import { sentBack, technician } from '../../simulator/sign-in.ts'
import { openPartnerCloud, type PartnerCloud } from './partner-cloud.ts'

const redirectUri = 'http://localhost:8080/consent-callback'
const forever = new AbortController().signal

async function begin(own: PartnerCloud) {
  return beginSignIn(own.context, { partnerEntraTenantId: own.partner, actor: 'operator 1', redirectUri })
}

/** What Microsoft sends the browser back with. */
async function visit(own: PartnerCloud, url: string, more = `user=${own.user}`) {
  const answer = await fetch(`${url}&${more}`, { redirect: 'manual' })
  const { state = '', code = null } = sentBack(answer) as { state?: string; code?: string }
  return { state, code, redirectUri }
}

async function dump(own: PartnerCloud): Promise<string> {
  const { rows } = await sql<{ text: string }>`
    select coalesce(string_agg(t, ' '), '') as text from (
      select s::text as t from partner_sign_ins s union all select r::text from partner_sign_in_requests r
      union all select a::text from audit_log a union all select p::text from problems p) x`.execute(own.db)
  return rows[0]?.text ?? ''
}

test('a browser signs in; the token is sealed, the audit log says who', async () => {
  const own = await openPartnerCloud()
  const { url, browserKey } = await begin(own)
  expect(new URL(url).searchParams.get('code_challenge_method')).toBe('S256')
  expect(new URL(url).searchParams.get('redirect_uri')).toBe(redirectUri)
  const answer = await visit(own, url)
  expect(await finishSignIn(own.context, { ...answer, browserKey })).toMatchObject({
    outcome: 'signed_in',
    user: { partnerName: expect.any(String), userName: expect.stringContaining('@') },
  })
  const [signIn] = await listSignIns(own.db)
  expect(signIn).toMatchObject({
    userObjectId: own.user,
    clientId: own.cloud.clientId,
    signedInBy: 'operator 1',
    refusedAt: null,
  })
  const rows = await dump(own)
  expect(rows).toContain('partner_signed_in')
  for (const secret of [
    answer.state,
    answer.code ?? '',
    browserKey,
    ...own.cloud.signIns.refreshTokens.keys(),
  ])
    expect(rows).not.toContain(secret)
})

test('replayed, from another browser, expired, declined, unknown: nothing is signed in', async () => {
  const own = await openPartnerCloud()
  const finish = async (answer: Awaited<ReturnType<typeof visit>>, browserKey?: string) =>
    finishSignIn(own.context, { ...answer, browserKey })
  const first = await begin(own)
  const answer = await visit(own, first.url)
  const other = await begin(own)
  expect(await finish(answer)).toEqual({ outcome: 'other_browser' })
  expect(await finish(answer, other.browserKey)).toEqual({ outcome: 'other_browser' })
  const both = await Promise.allSettled([finish(answer, first.browserKey), finish(answer, first.browserKey)])
  const outcomes = both.map((one) => (one.status === 'fulfilled' ? one.value?.outcome : 'threw'))
  expect(new Set(outcomes)).toEqual(new Set(['signed_in', 'used']))
  expect(await finish(answer, first.browserKey)).toEqual({ outcome: 'used' })

  // A code that an attacker has got for the same app: it was made for another verifier.
  const victim = await begin(own)
  const stolen = await visit(own, (await begin(own)).url)
  const mixed = { ...(await visit(own, victim.url)), code: stolen.code }
  expect(await caught(finish(mixed, victim.browserKey))).toMatchObject({ code: 'sign_in_not_taken' })

  const late = await begin(own)
  const lateAnswer = await visit(own, late.url)
  await sql`update partner_sign_in_requests set expires_at = now() where used_at is null`.execute(own.db)
  expect(await finish(lateAnswer, late.browserKey)).toEqual({ outcome: 'expired' })

  const declined = await begin(own)
  const no = await visit(own, declined.url, 'decision=cancel')
  expect(no.code).toBeNull()
  expect(await finish(no, declined.browserKey)).toEqual({ outcome: 'declined' })
  expect(await finish({ ...answer, state: 'x'.repeat(43) }, first.browserKey)).toBeNull()
  expect(await finish({ ...answer, state: '' }, first.browserKey)).toBeNull()
  expect(await listSignIns(own.db)).toHaveLength(1)

  await sql`update partner_sign_in_requests set expires_at = now() - interval '2 days'`.execute(own.db)
  expect(await deleteOldSignInRequests(own.db, 100)).toBeGreaterThan(3)
})

test('somebody of another tenant, and a nonce of another sign-in, are refused', async () => {
  const own = await openPartnerCloud({ sizes: [12, 5], partners: 2 })
  const stranger = own.cloud.partners[1]
  const first = await begin(own)
  const answer = await visit(own, first.url)
  const code = own.cloud.signIns.codes.get(answer.code ?? '')
  if (code === undefined || stranger === undefined) throw new Error('no code')
  code.nonce = 'of another one'
  expect(await caught(finishSignIn(own.context, { ...answer, browserKey: first.browserKey }))).toMatchObject({
    code: 'sign_in_not_taken',
  })

  const device = deviceSignIn(
    own.context,
    { partnerEntraTenantId: own.partner, actor: 'command' },
    ({ userCode, verificationUri }) =>
      void fetch(`${verificationUri}?otc=${userCode}&user=${technician(own.cloud, stranger)}`),
  )
  expect((await caught(device)).kind).toMatch(/wrong_tenant|access_lost/)
  expect(await listSignIns(own.db)).toEqual([])
  const customer = beginSignIn(own.context, { partnerEntraTenantId: own.customer, actor: 'x', redirectUri })
  expect(await caught(customer)).toMatchObject({ kind: 'input', code: 'not_a_partner' })
})

test('the command line signs in by a device code', async () => {
  const own = await openPartnerCloud()
  own.cloud.signIns.settings.deviceIntervalSeconds = 1
  const user = await deviceSignIn(
    own.context,
    { partnerEntraTenantId: own.partner, actor: 'command' },
    ({ userCode, verificationUri }) => void fetch(`${verificationUri}?otc=${userCode}&user=${own.user}`),
  )
  expect(user.userName).toContain('@')
  expect(await listSignIns(own.db)).toHaveLength(1)
})

test('refresh tokens rotate, and of many at once the newest is kept', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  const stored = async (): Promise<string> => {
    const { rows } = await sql<{ sealed: string }>`select sealed from partner_sign_ins`.execute(own.db)
    return open(own.context.ring, rows[0]?.sealed ?? '', {
      purpose: partnerSignInPurpose,
      entraTenantId: own.partner,
    })
  }
  const [signIn] = await listSignIns(own.db)
  if (signIn === undefined) throw new Error('no sign-in')
  const before = await stored()
  const ask = () =>
    tokenAs(own.context, signIn, {
      entraTenantId: own.partner,
      resource: own.context.resources.partnerCenter,
    })
  const tokens = await Promise.all(Array.from({ length: 12 }, ask))
  const after = await stored()
  expect(after).not.toBe(before)
  expect(tokens.map(({ refreshToken }) => refreshToken)).toContain(after)
  // An answer that was asked for before the one stored comes too late.
  await sql`update partner_sign_ins set refreshed_at = now() + interval '1 hour'`.execute(own.db)
  await ask()
  expect(await stored()).toBe(after)
})

test('refreshed early; a lost one opens a problem that a new sign-in or a sign-out closes', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  expect(await refreshSignIns(own.context, forever)).toBe(0)
  const aDayAgo = () =>
    sql`update partner_sign_ins set refreshed_at = now() - interval '25 hours'`.execute(own.db)
  await aDayAgo()
  expect(await refreshSignIns(own.context, forever)).toBe(1)
  expect(await refreshSignIns(own.context, forever)).toBe(0)

  await aDayAgo()
  await control(own.cloud, 'POST /partner-user', { user: own.user, refuse: 50173 })
  await refreshSignIns(own.context, forever)
  expect(await own.problems(own.partner)).toEqual(['partner_sign_in_ended'])
  expect((await listSignIns(own.db))[0]).toMatchObject({ refusedCode: 'sign_in_revoked' })
  expect(await refreshSignIns(own.context, forever)).toBe(0)

  await own.signedIn()
  expect(await own.problems(own.partner)).toEqual([])
  const out = await signOut(own.db, {
    partnerEntraTenantId: own.partner,
    user: 'TECH@partner.example',
    actor: 'test',
  })
  expect(out).toHaveLength(1)
  expect(await listSignIns(own.db)).toEqual([])
})

test('a transient fault is no end, and no newer token is thrown away for an older refusal', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  const [signIn] = await listSignIns(own.db)
  if (signIn === undefined) throw new Error('no sign-in')
  const ask = () =>
    tokenAs(own.context, signIn, { entraTenantId: own.partner, resource: own.context.resources.graph })
  own.cloud.signIns.refused.set(own.user, 90033)
  expect(await caught(ask())).toMatchObject({ kind: 'transient' })
  expect((await listSignIns(own.db))[0]).toMatchObject({ refusedAt: null })
  own.cloud.signIns.refused.clear()
  // A customer's policy about a second factor says nothing of the sign-in.
  own.cloud.signIns.refused.set(own.user, 50076)
  const there = tokenAs(own.context, signIn, {
    entraTenantId: own.customer,
    resource: own.context.resources.graph,
  })
  expect(await caught(there)).toMatchObject({ code: 'mfa_required' })
  expect((await listSignIns(own.db))[0]).toMatchObject({ refusedAt: null })
  expect(await caught(ask())).toMatchObject({ code: 'mfa_required' })
  expect((await listSignIns(own.db))[0]).toMatchObject({ refusedCode: 'mfa_required' })
})

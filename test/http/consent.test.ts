import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { addSecret, registerOwnApp } from '../../simulator/registrations.ts'
import { secretCredential } from '../../src/consent/apps/new-credential.ts'
import { setCustomLevel } from '../../src/consent/apps/permission-level.ts'
import { createTicket } from '../../src/consent/grants/tickets.ts'
import type { Payload } from '../../src/jobs/catalog.ts'
import { verifyConsent } from '../../src/jobs/verify-consent.ts'
import { openKeyRing } from '../../src/key-ring.ts'
import { log } from '../consent/cloud.ts'
import { cookie, openConsentVisits, type ConsentVisits } from './consent-visits.ts'
import { jobsOf } from './start.ts'

const required = ['User.Read.All', 'GroupMember.Read.All', 'LicenseAssignment.Read.All']

describe('the link', () => {
  test('leads to Microsoft with all that is needed; the cookie is bound, the ticket stays good', async () => {
    const visits = await openConsentVisits()
    const link = await visits.link()
    const { microsoft, browser, state } = await visits.start(link)
    expect(microsoft.origin + microsoft.pathname).toBe(
      `${visits.cloud.origin}/${visits.customer}/v2.0/adminconsent`,
    )
    expect(Object.fromEntries(microsoft.searchParams)).toEqual({
      client_id: visits.cloud.clientId,
      scope: `${visits.cloud.origin}/.default`,
      redirect_uri: 'https://sync.example.com/consent-callback',
      state: expect.stringMatching(/^[\w-]{43}$/),
    })
    const { headers } = await visits.page(link)
    expect(headers.getSetCookie()[0]).toMatch(
      new RegExp(`^${cookie}=[\\w-]{43}; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax$`),
    )
    expect([headers.get('referrer-policy'), headers.get('cache-control')]).toEqual([
      'no-referrer',
      'no-store',
    ])
    const second = await visits.start(link, browser)
    expect([second.browser, second.state === state]).toEqual([browser, false])
  })

  test('HEAD, as scanners ask, begins nothing', async () => {
    const visits = await openConsentVisits()
    const link = await visits.link()
    for (const path of [link, '/consent-callback?state=x']) {
      const answer = await fetch(visits.server.url + path, { method: 'HEAD', redirect: 'manual' })
      expect([answer.status, answer.headers.getSetCookie()]).toEqual([204, []])
    }
    expect((await sql`select 1 from consent_requests`.execute(visits.db)).rows).toEqual([])
  })

  test.each([
    ['unknown', async () => {}],
    ['expired', async (visits) => sql`update consent_tickets set expires_at = now()`.execute(visits.db)],
    [
      'of a tenant that is gone',
      async (visits) => sql`update entra_tenants set gone_at = now()`.execute(visits.db),
    ],
    [
      'of an offboarded tenant',
      async (visits) => sql`update entra_tenants set offboarded_at = now()`.execute(visits.db),
    ],
    ['for an app that is no longer wanted', async (visits) => ownApp(visits)],
  ] satisfies [string, (visits: Visits) => Promise<unknown>][])(
    '%s: one and the same page',
    async (name, change) => {
      const visits = await openConsentVisits()
      const link = name === 'unknown' ? `/consent/start?ticket=${'A'.repeat(43)}` : await visits.link()
      await change(visits)
      expect(await visits.page(link)).toMatchObject({ status: 410, title: 'This link is no longer good' })
      expect((await sql`select 1 from consent_requests`.execute(visits.db)).rows).toEqual([])
    },
  )

  test('somebody who opens it again and again does not lock out the admin', async () => {
    const visits = await openConsentVisits()
    const link = await visits.link()
    for (let times = 0; times < 60; times += 1) await visits.start(link)
    const { rows } = await sql<{ open: number }>`select count(*)::int as open from consent_requests`.execute(
      visits.db,
    )
    expect(rows).toEqual([{ open: 50 }])
    expect(await visits.consent()).toMatchObject({ status: 200, title: 'Consent is given' })
  })
})

type Visits = Awaited<ReturnType<typeof openConsentVisits>>

/** The partner goes over to an own app, which nobody has consented to at the customer. */
async function ownApp(visits: Visits): Promise<string> {
  const registration = registerOwnApp(visits.cloud)
  await setCustomLevel(visits.db, await openKeyRing(visits.config), {
    entraTenantId: visits.partner,
    clientId: registration.clientId,
    credential: secretCredential(addSecret(registration), null),
    actor: 'test',
  })
  return registration.clientId
}

/** The job, run here. */
async function verify(visits: ConsentVisits, payload: Payload<'verify-consent'>) {
  const context = { proof: visits.context, queues: visits.server.queues }
  const signal = AbortSignal.timeout(30_000)
  return verifyConsent(context, payload, {
    id: '1',
    log,
    signal,
    progress() {},
    updatePayload: async () => {},
  })
}

test('once GDAP has ended the schedule asks Microsoft nothing any more; somebody who asks for a proof gets it', async () => {
  const visits = await openConsentVisits()
  const { customer } = visits
  await sql`update gdap_relationships set status = 'terminated'`.execute(visits.db)
  expect(await verify(visits, { entraTenantId: customer })).toMatchObject({
    result: 'not proved: gdap_ended',
  })
  expect(await visits.row()).toBeUndefined()
  expect(await verify(visits, { entraTenantId: customer, requestedBy: 'ada' })).toMatchObject({
    result: `${visits.cloud.clientId}: granted`,
  })
  expect(await visits.status()).toMatchObject({ state: 'gdap_ended', scheduled: false })
})

describe('consent', () => {
  test('never consented, then given: granted, on record, its first sync asked for at once', async () => {
    const visits = await openConsentVisits()
    visits.neverConsented()
    expect(await visits.prove()).toMatchObject({ status: 'required' })
    const page = await visits.consent()
    expect(page).toMatchObject({ status: 200, title: 'Consent is given' })
    expect(page.text).toContain('The Customer')
    expect(await visits.row()).toMatchObject({
      status: 'granted',
      method: 'admin_consent',
      granted_at: expect.any(Date),
      granted_roles: expect.arrayContaining(required),
      missing_roles: [],
    })
    expect(await visits.status()).toMatchObject({ consent: 'granted', scheduled: true })
    const jobs = await jobsOf(visits.server.queues.sync)
    expect(jobs.map((job) => job.data as unknown)).toEqual([
      expect.objectContaining({ entraTenantId: visits.customer }),
    ])
    expect(page.headers.get('content-security-policy')).toMatch(
      /default-src 'none'.*style-src 'self' 'nonce-/,
    )
    expect(page.text).not.toContain('<script')
  })

  test('with a slash behind the callback, and with the cookie among others', async () => {
    const visits = await openConsentVisits()
    const { microsoft, browser } = await visits.start(await visits.link())
    const path = (await visits.decide(microsoft, 'accept')).replace('?', '/?')
    expect(await visits.back(path, `a=b; ${browser}; c=d`)).toMatchObject({ title: 'Consent is given' })
  })

  test('given to another app than the one that is wanted now: that one reads meanwhile', async () => {
    const visits = await openConsentVisits()
    await visits.prove()
    const clientId = await ownApp(visits)
    expect(await visits.prove()).toMatchObject({ status: 'required', clientId })
    expect(await visits.status()).toMatchObject({ consent: 'other_app', scheduled: true })
    expect(await visits.graph.appIdFor(visits.customer)).toBe(visits.cloud.clientId)
    expect(await visits.appInUse(visits.graph, visits.customer)).toBe(visits.cloud.clientId)
    const { microsoft, browser } = await visits.start(await visits.link(clientId))
    expect(microsoft.searchParams.get('client_id')).toBe(clientId)
    expect(await visits.back(await visits.decide(microsoft, 'accept'), browser)).toMatchObject({
      title: 'Consent is given',
    })
    expect(await visits.status()).toMatchObject({ consent: 'granted', scheduled: true })
    expect(await visits.graph.appIdFor(visits.customer)).toBe(clientId)
    expect(await visits.appInUse(visits.graph, visits.customer)).toBe(clientId)
  })

  test('revoked, then given anew with the same link', async () => {
    const visits = await openConsentVisits()
    await visits.prove()
    visits.neverConsented()
    expect(await visits.prove()).toMatchObject({ status: 'revoked' })
    expect(await visits.problems()).toEqual(['consent_required'])
    expect(await visits.consent()).toMatchObject({ title: 'Consent is given' })
    expect(await visits.problems()).toEqual([])
  })

  test('roles come late: almost there, then granted by itself', async () => {
    const visits = await openConsentVisits()
    visits.neverConsented()
    visits.cloud.signIns.settings.rolesDelayMs = 60_000
    expect(await visits.consent()).toMatchObject({ status: 200, title: 'Almost there' })
    expect(await visits.status()).toMatchObject({ consent: 'waiting_for_roles', scheduled: false })
    visits.there().late = null
    expect(await visits.prove()).toMatchObject({ status: 'granted', regained: true })
    expect(await visits.row()).toMatchObject({ method: 'admin_consent' })
  })

  test('roles are missing for good: which ones', async () => {
    const visits = await openConsentVisits()
    visits.neverConsented()
    visits.cloud.signIns.settings.grantOnly = ['User.Read.All', 'GroupMember.Read.All']
    expect(await visits.consent()).toMatchObject({ title: 'Almost there' })
    await sql`update consents set waiting_since = now() - interval '16 minutes'`.execute(visits.db)
    expect(await visits.prove()).toMatchObject({
      status: 'insufficient',
      missingRoles: ['LicenseAssignment.Read.All'],
    })
    const { microsoft, browser } = await visits.start(await visits.link())
    // An answer that does not say that consent was given is no reason to wait.
    const path = (await visits.decide(microsoft, 'accept')).replace(
      'admin_consent=True',
      'admin_consent=False',
    )
    const page = await visits.back(path, browser)
    expect(page).toMatchObject({ status: 200, title: 'Some permissions are missing' })
    expect(page.text).toContain('LicenseAssignment.Read.All')
  })

  test('our secret has expired: it is not the admin who has to do anything', async () => {
    const visits = await openConsentVisits()
    visits.neverConsented()
    const { microsoft, browser } = await visits.start(await visits.link())
    const path = await visits.decide(microsoft, 'accept')
    const [secret = ''] = visits.cloud.registration.secrets
    Object.assign(visits.cloud.registration, { secrets: [], expiredSecrets: [secret] })
    expect(await visits.back(path, browser)).toMatchObject({ status: 200, title: 'Thank you' })
    expect(await visits.problems()).toEqual(['client_secret_expired'])
    Object.assign(visits.cloud.registration, { secrets: [secret], expiredSecrets: [] })
    expect(await visits.prove()).toMatchObject({ status: 'granted' })
    expect(await visits.row()).toMatchObject({ method: 'admin_consent' })
    expect(await visits.problems()).toEqual([])
  })

  test('Microsoft is slow: the admin does not wait, the proof goes on as a job', async () => {
    const visits = await openConsentVisits({ patienceMs: 1 })
    visits.neverConsented()
    expect(await visits.consent()).toMatchObject({ status: 200, title: 'Thank you' })
    const [job] = await jobsOf(visits.server.queues.control)
    expect([job?.name, job?.data as unknown]).toEqual([
      'verify-consent',
      { entraTenantId: visits.customer, requestedBy: 'consent', expectSoon: true },
    ])
    expect(await visits.row()).toMatchObject({ status: null, waiting_since: expect.any(Date) })
    await verify(visits, { entraTenantId: visits.customer, requestedBy: 'consent', expectSoon: true })
    expect(await visits.row()).toMatchObject({ status: 'granted', method: 'admin_consent' })
  })

  test('declined: an error is an error, though admin_consent=True stands beside it', async () => {
    const visits = await openConsentVisits()
    visits.neverConsented()
    const page = await visits.consent('cancel')
    expect(page).toMatchObject({ status: 200, title: 'Consent was declined' })
    expect(await visits.row()).toBeUndefined()
    const { rows } = await sql`select actor from audit_log where action = 'consent_declined'`.execute(
      visits.db,
    )
    expect(rows).toEqual([{ actor: 'consent link of command (ada)' }])
  })

  test.each([
    [
      'access_denied',
      'AADSTS53003: Access has been blocked',
      /security policy of the tenant blocks.*AADSTS53003/s,
    ],
    ['invalid_client', 'AADSTS650057: <b>', /AADSTS650057/],
    ['server_error', 'no number at all', /Privileged Role Administrator/],
  ])('refused by Microsoft: %s, %s', async (error, error_description, says) => {
    const visits = await openConsentVisits()
    const { state, browser } = await visits.start(await visits.link())
    const query = new URLSearchParams({ error, error_description, state, admin_consent: 'True' })
    const page = await visits.back(`/consent-callback?${query.toString()}`, browser)
    expect(page).toMatchObject({ status: 200, title: 'Microsoft could not take the consent' })
    expect(page.text).toMatch(says)
    expect(page.text).not.toContain('<b>')
    expect(await visits.row()).toBeUndefined()
  })

  test('an admin of another organization answers: refused, noted, nothing stored', async () => {
    const visits = await openConsentVisits()
    visits.neverConsented()
    visits.cloud.signIns.settings.answersAsTenant = visits.partner
    const page = await visits.consent()
    expect(page).toMatchObject({ status: 403, title: 'This was another organization' })
    expect(page.text).toContain('The Customer')
    expect(page.text).not.toContain('The Partner')
    const { rows } = await sql`select * from consents`.execute(visits.db)
    expect(rows).toEqual([])
    const audited =
      await sql`select action, entra_tenant_id, detail from audit_log where action <> 'consent_link_created'`.execute(
        visits.db,
      )
    expect(audited.rows).toEqual([
      {
        action: 'consent_refused',
        entra_tenant_id: visits.customer,
        detail: expect.objectContaining({ expected: visits.customer, answered: visits.partner }),
      },
    ])
  })
})

describe('an answer', () => {
  test('counts once, of any number that come at once', async () => {
    const visits = await openConsentVisits()
    const { microsoft, browser } = await visits.start(await visits.link())
    const path = await visits.decide(microsoft, 'accept')
    const pages = await Promise.all([1, 2, 3, 4].map(() => visits.back(path, browser)))
    expect(pages.map(({ title }) => title).toSorted()).toEqual([
      'Consent is given',
      ...Array.from({ length: 3 }, () => 'This answer was used already'),
    ])
    expect(await visits.back(path, browser)).toMatchObject({
      status: 410,
      title: 'This answer was used already',
    })
  })

  test('too late, from another browser, of nobody: refused; the right browser may still come', async () => {
    const visits = await openConsentVisits()
    const { microsoft, browser } = await visits.start(await visits.link())
    const path = await visits.decide(microsoft, 'accept')
    const other = await visits.start(await visits.link())
    for (const stranger of [undefined, other.browser, `${cookie}=x`, `${browser}x`]) {
      expect(await visits.back(path, stranger)).toMatchObject({
        status: 400,
        title: 'This was begun in another browser',
      })
    }
    expect(await visits.row()).toBeUndefined()
    await sql`update consent_requests set expires_at = now() - interval '1 second'`.execute(visits.db)
    expect(await visits.back(path, browser)).toMatchObject({ status: 410, title: 'This took too long' })
    await sql`update consent_requests set expires_at = now() + interval '1 minute'`.execute(visits.db)
    expect(await visits.back(path, browser)).toMatchObject({ title: 'Consent is given' })
  })

  test('of one tenant does not count for the state of another, in the same browser neither', async () => {
    const visits = await openConsentVisits()
    const { partner, customer, db, cloud } = visits
    const ours = await visits.start(await visits.link())
    const { url } = await createTicket(db, { entraTenantId: partner, clientId: cloud.clientId, actor: 'ada' })
    const theirs = await visits.start(url, ours.browser)
    const mixed = (await visits.decide(ours.microsoft, 'accept')).replace(ours.state, theirs.state)
    expect(mixed).toContain(customer)
    expect(await visits.back(mixed, ours.browser)).toMatchObject({ status: 403 })
    expect((await sql`select 1 from consents`.execute(db)).rows).toEqual([])
  })

  test('for a tenant that was offboarded meanwhile proves nothing any more', async () => {
    const visits = await openConsentVisits()
    const { microsoft, browser } = await visits.start(await visits.link())
    const path = await visits.decide(microsoft, 'accept')
    await sql`update entra_tenants set offboarded_at = now()`.execute(visits.db)
    expect(await visits.back(path, browser)).toMatchObject({ status: 410 })
    expect(await visits.row()).toBeUndefined()
  })

  test('a display name is text, whatever is in it', async () => {
    const visits = await openConsentVisits()
    await sql`update entra_tenants set display_name = '<script>alert(1)</script>&"' `.execute(visits.db)
    const page = await visits.consent()
    expect(page.text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&amp;')
    expect(page.text).not.toContain('<script')
  })

  test('too many wrong ones are answered shortly, and keep nobody out who has a good one', async () => {
    const visits = await openConsentVisits()
    const statuses = []
    for (let times = 0; times < 12; times += 1)
      statuses.push((await visits.page('/consent-callback?state=x')).status)
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 400), 429, 429])
    expect((await visits.page(`/consent/start?ticket=${'A'.repeat(43)}`)).status).toBe(429)
    expect(await visits.consent()).toMatchObject({ title: 'Consent is given' })
  })

  test('what a partner user signs in for is tried first, and left alone when it is not theirs', async () => {
    const asked: string[] = []
    const visits = await openConsentVisits({
      async answerPartnerSignIn(context) {
        asked.push(context.req.query('state') ?? '')
        return context.req.query('state') === 'theirs' ? context.text('signed in') : null
      },
    })
    expect(await visits.page('/consent-callback?code=x&state=theirs')).toMatchObject({ text: 'signed in' })
    expect(await visits.page('/consent-callback?error=x&state=ours')).toMatchObject({ status: 400 })
    await visits.consent()
    expect(asked).toEqual(['theirs', 'ours'])
  })
})

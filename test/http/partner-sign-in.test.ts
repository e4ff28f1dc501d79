import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { listSignIns } from '../../src/consent/preconsent/sign-ins.ts'
import { log } from '../consent/cloud.ts'
import { openPartnerCloud } from '../consent/preconsent/partner-cloud.ts'
import { control } from '../simulator/asking.ts'
import { operatorToken, sessionOf, startTestHttp, viewerToken } from './start.ts'

async function openVisits() {
  const own = await openPartnerCloud()
  const server = await startTestHttp({
    db: own.db,
    log,
    preconsent: own.context,
    cloud: own.config.cloud,
    http: { host: '127.0.0.1', port: 0, publicUrl: own.config.http.publicUrl },
  })
  const operator = await sessionOf(server.url, operatorToken)
  const start = (cookie = operator, origin = server.url, partner = own.partner) =>
    fetch(`${server.url}/partner-sign-in`, {
      method: 'POST',
      redirect: 'manual',
      headers: { Cookie: cookie, Origin: origin },
      body: new URLSearchParams({ partner }),
    })
  return {
    ...own,
    server,
    operator,
    start,
    /** Begun, and signed in at Microsoft: what the browser comes back with, and its cookie. */
    async come(more = `user=${own.user}`) {
      const begun = await start()
      const url = /url=(.+)$/.exec(begun.headers.get('refresh') ?? '')?.[1] ?? ''
      const [cookie = ''] = begun.headers.getSetCookie()
      const answer = await fetch(`${url}&${more}`, { redirect: 'manual' })
      const back = new URL(answer.headers.get('location') ?? '')
      return {
        url,
        path: back.pathname + back.search,
        cookie: cookie.split(';')[0] ?? '',
        attributes: cookie,
      }
    },
    async back(path: string, cookie = ''): Promise<{ status: number; text: string }> {
      const answer = await fetch(server.url + path, { redirect: 'manual', headers: { Cookie: cookie } })
      return { status: answer.status, text: await answer.text() }
    },
  }
}

test('an operator begins it, Microsoft sends the browser back, without a session of ours', async () => {
  const visits = await openVisits()
  const form = await fetch(`${visits.server.url}/partner-sign-in?partner=${visits.partner}`, {
    headers: { Cookie: visits.operator },
  })
  expect(await form.text()).toContain('Sign in at Microsoft')
  const { path, cookie, attributes, url } = await visits.come()
  expect(url.startsWith(`${visits.cloud.origin}/${visits.partner}/oauth2/v2.0/authorize?`)).toBe(true)
  expect(attributes).toMatch(/HttpOnly.*SameSite=Lax|SameSite=Lax.*HttpOnly/)
  expect(path).toMatch(/^\/consent-callback\?/)
  const done = await visits.back(path, cookie)
  expect(done).toMatchObject({ status: 200, text: expect.stringContaining('has signed in for') })
  expect(await listSignIns(visits.db)).toMatchObject([
    { userObjectId: visits.user, signedInBy: expect.stringMatching(/^operator /) },
  ])
  expect(await visits.back(path, cookie)).toMatchObject({ status: 410 })
})

test('another browser, another site, a viewer, nobody: nothing begins or ends', async () => {
  const visits = await openVisits()
  const { path } = await visits.come()
  const other = await visits.come()
  for (const cookie of ['', other.cookie, visits.operator])
    expect(await visits.back(path, cookie)).toMatchObject({
      status: 400,
      text: expect.stringContaining('browser'),
    })
  expect((await visits.start(visits.operator, 'https://evil.example')).status).toBe(403)
  expect((await visits.start('')).status).toBe(401)
  const viewer = await sessionOf(visits.server.url, viewerToken)
  expect((await visits.start(viewer)).status).toBe(403)
  expect((await visits.start(visits.operator, visits.server.url, visits.customer)).status).toBe(400)
  expect((await visits.start(visits.operator, visits.server.url, 'x')).status).toBe(400)
  expect(await listSignIns(visits.db)).toEqual([])
})

test('declined, refused, expired; what stands in the address is not shown', async () => {
  const visits = await openVisits()
  const declined = await visits.come('decision=cancel')
  expect(await visits.back(declined.path, declined.cookie)).toMatchObject({
    status: 200,
    text: expect.stringContaining('declined'),
  })
  const refused = await visits.come()
  const state = new URL(refused.path, 'http://x').searchParams.get('state') ?? ''
  const error = new URLSearchParams({
    state,
    error: 'access_denied',
    error_description: 'AADSTS50076: <b>call 555-1234</b>',
  })
  const page = await visits.back(`/consent-callback?${error.toString()}`, refused.cookie)
  expect(page.text).toContain('AADSTS50076')
  expect(page.text).toContain('multi-factor')
  expect(page.text).not.toContain('555-1234')

  const late = await visits.come()
  await sql`update partner_sign_in_requests set expires_at = now()`.execute(visits.db)
  expect(await visits.back(late.path, late.cookie)).toMatchObject({ status: 410 })

  // A state of nobody's is for consent to judge, and a doubled one for nobody.
  const unknown = `/consent-callback?code=c&state=${'x'.repeat(43)}`
  expect((await visits.back(unknown, late.cookie)).text).toContain('belongs to no request')
  const doubled = await visits.come()
  expect((await visits.back(`${doubled.path}&code=other`, doubled.cookie)).status).toBe(400)
  expect((await visits.back(doubled.path, doubled.cookie)).status).toBe(200)
})

test('what Microsoft refuses to the code becomes a page with a remedy', async () => {
  const visits = await openVisits()
  const { path, cookie } = await visits.come()
  await control(visits.cloud, 'POST /secrets', { valid: [], expired: [visits.cloud.clientSecret] })
  const page = await visits.back(path, cookie)
  expect(page.status).toBe(400)
  expect(page.text).toContain('AADSTS7000222')
  expect(page.text).not.toContain(visits.cloud.clientSecret)
})

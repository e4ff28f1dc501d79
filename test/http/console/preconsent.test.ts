import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { apiPath } from '../../../src/http/api/serve.ts'
import { openPartnerCloud } from '../../consent/preconsent/partner-cloud.ts'
import { jobsOf, operatorToken, sessionOf, startTestHttp, viewerToken } from '../start.ts'
import { hostile } from './fleet.ts'

async function openConsole(token = operatorToken) {
  const cloud = await openPartnerCloud()
  const { db, context, config } = cloud
  const server = await startTestHttp({ db, preconsent: context, defaultApp: config.defaultApp })
  const api = async (method: string, path: string, body?: object) => {
    const answer = await fetch(server.url + apiPath + path, {
      method,
      headers: { Authorization: `Bearer ${operatorToken}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const Cookie = await sessionOf(server.url, token)
  const get = (path: string) => fetch(server.url + path, { headers: { Cookie } })
  const post = (path: string, form: Record<string, string> = {}) =>
    fetch(server.url + path, {
      method: 'POST',
      headers: { Cookie, Origin: server.url },
      body: new URLSearchParams(form),
    })
  return {
    ...cloud,
    server,
    api,
    get,
    post,
    text: async (path: string) => (await get(path)).text(),
    said: async (path: string, form: Record<string, string> = {}) => (await post(path, form)).text(),
    /** Whom a job was added for. */
    async jobs(): Promise<unknown[]> {
      const found = await jobsOf(server.queues.control)
      expect(found.every(({ name }) => name === 'preconsent-customer')).toBe(true)
      return found.map(({ data }) => (data as { entraTenantId: string }).entraTenantId).toSorted()
    },
  }
}

test('a pre-flight says what is missing, and pre-consent becomes a job a customer', async () => {
  const { api, customers, jobs, signedIn } = await openConsole()
  const asked = { entraTenantIds: customers }
  const before = await api('POST', '/preconsent/preflight', asked)
  expect(before).toMatchObject({ status: 200, body: { partners: [{ userName: null, ready: false }] } })
  const signInId = await signedIn()
  expect(await api('POST', '/preconsent/preflight', asked)).toMatchObject({
    body: { partners: [{ userName: 'tech@partner.example', ready: true }] },
  })
  const unknown = randomUUID()
  expect(await api('POST', '/preconsent', { entraTenantIds: [...customers, unknown] })).toMatchObject({
    status: 202,
    body: { requested: customers, left: [{ entraTenantId: unknown, code: 'tenant_unknown' }] },
  })
  expect(await jobs()).toEqual(customers.toSorted())
  expect(await api('GET', '/preconsents?limit=1')).toMatchObject({
    body: { counts: { open: 2, done: 0, failed: 0 }, items: [{ step: 'waiting' }] },
  })
  const signIns = await api('GET', '/partner-sign-ins')
  expect(signIns.body['items']).toMatchObject([
    { signInId, userName: 'tech@partner.example', refusedAt: null },
  ])
  expect(JSON.stringify(signIns)).not.toMatch(/sealed|token/i)
  expect((await api('DELETE', `/partner-sign-ins/${signInId}`)).status).toBe(200)
  expect(await api('DELETE', `/partner-sign-ins/${signInId}`)).toMatchObject({
    status: 404,
    body: { error: 'sign_in_unknown' },
  })
})

test('all means those that have not consented; the list is paged', async () => {
  const { api, cloud, customers, db } = await openConsole()
  const [first = '', second = ''] = customers
  await sql`insert into consents (entra_tenant_id, app_id, status, granted_at)
    values (${first}, ${cloud.clientId}, 'granted', now())`.execute(db)
  expect(await api('POST', '/preconsent', { all: true })).toMatchObject({ body: { requested: [second] } })
  await api('POST', '/preconsent', { entraTenantIds: [first] })
  const page = await api('GET', '/preconsents?limit=1')
  const next = await api('GET', `/preconsents?limit=1&cursor=${String(page.body['nextCursor'])}`)
  const ids = [page, next].flatMap(({ body }) => body['items'] as { entraTenantId: string }[])
  expect(ids.map(({ entraTenantId }) => entraTenantId).toSorted()).toEqual([...customers].toSorted())
  expect(next.body['nextCursor']).toBeNull()
  expect(await api('POST', '/preconsent', {})).toMatchObject({
    status: 400,
    body: { message: expect.stringContaining('all: true') },
  })
})

test('on the page: choose, look at the pre-flight, then go on', async () => {
  const { customer, db, jobs, partner, said, signedIn, text } = await openConsole()
  await sql`update entra_tenants set display_name = ${hostile}`.execute(db)
  await signedIn()
  expect(await text('/preconsent')).toContain(`href="/partner-sign-in?partner=${partner}"`)
  const preflight = await text(`/preconsent/preflight?customer=${customer}`)
  expect(preflight).toContain('tech@partner.example')
  expect(preflight).toContain(`name="customer" value="${customer}"`)
  expect(await said('/preconsent')).toContain('No customer was chosen.')
  expect(await said('/preconsent', { customer })).toContain('Pre-consent is asked for 1 customer.')
  expect(await jobs()).toEqual([customer])
  await sql`update preconsents set step = 'failed', finished_at = now(), error_code = 'x',
    error_message = ${hostile}, error_remedy = 'Do this.'`.execute(db)
  const page = await text('/preconsent')
  expect(page).toContain('0 done, 1 failed, 0 under way')
  expect(page).toContain('Do this.')
  for (const one of [preflight, page]) expect(one).not.toMatch(/<script|<img/)
  expect(await said('/preconsent', { customer: partner })).toContain('Left out:')
  const remove = /action="(\/partner-sign-ins\/[^"]+\/remove)"/.exec(page)?.[1] ?? ''
  expect(await said(remove)).toContain('The sign-in of tech@partner.example is forgotten.')
})

test('a viewer sees how far it came and starts nothing', async () => {
  const { customer, get, jobs, post, signedIn, text } = await openConsole(viewerToken)
  const signInId = await signedIn()
  const forms = [...(await text('/preconsent')).matchAll(/<form[^>]*action="([^"]+)"/g)]
  expect(forms.map(([, action]) => action)).toEqual(['/sign-out'])
  expect((await get(`/preconsent/preflight?customer=${customer}`)).status).toBe(403)
  expect((await post('/preconsent', { customer })).status).toBe(403)
  expect((await post(`/partner-sign-ins/${signInId}/remove`)).status).toBe(403)
  expect(await jobs()).toEqual([])
})

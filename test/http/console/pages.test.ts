import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { jobsOf, nowhere, operatorToken, sessionOf, startTestHttp, viewerToken } from '../start.ts'
import { addFleet, hostile } from './fleet.ts'

async function startConsole(token = operatorToken, customers = 3) {
  const http = await startTestHttp()
  const fleet = await addFleet(http.database.db, customers)
  const Cookie = await sessionOf(http.url, token)
  const get = (path: string) => fetch(http.url + path, { headers: { Cookie, Accept: 'text/html' } })
  return {
    ...http,
    ...fleet,
    get,
    text: async (path: string) => (await get(path)).text(),
    /** Posts a form as a browser does; answers where it is sent, and what that page says. */
    async post(path: string, form: Record<string, string | File> = {}) {
      const body = new FormData()
      for (const [name, value] of Object.entries(form)) body.append(name, value)
      const headers = { Cookie, Origin: http.url }
      const answer = await fetch(http.url + path, { method: 'POST', redirect: 'manual', headers, body })
      const location = answer.headers.get('location')
      const page = location === null ? await answer.text() : await (await get(location)).text()
      return { status: answer.status, location, page }
    },
  }
}

const pagesOf = (id: string) => [
  '/',
  '/?filter=problems',
  `/entra-tenants/${id}`,
  '/customers',
  `/customers/${id}/detach`,
  `/entra-tenants/${id}/offboard`,
  '/problems',
  '/audit',
]

describe('text of others', () => {
  test('is text on every page, and never markup', async () => {
    const { customers, text } = await startConsole()
    for (const path of pagesOf(customers[0] ?? '')) {
      const page = await text(path)
      expect(page).toContain('&lt;script&gt;alert(1)')
      expect(page).not.toContain('<script')
      expect(page).not.toContain('<img')
      expect(page).not.toMatch(/\son\w+="/)
    }
    const searched = await text(`/?search=${encodeURIComponent(hostile)}`)
    expect(searched).toContain('value="&lt;script&gt;')
    expect(searched).not.toContain('<img')
  })

  test('has no place where an inline script or style would run', async () => {
    const { customers, get } = await startConsole()
    for (const path of pagesOf(customers[0] ?? '')) {
      const { headers } = await get(path)
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self'/)
      expect(headers.get('content-security-policy')).not.toContain('unsafe')
    }
  })
})

describe('a viewer', () => {
  test('sees every page without anything to press but signing out and searching', async () => {
    const { customers, partner, text } = await startConsole(viewerToken)
    for (const path of [...pagesOf(customers[0] ?? ''), `/entra-tenants/${partner}`]) {
      const posts = [...(await text(path)).matchAll(/<form[^>]*method="post"[^>]*action="([^"]+)"/g)]
      expect(posts.map(([, action]) => action)).toEqual(['/sign-out'])
    }
  })

  test('is refused every act', async () => {
    const { deps, partner, post, queues } = await startConsole(viewerToken)
    expect(deps.db).toBeDefined()
    for (const path of [
      'sync',
      'pause',
      'resume',
      'permission-level',
      'consent-url',
      'consent-check',
      'app-check',
      'offboard',
      `credentials/${randomUUID()}/remove`,
    ]) {
      const { status, page } = await post(`/entra-tenants/${partner}/${path}`, {
        mode: 'full',
        level: 'default',
      })
      expect({ path, status }).toEqual({ path, status: 403 })
      expect(page).toContain('A viewer may not do this.')
    }
    for (const path of ['problem-silences', `problem-silences/${randomUUID()}/remove`])
      expect((await post(`/${path}`)).status).toBe(403)
    for (const path of ['discover', 'import', 'import-all'])
      expect((await post(`/customers/${path}`)).status).toBe(403)
    expect([...(await jobsOf(queues.sync)), ...(await jobsOf(queues.control))]).toEqual([])
  })
})

describe('an operator', () => {
  test('asks for a sync, pauses and resumes', async () => {
    const { partner, post, queues, text } = await startConsole()
    const path = `/entra-tenants/${partner}`
    const asked = await post(`${path}/sync`, { mode: 'full' })
    expect(asked.status).toBe(303)
    expect(asked.page).toContain('A full read of Northwind MSP is asked for.')
    expect(await jobsOf(queues.sync)).toHaveLength(1)
    expect((await post(`${path}/pause`)).page).toContain('Northwind MSP is paused.')
    expect(await text(path)).toContain(`action="${path}/resume"`)
    expect((await post(`${path}/resume`)).page).toContain('Northwind MSP is synced again.')
  })

  test('sets Custom by form; the secret is on no page', async () => {
    const { partner, post, text } = await startConsole()
    const clientId = randomUUID()
    const path = `/entra-tenants/${partner}`
    const empty = { certificate: '', certificateFile: new File([], ''), expires: '' }
    const form = {
      level: 'custom',
      clientId: ` ${clientId.toUpperCase()} `,
      secret: 'canary8Q~secret',
      ...empty,
    }
    const saved = await post(`${path}/permission-level`, form)
    expect(saved.page).toContain('The permission level of Northwind MSP is Custom.')
    expect(saved.page).toContain('4 of 4 Entra tenants must consent to it')
    expect(saved.page).toContain('The app registration could not be read')
    expect((await post(`${path}/app-check`)).page).toContain('The app registration was looked at.')
    const page = await text(path)
    expect(page).toContain(clientId)
    expect(page).toContain('http://localhost:8080/consent-callback')
    expect(page + saved.page).not.toContain('canary')
    const remove = /action="([^"]+\/remove)"/.exec(page)?.[1] ?? ''
    const kept = await post(remove)
    expect(kept.page).toContain('It is the last credential of the app in use')
    expect(kept.page).toContain('Add its successor first')
    const wrong = await post(`${path}/permission-level`, { ...form, secret: '', certificate: 'canary' })
    expect(wrong.page).toMatch(/class="flash bad"/)
    expect(wrong.page).not.toContain('canary')
    const both = await post(`${path}/permission-level`, { ...form, certificate: 'canary' })
    expect(both.page).toContain('Both a client secret and a certificate were given.')
  })

  test('silences a problem and takes that back', async () => {
    const { customers, post, text } = await startConsole()
    const of = customers[0] ?? ''
    const form = {
      code: 'graph_403',
      of,
      back: 'entra-tenant',
      entraTenantId: of,
      reason: hostile,
      until: '',
    }
    const silenced = await post('/problem-silences', form)
    expect(silenced.location).toContain(`/entra-tenants/${of}?flash=`)
    expect(silenced.page).toContain('Silenced: 1 open problem does not count')
    const page = await text('/problems')
    expect(page).toContain('problem silenced')
    expect(page).not.toContain('<img')
    const remove = /action="(\/problem-silences\/[^"]+\/remove)"/.exec(page)?.[1] ?? ''
    expect((await post(remove)).page).toContain('The silence is taken back.')
    expect((await post(remove)).page).toContain('There is no silence')
    const past = await post('/problem-silences', { ...form, until: '2020-01-01' })
    expect(past.page).toContain('The end of the silence is in the past.')
    const elsewhere = await post('/problem-silences', { ...form, of: '//evil.example' })
    expect(elsewhere.location).toMatch(/^\/problems\?/)
  })

  test('makes a consent link, which is shown once', async () => {
    const { partner, post, text, url } = await startConsole()
    const made = await post(`/entra-tenants/${partner}/consent-url`)
    const link = /value="(http:\/\/localhost:8080\/consent\/start\?ticket=[^"]+)"/.exec(made.page)?.[1] ?? ''
    expect(link).not.toBe('')
    expect(made.location).not.toContain(link.slice(-20))
    expect(await text(`/entra-tenants/${partner}`)).not.toContain(link.slice(-20))
    const start = await fetch(url + new URL(link).pathname + new URL(link).search, { redirect: 'manual' })
    expect(new URL(start.headers.get('location') ?? '').host).toBe(new URL(nowhere).host)
  })

  test('is told a result once, and nobody else is', async () => {
    const { partner, post, text, url } = await startConsole()
    const { location } = await post(`/entra-tenants/${partner}/pause`)
    expect(await text(location ?? '')).not.toContain('is paused. A sync')
    const headers = { Cookie: await sessionOf(url, operatorToken), Origin: url }
    const next = await fetch(`${url}/entra-tenants/${partner}/pause`, {
      method: 'POST',
      redirect: 'manual',
      headers,
    })
    const viewer = { Cookie: await sessionOf(url, viewerToken) }
    const seen = await fetch(url + (next.headers.get('location') ?? ''), { headers: viewer })
    expect(await seen.text()).not.toContain('is paused. A sync')
  })

  test('imports the customers that were chosen', async () => {
    const { database, partner, post, text } = await startConsole()
    expect((await post('/customers/import')).page).toContain('No customer was chosen.')
    const fresh = randomUUID()
    await sql`insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id, display_name)
      values (${partner}, ${fresh}, 'Fabrikam')`.execute(database.db)
    await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
      values ('fresh', ${partner}, ${fresh}, 'active')`.execute(database.db)
    expect((await post('/customers/import', { customer: fresh })).page).toContain('Imported 1 customers')
    expect(await text('/customers?search=fabri')).toContain(`href="/entra-tenants/${fresh}"`)
  })

  test('offboards, resumes, and purges only by the name', async () => {
    const { customers, database, post, text } = await startConsole()
    const id = customers[1] ?? ''
    const path = `/entra-tenants/${id}`
    expect((await post(`${path}/offboard`)).page).toContain('Contoso 0002 is offboarded.')
    expect((await post(`${path}/sync`, { mode: 'full' })).page).toContain('its state is offboarded')
    expect((await post(`${path}/consent-url`)).page).toContain('Contoso 0002 is offboarded.')
    expect((await post(`${path}/resume`)).page).toContain(
      'Contoso 0002 had been offboarded and is taken back.',
    )
    expect((await post(`${path}/offboard`, { purge: 'yes', confirm: 'Contoso' })).page).toContain(
      'Nothing was done',
    )
    expect(await text(path)).not.toContain('>offboarded<')
    const purged = await post(`${path}/offboard`, { purge: 'yes', confirm: 'Contoso 0002' })
    expect(purged.page).toContain('Purged:')
    const left = await database.db.selectFrom('entra_tenants').select('entra_tenant_id').execute()
    expect(left.map((row) => row.entra_tenant_id)).not.toContain(id)
  })

  test('detaches a customer after a look at what that means', async () => {
    const { customers, post, text } = await startConsole()
    const id = customers[1] ?? ''
    expect(await text(`/entra-tenants/${id}`)).toContain(`href="/customers/${id}/detach"`)
    const preview = await text(`/customers/${id}/detach`)
    expect(preview).toContain('It becomes standalone')
    expect(await text(`/entra-tenants/${id}`)).toContain('customer, reached through its partner')
    const done = await post(`/customers/${id}/detach`)
    expect(done.page).toContain('Contoso 0002 is standalone now, no customer of Northwind MSP.')
    expect((await post(`/customers/${id}/detach`)).page).toContain('is not a customer of any partner')
  })

  test.each([
    ['/entra-tenants/not-an-id', 400],
    [`/entra-tenants/${randomUUID()}`, 404],
    ['/?filter=nonsense', 400],
    ['/?page=0', 400],
    ['/nothing-here', 404],
  ])('%s is an error page with a way on', async (path, status) => {
    const { get } = await startConsole()
    const answer = await get(path)
    expect(answer.status).toBe(status)
    expect(await answer.text()).toContain('To the overview')
  })
})

test('whoever acts after the session has ended is sent to sign in, and nothing is done', async () => {
  const { database, partner, url } = await startConsole()
  const headers = { Cookie: 'entra-sync=ended', Origin: url, Accept: 'text/html' }
  const path = `${url}/entra-tenants/${partner}/pause`
  const answer = await fetch(path, { method: 'POST', redirect: 'manual', headers })
  expect([answer.status, answer.headers.get('location')]).toEqual([303, '/sign-in'])
  const row = await database.db
    .selectFrom('entra_tenants')
    .select('paused_at')
    .where('entra_tenant_id', '=', partner)
    .executeTakeFirstOrThrow()
  expect(row.paused_at).toBeNull()
})

test('when a request fails a person is told so, and a program in JSON', async () => {
  const { database, get, url } = await startConsole()
  await sql`drop view tenant_status cascade`.execute(database.db)
  const page = await get('/')
  expect(page.status).toBe(500)
  expect(await page.text()).toContain('See the log of the daemon.')
  const headers = { Authorization: `Bearer ${operatorToken}` }
  const answer = await fetch(`${url}/api/v1/entra-tenants`, { headers })
  expect(answer.status).toBe(500)
  expect(await answer.json()).toMatchObject({ error: 'failed', message: expect.any(String) })
})

test('a thousand Entra tenants are paged by the server', async () => {
  const { text } = await startConsole(operatorToken, 1000)
  const first = await text('/')
  expect(first).toContain('1 to 50 of 1,001')
  expect(first.match(/href="\/entra-tenants\//g)?.length).toBeLessThan(100)
  expect(await text('/?page=21')).toContain('1,001 to 1,001 of 1,001')
  expect(await text('/?search=Contoso+0777')).toContain('1 Entra tenants')
})

import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { apiPath } from '../../../src/http/api/serve.ts'
import { openConsentVisits } from '../consent-visits.ts'
import { jobsOf, operatorToken, sessionOf, viewerToken } from '../start.ts'
import { hostile } from './fleet.ts'

async function openLinks() {
  const visits = await openConsentVisits()
  const { cloud, customer, db, server } = visits
  const api = async (method: string, path: string, body?: object) => {
    const answer = await fetch(server.url + apiPath + path, {
      method,
      headers: { Authorization: `Bearer ${operatorToken}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const Cookie = await sessionOf(server.url, operatorToken)
  const text = async (path: string) => (await fetch(server.url + path, { headers: { Cookie } })).text()
  const post = async (path: string, form: Record<string, string>) => {
    const answer = await fetch(server.url + path, {
      method: 'POST',
      headers: { Cookie, Origin: server.url },
      body: new URLSearchParams(form),
    })
    return answer.text()
  }
  async function tenant(name: string): Promise<string> {
    const { body } = await api('POST', '/tenants', { name })
    return String(body['tenantId'])
  }
  /** Persons of the customer who are here already. */
  async function persons(tenantId: string, names: string[]): Promise<void> {
    await sql`insert into persons (entra_tenant_id, object_id, tenant_id, user_principal_name)
      select ${customer}, gen_random_uuid(), ${tenantId}, name from unnest(${names}::text[]) as name`.execute(
      db,
    )
  }
  const [domain = ''] = cloud.tenant(customer).domains
  return { ...visits, api, text, post, tenant, persons, domain }
}

test('a tenant is made, linked by a domain, and the first sync is asked for', async () => {
  const { api, customer, domain, server, tenant } = await openLinks()
  const id = await tenant('Fabrikam')
  const link = { entraTenant: domain }
  expect(await api('POST', `/tenants/${id}/link`, { ...link, preview: true })).toMatchObject({
    status: 200,
    body: { entraTenantId: customer, applied: false, changed: true, reasons: [], next: null },
  })
  expect((await api('GET', '/tenants')).body['items']).toMatchObject([{ tenantId: id, entraTenantId: null }])
  expect(await api('POST', `/tenants/${id}/link`, link)).toMatchObject({
    status: 200,
    body: { applied: true, next: 'Consent is there, and its first sync is asked for.' },
  })
  expect((await jobsOf(server.queues.sync)).map(({ data }) => data)).toMatchObject([
    { entraTenantId: customer },
  ])
  expect((await api('GET', '/tenants')).body['items']).toMatchObject([
    { tenantId: id, entraTenantId: customer },
  ])
  expect(await api('POST', `/tenants/${id}/link`, link)).toMatchObject({ body: { changed: false } })
})

test('what moves people wants a confirmation', async () => {
  const { api, domain, persons, tenant } = await openLinks()
  const [one, other] = [await tenant('One'), await tenant('Other')]
  await api('POST', `/tenants/${one}/link`, { entraTenant: domain })
  await persons(one, ['ada@fabrikam.example'])
  const take = { entraTenant: domain }
  expect(await api('POST', `/tenants/${other}/link`, take)).toMatchObject({
    status: 409,
    body: { error: 'needs_confirmation', message: expect.stringContaining("is another tenant's") },
  })
  expect(await api('POST', `/tenants/${other}/link`, { ...take, confirmed: true })).toMatchObject({
    status: 200,
    body: { applied: true, moves: [{ fromTenantId: one, toTenantId: other, persons: 1 }] },
  })
  expect(await api('POST', `/tenants/${other}/unlink`)).toMatchObject({
    status: 409,
    body: { error: 'needs_confirmation' },
  })
  expect(await api('POST', `/tenants/${other}/unlink`, { confirmed: true })).toMatchObject({ status: 200 })
  expect(await api('POST', `/tenants/${other}/unlink`)).toMatchObject({
    status: 409,
    body: { error: 'tenant_not_linked' },
  })
})

test.each([
  ['an unknown domain', 'nobody-has-this.example', {}, 400],
  ['no domain', 'fabrikam', {}, 400],
  ['a split by what is no domain', null, { domains: ['a b'] }, 400],
])('%s is refused with a remedy', async (_name, entraTenant, more, status) => {
  const { api, customer, tenant } = await openLinks()
  const body = { entraTenant: entraTenant ?? customer, ...more }
  expect(await api('POST', `/tenants/${await tenant('One')}/link`, body)).toMatchObject({
    status,
    body: { remedy: expect.any(String) },
  })
  expect(await api('POST', `/tenants/${randomUUID()}/link`, { entraTenant: customer })).toMatchObject({
    status: 404,
    body: { error: 'tenant_unknown' },
  })
})

test('on the page: preview, then confirm; a reason that is new is to be looked at first', async () => {
  const { db, domain, persons, post, tenant, text } = await openLinks()
  const [one, other] = [await tenant('One'), await tenant(hostile)]
  expect(await post('/tenants', { name: hostile })).toContain('Made the tenant &lt;script&gt;')
  const preview = await text(`/tenants/${one}/link?to=${domain}&domains=`)
  expect(preview).toContain('Nobody moves.')
  const to = /name="to" value="([^"]+)"/.exec(preview)?.[1] ?? ''
  expect(await post(`/tenants/${one}/link`, { to, domains: '', reasons: '' })).toContain('Linked.')

  const name = `${hostile}@fabrikam.example`
  await persons(one, [name])
  const second = await text(`/tenants/${other}/link?to=${domain}&domains=`)
  expect(second).toContain('It wants your confirmation')
  for (const page of [second, await text('/tenants'), await text(`/tenants/${other}`)]) {
    expect(page).toContain('&lt;script&gt;')
    expect(page).not.toMatch(/<script|<img/)
  }
  const reasons = /name="reasons" value="([^"]+)"/.exec(second)?.[1] ?? ''
  await sql`update persons set protected_reason = 'logs in'`.execute(db)
  const refused = await post(`/tenants/${other}/link`, { to, domains: '', reasons })
  expect(refused).toContain('Persons who can log in to ImmyBot would move.')
  const seen = `${reasons} protected_persons`
  expect(await post(`/tenants/${other}/link`, { to, domains: '', reasons: seen })).toContain(
    'Linked: 1 persons moved.',
  )
  const unlink = await text(`/tenants/${other}/unlink`)
  expect(unlink).toContain('would be left without a tenant')
  const all = /name="reasons" value="([^"]+)"/.exec(unlink)?.[1] ?? ''
  expect(await post(`/tenants/${other}/unlink`, { domains: '', reasons: all })).toContain(
    'Unlinked: 1 persons moved.',
  )
})

test('a viewer sees tenants and changes none', async () => {
  const { domain, server, tenant } = await openLinks()
  const id = await tenant('One')
  const Cookie = await sessionOf(server.url, viewerToken)
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(server.url + path, { ...init, headers: { Cookie, Origin: server.url } })
  const page = await (await ask(`/tenants/${id}`)).text()
  expect(page).toContain('not linked')
  expect([...page.matchAll(/<form/g)]).toHaveLength(1)
  expect((await ask(`/tenants/${id}/link?to=${domain}`)).status).toBe(403)
  expect((await ask(`/tenants/${id}/unlink`)).status).toBe(403)
  for (const path of ['/tenants', `/tenants/${id}/link`, `/tenants/${id}/unlink`])
    expect((await ask(path, { method: 'POST' })).status).toBe(403)
})

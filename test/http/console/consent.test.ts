import { expect, test } from 'vitest'
import { apiPath } from '../../../src/http/api/serve.ts'
import { openConsentVisits } from '../consent-visits.ts'
import { operatorToken, sessionOf } from '../start.ts'

async function openOperator() {
  const visits = await openConsentVisits()
  const { server, customer } = visits
  const api = (path: string) =>
    fetch(`${server.url}${apiPath}/entra-tenants/${customer}/${path}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${operatorToken}` },
    }).then(async (answer) => ({
      status: answer.status,
      body: (await answer.json()) as Record<string, unknown>,
    }))
  return { ...visits, api }
}

test('a link made by the API leads an admin to consent, and check now proves it', async () => {
  const { api, neverConsented, start, decide, back, cloud, status } = await openOperator()
  neverConsented()
  expect(await api('consent-check')).toMatchObject({ status: 200, body: { status: 'required' } })
  const { status: created, body } = await api('consent-url')
  expect(created).toBe(201)
  expect(body).toMatchObject({
    clientId: cloud.clientId,
    redirectUri: 'https://sync.example.com/consent-callback',
  })
  const link = new URL(String(body['url']))
  expect(link.origin).toBe('https://sync.example.com')
  const { microsoft, browser } = await start(link.pathname + link.search)
  await back(await decide(microsoft, 'accept'), browser)
  expect(await api('consent-check')).toMatchObject({
    status: 200,
    body: { status: 'granted', missingRoles: [], noVerdict: null },
  })
  expect(await status()).toMatchObject({ consent: 'granted' })
})

test('check now on the page says what it found, and a sync follows', async () => {
  const { customer, neverConsented, server, there } = await openOperator()
  const before = structuredClone(there())
  neverConsented()
  // Consent was asked for at the sync before, so what is found anew now is regained.
  const Cookie = await sessionOf(server.url, operatorToken)
  const check = async () => {
    const answer = await fetch(`${server.url}/entra-tenants/${customer}/consent-check`, {
      method: 'POST',
      headers: { Cookie, Origin: server.url },
    })
    return answer.text()
  }
  expect(await check()).toContain('The Customer has not consented')
  Object.assign(there(), before)
  const page = await check()
  expect(page).toContain('The Customer has consented: it was proved just now.')
  const jobs = await server.queues.sync.getJobs()
  expect(jobs.map(({ data }) => data)).toMatchObject([{ entraTenantId: customer }])
})

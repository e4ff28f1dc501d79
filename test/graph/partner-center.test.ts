import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { createPartnerCenter, graphAppId } from '../../src/graph/partner-center.ts'
import { partnerCenterError } from '../../src/graph/partner-center-errors.ts'
import { log } from '../consent/cloud.ts'
import { testCa } from '../harness/ca.ts'
import { signedIn, technician } from '../simulator/sign-in.ts'
import { control } from '../simulator/asking.ts'
import { caught } from './caught.ts'
import { closeServers, tlsServer } from './tls-server.ts'

let cloud: Cloud
let token: string
beforeAll(async () => {
  cloud = await startCloud({ sizes: [12, 5], ca: testCa() })
  token = (await signedIn(cloud)).access_token
})
afterAll(async () => {
  await closeServers()
  await cloud.close()
})
beforeEach(async () => {
  await control(cloud, 'POST /sign-ins', { mfa: true, consentsPerSecond: 50, consentExistsStatus: 409 })
  await control(cloud, 'POST /grant', { tenantId: customer(), state: 'no-service-principal' })
})

const customer = () => cloud.tenants[1]?.id ?? ''
const timings = { backoffMs: 10, maxInlineWaitMs: 2500 }
const center = (partnerCenterUrl = cloud.origin) =>
  createPartnerCenter({ partnerCenterUrl, log, timings, spacingMs: 1 })
const call = () => ({ token, customer: customer(), clientId: cloud.clientId })
const scopes = ['Application.Read.All', 'AppRoleAssignment.ReadWrite.All']
const consent = (more: object = {}) => center().consent({ ...call(), resource: graphAppId, scopes, ...more })

test.each([400, 409])('a consent is made, is there (%i), and is withdrawn', async (status) => {
  await control(cloud, 'POST /sign-ins', { consentExistsStatus: status })
  expect(await consent()).toBe('made')
  expect(cloud.tenant(customer()).app.delegated).toMatchObject([{ scopes }])
  expect(await consent()).toBe('exists')
  expect(await center().withdraw(call())).toBe('withdrawn')
  expect(await center().withdraw(call())).toBe('absent')
})

test('what is refused is told apart', async () => {
  expect(await caught(consent({ scopes: ['No.Such'] }))).toMatchObject({ code: 'partner_consent_invalid' })
  expect(await caught(consent({ resource: cloud.clientId }))).toMatchObject({
    kind: 'not_permitted',
    code: 'partner_api_missing',
  })
  const stranger = '11111111-2222-4333-8444-555555555555'
  expect(await caught(consent({ customer: stranger }))).toMatchObject({
    code: 'partner_customer_unknown',
    tenant: stranger,
  })
  expect(await caught(center().withdraw({ ...call(), customer: stranger }))).toMatchObject({
    code: 'partner_customer_unknown',
  })
  const user = technician(cloud)
  await control(cloud, 'POST /partner-user', { user, groups: [] })
  expect(await caught(consent())).toMatchObject({ kind: 'access_lost', code: 'partner_access_denied' })
  await control(cloud, 'POST /partner-user', {
    user,
    groups: ['adminAgents', 'applicationAdministrators', 'privilegedRoleAdministrators'],
  })
  await control(cloud, 'POST /sign-ins', { mfa: false })
  const weak = (await signedIn(cloud)).access_token
  expect(await caught(consent({ token: weak }))).toMatchObject({ code: 'partner_sign_in_refused' })
})

test('throttling is waited out, within bounds', async () => {
  await control(cloud, 'POST /sign-ins', { consentsPerSecond: 0 })
  const refused = await caught(center().consent({ ...call(), resource: graphAppId, scopes }))
  expect(refused).toMatchObject({ kind: 'throttled', code: 'partner_throttled', retryAt: expect.any(Date) })
  await control(cloud, 'POST /sign-ins', { consentsPerSecond: 1 })
  await consent({ scopes: ['Application.Read.All'] })
  expect(await consent()).toBe('exists')
})

test('a retry carries the same request id; requests for one app keep their distance', async () => {
  const seen: { id: string | undefined; correlation: string | undefined; at: number }[] = []
  const server = await tlsServer((request, response) => {
    seen.push({
      id: String(request.headers['ms-requestid']),
      correlation: String(request.headers['ms-correlationid']),
      at: performance.now(),
    })
    response.writeHead(seen.length < 3 ? 503 : 201).end()
  })
  const slow = createPartnerCenter({ partnerCenterUrl: server.origin, log, timings, spacingMs: 60 })
  await slow.consent({ ...call(), resource: graphAppId, scopes })
  await Promise.all([slow.withdraw(call()), slow.withdraw(call())])
  expect(new Set(seen.slice(0, 3).map(({ id }) => id)).size).toBe(1)
  expect(new Set(seen.slice(2).map(({ id }) => id)).size).toBe(3)
  const gaps = seen.slice(1).map(({ at }, index) => at - (seen[index]?.at ?? 0))
  expect(Math.min(...gaps.slice(2))).toBeGreaterThan(30)
})

test('a redirect is not followed: the token goes to one origin', async () => {
  const asked: string[] = []
  const elsewhere = await tlsServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(200).end('{}')
  })
  const server = await tlsServer((_, response) =>
    response.writeHead(307, { location: `${elsewhere.origin}/v1/customers` }).end(),
  )
  const there = center(server.origin)
  expect(await caught(there.consent({ ...call(), resource: graphAppId, scopes }))).toMatchObject({
    kind: 'foreign_origin',
    code: 'partner_redirected',
  })
  await caught(there.consent({ ...call(), customer: '@evil.example/../..', resource: graphAppId, scopes }))
  expect(asked).toEqual([])
})

test.each([
  ['{"code":2000,"description":"Permission entry already exists."}', 'partner_consent_exists'],
  ['{"error":{"code":"x","message":"PERMISSION ENTRY ALREADY EXISTS"}}', 'partner_consent_exists'],
  ['<html>', 'partner_consent_invalid'],
])('an error body %s is %s', (text, code) => {
  const error = partnerCenterError({
    method: 'POST',
    status: 400,
    text,
    customer: 'c',
    clientId: 'a',
    requestId: 'r',
  })
  expect(error).toMatchObject({ code, tenant: 'c', requestId: 'r' })
})

import { sql } from 'kysely'
import pLimit from 'p-limit'
import { expect, test } from 'vitest'
import { gdapRoles } from '../../../simulator/relationships.ts'
import { preconsentCustomer, type PreconsentResult } from '../../../src/consent/preconsent/preconsent.ts'
import { cleanLeft } from '../../../src/consent/preconsent/bootstrap-left.ts'
import type { Step } from '../../../src/consent/preconsent/rows.ts'
import { bootstrapScopes } from '../../../src/permissions.ts'
import { caught } from '../../graph/caught.ts'
import { control } from '../../simulator/asking.ts'
import { openPartnerCloud, type PartnerCloud } from './partner-cloud.ts'

const forever = new AbortController().signal
const run = (own: PartnerCloud, id = own.customer, signal = forever): Promise<PreconsentResult> =>
  preconsentCustomer(own.context, id, signal, { requestedBy: 'tester' })

const granted = [
  'User.Read.All',
  'GroupMember.Read.All',
  'LicenseAssignment.Read.All',
  'Device.Read.All',
  'Member.Read.Hidden',
  'Team.ReadBasic.All',
]

test('a customer is consented, granted, cleaned and proved; again changes nothing', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  const steps: Step[] = []
  const result = await preconsentCustomer(own.context, own.customer, forever, {
    requestedBy: 'tester',
    onStep: (step) => steps.push(step),
  })
  expect(result).toMatchObject({ step: 'done', proof: { status: 'granted', regained: true } })
  expect(steps).toEqual(['consenting', 'granting', 'cleaning', 'proving'])
  // What the partner has granted at home, and what is required; nothing more.
  expect(own.there().roles.toSorted()).toEqual(granted.toSorted())
  expect(own.there().delegated).toEqual([])
  expect(await own.row()).toMatchObject({ step: 'done', bootstrap_open: false, error_code: null })
  expect(await own.consent()).toMatchObject({
    status: 'granted',
    method: 'pre_consent',
    granted_by: 'tech@partner.example',
    missing_roles: [],
  })
  expect(await run(own)).toMatchObject({ step: 'done' })
  expect(own.there().roles).toHaveLength(granted.length)
  expect(own.there().delegated).toEqual([])
})

test('of 200 customers one fails, and the others come through', async () => {
  const own = await openPartnerCloud({ sizes: [12, ...Array.from({ length: 200 }, () => 1)] })
  const broken = own.customers[77] ?? ''
  await own.signedIn()
  await control(own.cloud, 'POST /gdap', { tenantId: broken, assignments: [] })
  const limit = pLimit(8)
  const results = await Promise.all(
    own.customers.map((id) => limit(async () => ({ id, ...(await run(own, id)) }))),
  )
  expect(results.filter(({ step }) => step !== 'done')).toMatchObject([
    { id: broken, step: 'failed', error: { code: 'partner_access_denied' } },
  ])
  expect(await own.row(broken)).toMatchObject({
    step: 'failed',
    bootstrap_open: false,
    error_code: 'partner_access_denied',
    error_remedy: expect.stringContaining('AdminAgents'),
    error_request_id: expect.stringMatching(/.{36}/),
  })
  const left = own.cloud.tenants.slice(1).filter(({ app }) => app.delegated.length > 0)
  expect(left).toEqual([])
})

test.each(['consenting', 'granting', 'cleaning', 'proving'] as const)(
  'killed at %s it goes on where it was',
  async (at) => {
    const own = await openPartnerCloud()
    await own.signedIn()
    const stop = new AbortController()
    const killed = preconsentCustomer(own.context, own.customer, stop.signal, {
      requestedBy: 'tester',
      onStep: (step) => {
        if (step === at) stop.abort()
      },
    })
    expect(await caught(killed)).toMatchObject({ kind: 'aborted' })
    expect(await own.row()).toMatchObject({ step: at, finished_at: null })
    // Another process, which has nothing of the first one's memory.
    const later: Step[] = []
    const result = await preconsentCustomer(await own.process(), own.customer, forever, {
      onStep: (step) => later.push(step),
    })
    expect(result).toMatchObject({ step: 'done' })
    expect(later[0]).toBe(at)
    expect(own.there().roles).toHaveLength(granted.length)
    expect(own.there().delegated).toEqual([])
    expect(await own.row()).toMatchObject({ step: 'done', bootstrap_open: false, attempts: 2 })
  },
)

test('a kill in the middle of a step leaves nothing behind either', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  for (let requests = 1; ; requests += 1) {
    Object.assign(own.there(), { state: 'no-service-principal', roles: [], late: null, delegated: [] })
    await sql`delete from preconsents`.execute(own.db)
    const stop = new AbortController()
    const context = await own.process()
    let seen = 0
    const counting = globalThis.fetch
    globalThis.fetch = async (...args) => {
      const answer = await counting(...args)
      seen += 1
      if (seen === requests) stop.abort()
      return answer
    }
    try {
      const first = await preconsentCustomer(context, own.customer, stop.signal, {
        requestedBy: 'tester',
      }).catch((error: unknown) => error)
      if (seen < requests) return expect(first).toMatchObject({ step: 'done' })
    } finally {
      globalThis.fetch = counting
    }
    const result = await preconsentCustomer(context, own.customer, forever)
    expect(['done', 'nothing']).toContain(result.step)
    expect({ requests, roles: own.there().roles.length, delegated: own.there().delegated }).toEqual({
      requests,
      roles: granted.length,
      delegated: [],
    })
    expect(await own.row()).toMatchObject({ step: 'done', bootstrap_open: false })
  }
})

test('a consent that exists: enough, too little, and one that keeps what was there', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  const there = { tenantId: own.customer, state: 'ready', roles: [] }
  await control(own.cloud, 'POST /grant', { ...there, delegated: [...bootstrapScopes] })
  expect(await run(own)).toMatchObject({ step: 'done' })
  expect(own.there().delegated).toEqual([])

  for (const deleteTakesPrincipal of [false, true]) {
    await control(own.cloud, 'POST /sign-ins', { deleteTakesPrincipal })
    await control(own.cloud, 'POST /grant', { ...there, roles: ['User.Read.All'], delegated: ['User.Read'] })
    expect(await run(own)).toMatchObject({ step: 'done', proof: { status: 'granted' } })
    expect(own.there().delegated).toMatchObject([{ scopes: ['User.Read'] }])
    expect(own.there().roles).toHaveLength(granted.length)
  }
})

test('roles that are late in tokens are waited for, not missing', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  await control(own.cloud, 'POST /sign-ins', { rolesDelayMs: 60_000 })
  expect(await run(own)).toMatchObject({ step: 'done', proof: { status: 'waiting_for_roles' } })
  expect(await own.consent()).toMatchObject({ status: 'waiting_for_roles' })
})

test('without Privileged Role Administrator it fails, and the bootstrap is taken back', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  await control(own.cloud, 'POST /gdap', {
    tenantId: own.customer,
    assignments: [{ group: 'applicationAdministrators', roles: [gdapRoles.applicationAdministrator] }],
  })
  expect(await run(own)).toMatchObject({ step: 'failed', error: { code: 'authorization_request_denied' } })
  expect(await own.row()).toMatchObject({
    step: 'failed',
    bootstrap_open: false,
    error_remedy: expect.stringContaining('Privileged Role Administrator'),
  })
  expect(own.there().delegated).toEqual([])
  expect(await own.problems(own.customer)).not.toContain('bootstrap_grant_left')
})

test('a bootstrap that can’t be taken back is a problem, and goes once it can', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  // What an admin granted long ago would go with the consent, so Partner Center must not be asked to.
  await control(own.cloud, 'POST /grant', {
    tenantId: own.customer,
    state: 'ready',
    roles: ['User.Read.All'],
  })
  const weak = [{ group: 'applicationAdministrators', roles: [gdapRoles.applicationAdministrator] }]
  await control(own.cloud, 'POST /gdap', { tenantId: own.customer, assignments: weak })
  expect(await run(own)).toMatchObject({ step: 'failed' })
  expect(await own.row()).toMatchObject({ bootstrap_open: true })
  expect(await own.problems(own.customer)).toContain('bootstrap_grant_left')
  expect(own.there().roles).toEqual(['User.Read.All'])
  expect(await cleanLeft(own.context, forever)).toBe(1)
  const strong = [
    ...weak,
    { group: 'privilegedRoleAdministrators', roles: [gdapRoles.privilegedRoleAdministrator] },
  ]
  await control(own.cloud, 'POST /gdap', { tenantId: own.customer, assignments: strong })
  expect(await cleanLeft(own.context, forever)).toBe(0)
  expect(own.there().delegated).toEqual([])
  expect(await own.problems(own.customer)).not.toContain('bootstrap_grant_left')
  expect(await own.row()).toMatchObject({ bootstrap_open: false })
})

test.each([
  ['no relationship at Microsoft', { status: 'terminated' }, 'partner_access_denied'],
  ['no access assignment', { assignments: [] }, 'partner_access_denied'],
  ['a customer of somebody else', { remove: 'all' }, 'partner_customer_unknown'],
])('%s', async (_, gdap, code) => {
  const own = await openPartnerCloud()
  await own.signedIn()
  await control(own.cloud, 'POST /gdap', { tenantId: own.customer, ...gdap })
  expect(await run(own)).toMatchObject({ step: 'failed', error: { code } })
})

test('not in AdminAgents; no second factor; not signed in; sign-in ended', async () => {
  const own = await openPartnerCloud()
  expect(await run(own)).toMatchObject({ step: 'failed', error: { code: 'partner_sign_in_missing' } })
  await own.signedIn()
  await control(own.cloud, 'POST /partner-user', {
    user: own.user,
    groups: ['applicationAdministrators', 'privilegedRoleAdministrators'],
  })
  expect(await run(own)).toMatchObject({ step: 'failed', error: { code: 'partner_access_denied' } })
  await control(own.cloud, 'POST /sign-ins', { mfa: false })
  const fresh = { ...own, context: await own.process() }
  expect(await run(fresh)).toMatchObject({ step: 'failed', error: { code: 'partner_sign_in_refused' } })
  await control(own.cloud, 'POST /partner-user', { user: own.user, refuse: 50173 })
  expect(await run({ ...own, context: await own.process() })).toMatchObject({
    step: 'failed',
    error: { code: 'sign_in_revoked' },
  })
  expect(await own.problems(own.partner)).toContain('partner_sign_in_ended')
  expect(await run(own)).toMatchObject({ step: 'failed', error: { code: 'partner_sign_in_ended' } })
})

test('the partner itself, standalone tenants, ended relationships and stopped tenants are refused', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  const code = async (id: string) => {
    const result = await run(own, id)
    return result.step === 'failed' ? result.error.code : result.step
  }
  expect(await code(own.partner)).toBe('preconsent_no_customer')
  const [first = '', second = ''] = own.customers
  await sql`update gdap_relationships set status = 'terminated' where entra_tenant_id = ${first}`.execute(
    own.db,
  )
  expect(await code(first)).toBe('preconsent_no_relationship')
  await sql`update entra_tenants set offboarded_at = now() where entra_tenant_id = ${second}`.execute(own.db)
  expect(await code(second)).toBe('preconsent_stopped')
  await sql`update entra_tenants set partner_entra_tenant_id = null where entra_tenant_id = ${second}`.execute(
    own.db,
  )
  expect(await code(second)).toBe('preconsent_no_customer')
  expect(await code('11111111-2222-4333-8444-555555555555')).toBe('tenant_unknown')
  expect(own.there().state).toBe('no-service-principal')
})

test('throttled, it is thrown with the time to come back, and stays open', async () => {
  const own = await openPartnerCloud()
  await own.signedIn()
  await control(own.cloud, 'POST /sign-ins', { consentsPerSecond: 0 })
  expect(await caught(run(own))).toMatchObject({ kind: 'throttled', retryAt: expect.any(Date) })
  expect(await own.row()).toMatchObject({
    step: 'consenting',
    finished_at: null,
    error_code: 'partner_throttled',
  })
  await control(own.cloud, 'POST /sign-ins', { consentsPerSecond: 50 })
  expect(await preconsentCustomer(own.context, own.customer, forever)).toMatchObject({ step: 'done' })
})

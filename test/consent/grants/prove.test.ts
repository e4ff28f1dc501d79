import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { setDefaultLevel } from '../../../src/consent/apps/permission-level.ts'
import { proveConsent } from '../../../src/consent/grants/prove.ts'
import { createTicket } from '../../../src/consent/grants/tickets.ts'
import { openConsentCloud } from './consent-cloud.ts'

const required = ['User.Read.All', 'GroupMember.Read.All', 'LicenseAssignment.Read.All']

test('never consented: required, not scheduled, no problem; asked about again ever more rarely', async () => {
  const cloud = await openConsentCloud()
  cloud.neverConsented()
  expect(await cloud.status()).toEqual({ consent: null, state: 'new', scheduled: true })
  const first = await cloud.prove()
  expect(first).toMatchObject({ status: 'required', missingRoles: required, regained: false })
  expect(first.error).toBeUndefined()
  expect(await cloud.status()).toEqual({
    consent: 'required',
    state: 'consent_required',
    scheduled: false,
  })
  expect(await cloud.problems()).toEqual([])
  const second = await cloud.prove()
  const hours = (at: Date): number => (at.getTime() - Date.now()) / 3_600_000
  expect([hours(first.nextProofAt) < 1.01, hours(second.nextProofAt) > 1.4]).toEqual([true, true])
})

test('granted: what was found, when and how is on record, and a sync is due at once', async () => {
  const cloud = await openConsentCloud()
  await sql`update entra_tenants set next_sync_at = now() + interval '1 day', consecutive_failures = 4`.execute(
    cloud.db,
  )
  const proof = await cloud.prove()
  expect(proof).toMatchObject({
    status: 'granted',
    missingRoles: [],
    regained: true,
    clientId: cloud.cloud.clientId,
  })
  expect(proof.grantedRoles).toContain('User.Read.All')
  expect(await cloud.row()).toMatchObject({
    status: 'granted',
    method: 'found',
    granted_by: null,
    missing_optional_roles: ['DeviceManagementManagedDevices.ReadWrite.All'],
    granted_at: expect.any(Date),
    waiting_since: null,
    proofs_failed: 0,
  })
  const { rows } = await sql`
    select consecutive_failures as failures, next_sync_at <= now() as due from entra_tenants
    where entra_tenant_id = ${cloud.customer}`.execute(cloud.db)
  expect(rows).toEqual([{ failures: 0, due: true }])
  expect(await cloud.prove()).toMatchObject({ status: 'granted', regained: false })
})

test.each([
  ['Directory.Read.All in the place of all', ['Directory.Read.All'], []],
  [
    'Organization.Read.All for licences',
    ['User.Read.All', 'GroupMember.Read.All', 'Organization.Read.All'],
    [],
  ],
  [
    'basic users are too little',
    ['User.ReadBasic.All', 'GroupMember.Read.All', 'LicenseAssignment.Read.All'],
    ['User.Read.All'],
  ],
  ['no licences', ['User.Read.All', 'GroupMember.Read.All'], ['LicenseAssignment.Read.All']],
])('%s', async (_, roles, missing) => {
  const cloud = await openConsentCloud()
  cloud.there().roles = [...roles]
  expect(await cloud.prove()).toMatchObject({
    status: missing.length === 0 ? 'granted' : 'insufficient',
    missingRoles: missing,
  })
  expect(await cloud.problems()).toEqual(missing.length === 0 ? [] : ['authorization_request_denied'])
})

test('roles come late: waiting, proved by itself, then granted as consented to', async () => {
  const cloud = await openConsentCloud()
  cloud.there().roles = []
  const first = await cloud.prove({ expectSoon: true, method: 'admin_consent', grantedBy: 'somebody' })
  expect(first).toMatchObject({ status: 'waiting_for_roles', missingRoles: required })
  expect(first.nextProofAt.getTime() - Date.now()).toBeLessThan(5000)
  expect(await cloud.status()).toMatchObject({ state: 'waiting_for_roles', scheduled: false })
  expect(await cloud.problems()).toEqual([])
  // A proof by schedule knows that roles may be late.
  expect(await cloud.prove()).toMatchObject({ status: 'waiting_for_roles' })
  cloud.there().roles = [...required]
  expect(await cloud.prove()).toMatchObject({ status: 'granted', regained: true })
  expect(await cloud.row()).toMatchObject({
    method: 'admin_consent',
    granted_by: 'somebody',
    waiting_since: null,
  })
})

test('roles that have not come after a quarter of an hour are missing; the app that never came is required', async () => {
  const cloud = await openConsentCloud()
  cloud.there().roles = ['User.Read.All']
  await cloud.prove({ expectSoon: true })
  await sql`update consents set waiting_since = now() - interval '15 minutes'`.execute(cloud.db)
  expect(await cloud.prove()).toMatchObject({
    status: 'insufficient',
    missingRoles: ['GroupMember.Read.All', 'LicenseAssignment.Read.All'],
  })
  cloud.neverConsented()
  expect(await cloud.prove()).toMatchObject({ status: 'required' })
})

test('revoked: one problem with the command that helps, nothing emptied; regained: closed and due', async () => {
  const cloud = await openConsentCloud()
  await cloud.prove()
  await sql`insert into persons (entra_tenant_id, object_id, display_name) values (${cloud.customer}, ${randomUUID()}, 'Ada')`.execute(
    cloud.db,
  )
  // As a run that met it first would have said it.
  await sql`insert into problems (entra_tenant_id, code, message, remedy, who_acts, topic)
    values (${cloud.customer}, 'invalid_authentication_token', 'x', 'x', 'customer_admin', 'access')`.execute(
    cloud.db,
  )
  cloud.neverConsented()
  expect(await cloud.prove()).toMatchObject({ status: 'revoked', regained: false })
  expect(await cloud.problems()).toEqual(['consent_required'])
  expect(await cloud.status()).toEqual({ consent: 'revoked', state: 'consent_required', scheduled: false })
  const { rows } = await sql<{ remedy: string }>`select remedy from problems where closed_at is null`.execute(
    cloud.db,
  )
  expect(rows[0]?.remedy).toContain(`entra-sync consent url ${cloud.customer}`)
  Object.assign(cloud.there(), { state: 'ready', roles: [...required] })
  expect(await cloud.prove({ method: 'check_now' })).toMatchObject({ status: 'granted', regained: true })
  expect(await cloud.problems()).toEqual([])
  expect(await cloud.row()).toMatchObject({ method: 'check_now' })
  const persons = await sql`select display_name, deleted_at from persons`.execute(cloud.db)
  expect(persons.rows).toEqual([{ display_name: 'Ada', deleted_at: null }])
})

test('lost between the first sync and the first proof: what could read it was consent, so it is told as revoked', async () => {
  const cloud = await openConsentCloud()
  await sql`update entra_tenants set last_synced_at = now() where entra_tenant_id = ${cloud.customer}`.execute(
    cloud.db,
  )
  cloud.neverConsented()
  expect(await cloud.prove()).toMatchObject({ status: 'revoked' })
  expect(await cloud.problems()).toEqual(['consent_required'])
})

test('read by another app before: the one that nobody has consented to yet is required, not revoked', async () => {
  const cloud = await openConsentCloud()
  await sql`insert into consents (entra_tenant_id, app_id, status) values (${cloud.customer}, ${randomUUID()}, null)`.execute(
    cloud.db,
  )
  await sql`update entra_tenants set last_synced_at = now() where entra_tenant_id = ${cloud.customer}`.execute(
    cloud.db,
  )
  cloud.neverConsented()
  expect(await cloud.prove()).toMatchObject({ status: 'required' })
  expect(await cloud.problems()).toEqual([])
})

test('a credential that has expired and a policy are no disproof: the status stays, the problem has their code', async () => {
  const cloud = await openConsentCloud()
  await cloud.prove()
  const [secret = ''] = cloud.cloud.registration.secrets
  Object.assign(cloud.cloud.registration, { secrets: [], expiredSecrets: [secret] })
  const proof = await cloud.prove()
  expect(proof).toMatchObject({ status: 'granted', error: { code: 'client_secret_expired' } })
  expect(await cloud.problems()).toEqual(['client_secret_expired'])
  expect(await cloud.status()).toMatchObject({ consent: 'granted', scheduled: true })
  Object.assign(cloud.cloud.registration, { secrets: [secret], expiredSecrets: [] })
  cloud.there().state = 'blocked-by-policy'
  expect(await cloud.prove()).toMatchObject({
    status: 'granted',
    error: { code: 'conditional_access_blocked' },
  })
  cloud.there().state = 'ready'
  expect(await cloud.prove()).toMatchObject({ status: 'granted' })
  expect(await cloud.problems()).toEqual([])
})

test('a passing fault is a problem only when it does not pass', async () => {
  const cloud = await openConsentCloud()
  cloud.cloud.faults.knobs(cloud.customer, { valueNotArray: true })
  const open: number[] = []
  for (const _ of [1, 2, 3]) {
    expect(await cloud.prove()).toMatchObject({ status: null, error: { kind: 'malformed' } })
    open.push((await cloud.problems()).length)
  }
  expect(open).toEqual([0, 0, 1])
})

test('another directory answers: nothing is stored but the problem', async () => {
  const cloud = await openConsentCloud()
  const { graph, customer, partner } = cloud
  const swapped = {
    ...graph,
    asApp: (clientId: string) => {
      const own = graph.asApp(clientId)
      const client = own.forTenant(partner)
      return { ...own, forTenant: () => ({ ...client, entraTenantId: customer, claims: async () => null }) }
    },
  }
  const proof = await proveConsent({ ...cloud.context, graph: swapped }, customer, { expectSoon: true })
  expect(proof).toMatchObject({ status: null, grantedRoles: [], error: { code: 'wrong_tenant' } })
  expect(await cloud.row()).toMatchObject({
    status: null,
    granted_roles: [],
    granted_at: null,
    proved_at: null,
  })
  expect(await cloud.problems()).toEqual(['wrong_tenant'])
  await cloud.prove()
  expect(await cloud.problems()).toEqual([])
})

test('a token of another app proves nothing of this one', async () => {
  const cloud = await openConsentCloud()
  const { graph, customer } = cloud
  const swapped = {
    ...graph,
    asApp: (clientId: string) => {
      const own = graph.asApp(clientId)
      const claims = async () => ({ tid: customer, appId: cloud.partner, roles: ['Directory.Read.All'] })
      return { ...own, forTenant: (id: string) => ({ ...own.forTenant(id), claims }) }
    },
  }
  const proof = await proveConsent({ ...cloud.context, graph: swapped }, customer)
  expect(proof).toMatchObject({ status: null, grantedRoles: [], error: { code: 'wrong_app' } })
  expect(await cloud.row()).toMatchObject({ status: null, granted_roles: [], granted_at: null })
})

test('a change of the level or of its credentials has the consent of all who follow proved, and customers read, now', async () => {
  const cloud = await openConsentCloud()
  await cloud.prove()
  const due = async () =>
    (
      await sql<{ due: boolean }>`select next_proof_at <= now() as due from consents`.execute(cloud.db)
    ).rows.map((row) => row.due)
  expect(await due()).toEqual([false])
  await sql`update entra_tenants set next_discovery_at = now() + interval '6 hours'`.execute(cloud.db)
  await setDefaultLevel(cloud.db, { entraTenantId: cloud.partner, actor: 'test' })
  expect(await due()).toEqual([true])
  const { rows } = await sql`
    select entra_tenant_id as id from entra_tenants where next_discovery_at <= now()`.execute(cloud.db)
  expect(rows).toEqual([{ id: cloud.partner }])
})

test('a token that cannot be decoded is no fault: the probes tell', async () => {
  const cloud = await openConsentCloud()
  const { graph, context, customer } = cloud
  const opaque = {
    ...graph,
    asApp: (clientId: string) => {
      const own = graph.asApp(clientId)
      const forTenant = (id: string) => ({ ...own.forTenant(id), claims: async () => null })
      return { ...own, forTenant }
    },
  }
  const prove = () => proveConsent({ ...context, graph: opaque }, customer)
  expect(await prove()).toMatchObject({
    status: 'granted',
    grantedRoles: [...required, 'Device.Read.All'],
    missingOptionalRoles: [],
  })
  cloud.there().roles = ['GroupMember.Read.All']
  expect(await prove()).toMatchObject({
    status: 'insufficient',
    grantedRoles: ['GroupMember.Read.All'],
    missingOptionalRoles: ['Device.Read.All'],
  })
  cloud.there().roles = []
  expect(await prove()).toMatchObject({ status: 'revoked', missingRoles: required })
})

test('the partner is asked for its GDAP list, too; without it, its own directory is read all the same', async () => {
  const { context, partner, cloud } = await openConsentCloud()
  await sql`update entra_tenants set partner_entra_tenant_id = null where entra_tenant_id = ${partner}`.execute(
    context.db,
  )
  const gdap = 'DelegatedAdminRelationship.Read.All'
  const first = await proveConsent(context, partner)
  expect([first.status, first.missingOptionalRoles.includes(gdap)]).toEqual(['granted', false])
  cloud.tenant(partner).app.roles = cloud.tenant(partner).app.roles.filter((role) => role !== gdap)
  const second = await proveConsent(context, partner)
  expect([second.status, second.missingOptionalRoles.includes(gdap)]).toEqual(['granted', true])
})

test('any number of proofs at once end with what is true', async () => {
  const cloud = await openConsentCloud()
  for (const roles of [[], [...required], ['User.Read.All'], [...required]]) {
    const before = Array.from({ length: 4 }, () => cloud.prove())
    cloud.there().roles = roles
    await Promise.all([...before, cloud.prove(), cloud.prove()])
    expect((await cloud.row())?.['status'] === 'granted').toBe(roles.length === required.length)
    expect((await cloud.problems()).length).toBe(roles.length === required.length ? 0 : 1)
  }
})

test('a proof that began before a consent does not undo it', async () => {
  const cloud = await openConsentCloud()
  cloud.neverConsented()
  const { graph, context, customer } = cloud
  let proceed = (): void => {}
  const held = new Promise<void>((resolve) => (proceed = resolve))
  let asked = (): void => {}
  const hasAsked = new Promise<void>((resolve) => (asked = resolve))
  // Asks at once, and answers when it is let.
  const slow = {
    ...graph,
    asApp: (clientId: string) => {
      const own = graph.asApp(clientId)
      const client = own.forTenant(customer)
      const claims = async () => {
        const answer = await client.claims().catch((error: unknown) => ({ error }))
        asked()
        await held
        if (answer !== null && 'error' in answer) throw answer.error
        return answer
      }
      return { ...own, forTenant: () => ({ ...client, claims }) }
    },
  }
  const early = proveConsent({ ...context, graph: slow }, customer)
  await hasAsked
  Object.assign(cloud.there(), { state: 'ready', roles: [...required] })
  expect(await cloud.prove({ expectSoon: true, method: 'admin_consent' })).toMatchObject({
    status: 'granted',
  })
  proceed()
  expect(await early).toMatchObject({ status: 'granted', regained: false })
  expect(await cloud.row()).toMatchObject({ status: 'granted', method: 'admin_consent' })
})

test('an Entra tenant that is not known is refused', async () => {
  const cloud = await openConsentCloud()
  await expect(proveConsent(cloud.context, randomUUID())).rejects.toMatchObject({ code: 'tenant_unknown' })
})

test('a ticket is stored hashed, for seven days, and noted', async () => {
  const cloud = await openConsentCloud()
  const ticket = { entraTenantId: cloud.customer, clientId: cloud.cloud.clientId, actor: 'command (ada)' }
  const { url, expiresAt } = await createTicket(cloud.db, ticket)
  expect(url).toMatch(/^\/consent\/start\?ticket=[\w-]{43}$/)
  expect(Math.round((expiresAt.getTime() - Date.now()) / 86_400_000)).toBe(7)
  const { rows } = await sql`select actor, action, detail::text from audit_log`.execute(cloud.db)
  expect(rows).toMatchObject([{ actor: 'command (ada)', action: 'consent_link_created' }])
  const stored = await sql`select consent_tickets::text from consent_tickets`.execute(cloud.db)
  expect(JSON.stringify([rows, stored.rows])).not.toContain(url.split('=')[1])
})

import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createAppCertificate } from '../../../simulator/certificates.ts'
import { addSecret } from '../../../simulator/registrations.ts'
import { checkApp, type AppCheckContext } from '../../../src/consent/apps/check-app.ts'
import { checkApps } from '../../../src/consent/apps/check-apps.ts'
import { consentsNeeded } from '../../../src/consent/apps/consents-needed.ts'
import { certificateCredential, secretCredential } from '../../../src/consent/apps/new-credential.ts'
import {
  readPermissionLevel,
  setCustomLevel,
  setDefaultLevel,
} from '../../../src/consent/apps/permission-level.ts'
import { readChosenApp, readCredentials } from '../../../src/db/app-registrations.ts'
import { openKeyRing } from '../../../src/key-ring.ts'
import { log } from '../cloud.ts'
import { openOwnApps, type OwnApps } from '../own-apps.ts'

const redirectUri = 'https://sync.example.com/consent-callback'
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000)
let apps: OwnApps
let context: AppCheckContext
beforeEach(async () => {
  apps = await openOwnApps()
  context = {
    db: apps.database.db,
    graph: await apps.process(),
    ring: await openKeyRing(apps.config),
    log,
    redirectUri,
    defaultApp: apps.config.defaultApp,
  }
})
afterEach(() => apps.close())

const good = {
  redirectUris: [redirectUri],
  requiredRoles: ['User.Read.All', 'GroupMember.Read.All', 'Organization.Read.All', 'Application.Read.All'],
}
/** The own app may read applications in the partner's tenant. */
function permit(clientId: string): void {
  apps.cloud.tenant(apps.partner).appOf(clientId).roles.push('Application.Read.All')
}
async function custom(
  clientId: string | null,
  credential: Parameters<typeof setCustomLevel>[2]['credential'],
) {
  return setCustomLevel(context.db, context.ring, {
    entraTenantId: apps.partner,
    clientId,
    credential,
    actor: 'test',
  })
}
const stored = async () => (await readPermissionLevel(context.db, apps.partner)).credentials
async function problems(): Promise<Record<string, string>> {
  const { rows } = await sql<{ code: string; message: string }>`
    select code, message from problems where closed_at is null and entra_tenant_id = ${apps.partner}`.execute(
    context.db,
  )
  return Object.fromEntries(rows.map(({ code, message }) => [code, message]))
}

describe('ends', () => {
  test('of secrets and certificates are read, win over what was told, and are warned of', async () => {
    const own = apps.register(good)
    permit(own.clientId)
    const soon = inDays(20)
    const first = addSecret(own.registration, soon)
    await custom(own.clientId, secretCredential(first, inDays(300)))
    expect(await problems()).toEqual({})
    expect(await checkApp(context, apps.partner)).toMatchObject({
      outcome: 'checked',
      findings: [],
      notice: null,
    })
    expect(await stored()).toMatchObject([{ expiresAt: soon, expiresSource: 'graph', registered: true }])
    expect(Object.keys(await problems())).toEqual(['credential_expiring'])
    expect((await problems())['credential_expiring']).toContain('less than 30 days')

    await custom(null, certificateCredential(await own.certificate()))
    expect((await stored())[0]).toMatchObject({ expiresSource: 'certificate', registered: null })
    await checkApp(context, apps.partner)
    expect((await stored())[0]).toMatchObject({
      kind: 'certificate',
      expiresSource: 'graph',
      registered: true,
    })
    expect(await problems()).toEqual({})
  })

  test('one that has ended, or that the registration lost, is used last and lengthens nothing', async () => {
    const own = apps.register(good)
    permit(own.clientId)
    const make = (prefix: string, endsAt: Date): string => {
      const secret = `${prefix}${randomUUID()}`
      own.registration.secrets.push(secret)
      own.registration.secretEnds.set(secret, endsAt)
      return secret
    }
    const add = async (secret: string) =>
      (await custom(own.clientId, secretCredential(secret, inDays(300)))).credentialId
    const kept = await add(make('k8Q', inDays(10)))
    const over = await add(make('o8Q', inDays(-1)))
    const gone = await add('g8Q-deleted-in-the-portal')
    const { appId } = await custom(null, null)
    const order = async () =>
      (await readCredentials(context.db, appId)).map(({ credentialId }) => credentialId)
    expect(await order()).toEqual([gone, over, kept])
    const check = await checkApp(context, apps.partner)
    expect(await order()).toEqual([kept, gone, over])
    expect(check.findings).toMatchObject([
      { code: 'credential_unregistered', message: expect.stringContaining(gone ?? '') },
    ])
    // Neither of them makes up for the one that ends in ten days.
    expect((await problems())['credential_expiring']).toContain('less than 14 days')
    const before = apps.cloud.requests.counts(apps.partner)['/oauth2/v2.0/token'] ?? 0
    context.graph = await apps.process()
    await context.graph.forTenant(apps.partner).claims()
    expect(apps.cloud.requests.counts(apps.partner)['/oauth2/v2.0/token']).toBe(before + 1)
  })

  test('not permitted is a notice, and what was told stays', async () => {
    const own = apps.register(good)
    await custom(own.clientId, secretCredential(own.secret(), inDays(300)))
    const check = await checkApp(context, apps.partner)
    expect(check).toMatchObject({
      outcome: 'not_permitted',
      notice: expect.stringContaining('Application.Read.All'),
      findings: [],
    })
    expect(await stored()).toMatchObject([{ expiresSource: 'told', registered: null }])
  })
})

describe('the registration', () => {
  test('for its own tenant only, without the redirect URI or permissions: told, with what to do; closed when it is right', async () => {
    const own = apps.register({
      singleTenant: true,
      redirectUris: [`${redirectUri}/`],
      requiredRoles: ['User.Read.All', 'Device.Read.All'],
    })
    permit(own.clientId)
    await custom(own.clientId, secretCredential(own.secret(), null))
    const { findings } = await checkApp(context, apps.partner)
    expect(findings.map(({ code }) => code)).toEqual([
      'app_single_tenant',
      'redirect_uri_missing',
      'app_permissions_unlisted',
    ])
    expect(findings[0]?.remedy).toMatch(/App registrations.*Supported account types/)
    expect(findings[1]?.remedy.endsWith(` ${redirectUri}`)).toBe(true)
    expect(findings[2]?.message).toContain('GroupMember.Read.All, LicenseAssignment.Read.All:')
    expect(Object.keys(await problems()).toSorted()).toEqual(['app_single_tenant', 'redirect_uri_missing'])

    Object.assign(own.registration, { singleTenant: false, ...good })
    expect((await checkApp(context, apps.partner)).findings).toEqual([])
    expect(await problems()).toEqual({})
  })

  test('what was found of one app does not stay when another is chosen', async () => {
    const own = apps.register({ redirectUris: [] })
    permit(own.clientId)
    await custom(own.clientId, secretCredential(own.secret(), null))
    await checkApp(context, apps.partner)
    expect(await problems()).toHaveProperty('redirect_uri_missing')
    await setDefaultLevel(context.db, { entraTenantId: apps.partner, actor: 'test' })
    expect(await problems()).toEqual({})
  })

  test('without customers a single tenant is enough, and Directory.Read.All stands for the rest', async () => {
    await sql`update entra_tenants set partner_entra_tenant_id = null`.execute(context.db)
    const own = apps.register({ ...good, singleTenant: true, requiredRoles: ['Directory.Read.All'] })
    permit(own.clientId)
    await custom(own.clientId, secretCredential(own.secret(), null))
    expect(await checkApp(context, apps.partner)).toMatchObject({ outcome: 'checked', findings: [] })
  })
})

describe('daily', () => {
  test('each owner once a day; the Default app, where it is registered, is warned of at the partner', async () => {
    apps.cloud.tenant(apps.partner).app.roles.push('Application.Read.All')
    const { registration } = apps.cloud
    registration.redirectUris = [redirectUri]
    registration.secretEndsAt = inDays(6)
    expect(await checkApps(context)).toBe(1)
    expect(await checkApps(context)).toBe(0)
    expect((await problems())['default_app_expiring']).toMatch(/Default app .*less than 7 days/)
    registration.secretEndsAt = inDays(200)
    await sql`update entra_tenants set app_checked_at = now() - interval '1 day'`.execute(context.db)
    expect(await checkApps(context)).toBe(1)
    expect(await problems()).not.toHaveProperty('default_app_expiring')
  })

  test('a certificate of the Default app tells its end itself', async () => {
    const short = await createAppCertificate('default app', 5)
    const app = { clientId: apps.cloud.clientId, certificate: short }
    await checkApps({ ...context, defaultApp: app })
    expect((await problems())['default_app_expiring']).toContain('less than 7 days')
    await custom(apps.register(good).clientId, secretCredential('whatever-it-is', null))
    await checkApps({ ...context, defaultApp: app })
    expect(await problems()).not.toHaveProperty('default_app_expiring')
  })
})

describe('who must consent after a change of level', () => {
  test.each([
    ['none', [], { custom: 'own', back: 'default' }, 2],
    ['the Default app', ['default'], { custom: 'default', back: 'default' }, 2],
    ['the own app', ['own'], { custom: 'own', back: 'own' }, 1],
    ['both', ['default', 'own'], { custom: 'own', back: 'default' }, 1],
  ] as const)('customer consented to %s', async (_, consented, expected, needed) => {
    const own = apps.register(good)
    const ids = { default: apps.cloud.clientId, own: own.clientId }
    const using = async () => (await readChosenApp(context.db, apps.customer, apps.cloud.clientId))?.clientId
    for (const which of consented) {
      await sql`insert into consents (entra_tenant_id, app_id, status, granted_at)
        values (${apps.customer}, ${ids[which]}, 'granted', now())`.execute(context.db)
    }
    await custom(own.clientId, secretCredential(own.secret(), null))
    expect(await using()).toBe(ids[expected.custom])
    const told = await consentsNeeded(context.db, apps.partner, own.clientId)
    expect(told.of).toBe(2)
    expect(told.needed).toHaveLength(needed)
    const customer = told.needed.find(({ entraTenantId }) => entraTenantId === apps.customer)
    const reads = (consented as readonly string[]).includes('default') ? ids.default : null
    if (needed === 2) expect(customer).toMatchObject({ name: 'The Customer', readWith: reads })
    await setDefaultLevel(context.db, { entraTenantId: apps.partner, actor: 'test' })
    expect(await using()).toBe(ids[expected.back])
    await custom(null, null)
    expect(await using()).toBe(ids[expected.custom])
  })

  test('an app that is not chosen but still read with is warned of, too', async () => {
    const own = apps.register(good)
    await custom(own.clientId, secretCredential(own.secret(), inDays(3)))
    await sql`insert into consents (entra_tenant_id, app_id, status, granted_at)
      values (${apps.customer}, ${own.clientId}, 'granted', now())`.execute(context.db)
    await setDefaultLevel(context.db, { entraTenantId: apps.partner, actor: 'test' })
    expect((await problems())['credential_expiring']).toContain(own.clientId)
    await sql`update consents set status = 'revoked'`.execute(context.db)
    await checkApps(context)
    expect(await problems()).not.toHaveProperty('credential_expiring')
  })
})

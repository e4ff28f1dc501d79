import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { certificateCredential, secretCredential } from '../../../src/consent/apps/new-credential.ts'
import {
  readPermissionLevel,
  removeCredential,
  setCustomLevel,
  setDefaultLevel,
} from '../../../src/consent/apps/permission-level.ts'
import { readChosenApp } from '../../../src/db/app-registrations.ts'
import { openGraph } from '../../../src/graph-of-config.ts'
import { readOrganization } from '../../../src/graph/organization.ts'
import { openKeyRing } from '../../../src/key-ring.ts'
import { log } from '../cloud.ts'
import { openOwnApps, type OwnApps } from '../own-apps.ts'

let apps: OwnApps
beforeEach(async () => {
  apps = await openOwnApps()
})
afterEach(() => apps.close())

const actor = 'test'

async function custom(clientId: string | null, secret: string | null, expires: Date | null = null) {
  return setCustomLevel(apps.database.db, await openKeyRing(apps.config), {
    entraTenantId: apps.partner,
    clientId,
    credential: secret === null ? null : secretCredential(secret, expires),
    actor,
  })
}

const tokenRequests = (id: string) => apps.cloud.requests.counts(id)['/oauth2/v2.0/token'] ?? 0

/** A run asks this first. */
async function startRun(graph: Awaited<ReturnType<OwnApps['process']>>, id: string) {
  return { appId: await graph.appIdFor(id), tokenOf: await apps.appInUse(graph, id) }
}

describe('with which app', () => {
  test('Default, until the partner has an own app; customers follow, in every process, and back', async () => {
    const own = apps.register()
    const [one, other] = [await apps.process(), await apps.process()]
    const both = (clientId: string) => ({ appId: clientId, tokenOf: clientId })
    for (const id of [apps.partner, apps.customer]) {
      expect(await startRun(one, id)).toEqual(both(apps.cloud.clientId))
      expect(await startRun(other, id)).toEqual(both(apps.cloud.clientId))
    }
    await custom(own.clientId, own.secret())
    for (const id of [apps.partner, apps.customer]) {
      expect(await startRun(one, id)).toEqual(both(own.clientId))
      expect(await startRun(other, id)).toEqual(both(own.clientId))
      expect((await readOrganization(one.forTenant(id))).id).toBe(id)
    }
    await setDefaultLevel(apps.database.db, { entraTenantId: apps.partner, actor })
    for (const id of [apps.partner, apps.customer]) {
      expect(await startRun(one, id)).toEqual(both(apps.cloud.clientId))
    }
    // Back again: app and credentials are still there.
    expect(await custom(null, null)).toMatchObject({ clientId: own.clientId, credentialId: null })
    expect(await startRun(other, apps.customer)).toEqual(both(own.clientId))
  })

  test('a customer that consented to another app keeps being read with it', async () => {
    const [first, second] = [apps.register(), apps.register()]
    await custom(first.clientId, first.secret())
    await custom(second.clientId, second.secret())
    const graph = await apps.process()
    const consent = (clientId: string, status: string, grantedAt: string) =>
      sql`insert into consents (entra_tenant_id, app_id, status, granted_at)
        values (${apps.customer}, ${clientId}, ${status}, ${grantedAt})
        on conflict (entra_tenant_id, app_id) do update set status = excluded.status`.execute(
        apps.database.db,
      )
    // The newest other consent is used until there is one to the app that the level says.
    for (const [consented, status, expected] of [
      [first.clientId, 'granted', first.clientId],
      [second.clientId, 'waiting_for_roles', first.clientId],
      [apps.cloud.clientId, 'granted', apps.cloud.clientId],
      [second.clientId, 'granted', second.clientId],
      [second.clientId, 'revoked', apps.cloud.clientId],
      [apps.cloud.clientId, 'revoked', first.clientId],
      [first.clientId, 'revoked', second.clientId],
    ] as const) {
      const day = consented === apps.cloud.clientId ? '2026-02-02' : '2026-01-01'
      await consent(consented, status, day)
      expect(await startRun(graph, apps.customer)).toEqual({ appId: expected, tokenOf: expected })
      expect((await startRun(graph, apps.partner)).appId).toBe(second.clientId)
    }
  })

  test('of two owners of one client id always the same one reads a third Entra tenant, its own first', async () => {
    const [clientId, low, high, stranger] = [
      randomUUID(),
      '10000000-0000-4000-8000-000000000000',
      'f0000000-0000-4000-8000-000000000000',
      randomUUID(),
    ]
    const { db } = apps.database
    await sql`insert into entra_tenants (entra_tenant_id) values (${stranger})`.execute(db)
    await sql`insert into app_registrations (app_id, entra_tenant_id, client_id)
      values (${high}, ${apps.partner}, ${clientId}), (${low}, ${stranger}, ${clientId})`.execute(db)
    const third = randomUUID()
    await sql`insert into entra_tenants (entra_tenant_id) values (${third})`.execute(db)
    for (const id of [third, apps.customer])
      await sql`insert into consents (entra_tenant_id, app_id, status, granted_at) values (${id}, ${clientId}, 'granted', now())`.execute(
        db,
      )
    const appOf = async (id: string) => {
      const app = await readChosenApp(db, id, null)
      return app?.level === 'custom' ? app.appId : null
    }
    expect(await appOf(third)).toBe(low)
    expect(await appOf(apps.customer)).toBe(high)
  })

  test('no app at all says what to set', async () => {
    const graph = await openGraph({ ...apps.config, defaultApp: null }, apps.database.db, log)
    expect(await graph.appIdFor(apps.partner)).toBeNull()
    await expect(graph.forTenant(apps.partner).claims()).rejects.toMatchObject({
      code: 'default_app_missing',
      remedy: expect.stringContaining('permission-level'),
    })
    graph.close()
  })
})

describe('credentials', () => {
  test('a secret is rotated without a gap and without a new consent', async () => {
    const own = apps.register()
    const [old, next] = [own.secret(), own.secret()]
    await custom(own.clientId, old)
    const graph = await apps.process()
    await startRun(graph, apps.customer)
    await custom(null, next)
    const before = tokenRequests(apps.customer)
    own.retire(old)
    expect((await startRun(graph, apps.customer)).tokenOf).toBe(own.clientId)
    expect(tokenRequests(apps.customer)).toBe(before + 1)
    const { credentials } = await readPermissionLevel(apps.database.db, apps.partner)
    expect(credentials).toHaveLength(2)
    await removeCredential(apps.database.db, {
      entraTenantId: apps.partner,
      credentialId: credentials[1]?.credentialId ?? '',
      actor,
    })
    expect((await startRun(graph, apps.customer)).tokenOf).toBe(own.clientId)
  })

  test('when the newest is refused the one before is used', async () => {
    const own = apps.register()
    await custom(own.clientId, own.secret())
    await custom(null, 'a-mistyped-secret')
    expect((await startRun(await apps.process(), apps.partner)).tokenOf).toBe(own.clientId)
  })

  test('one that has ended, as was told, is tried last', async () => {
    const own = apps.register()
    await custom(own.clientId, own.secret())
    const { credentialId } = await custom(null, 'wrong-and-expired')
    await sql`update app_credentials set expires_at = now() - interval '1 day'
      where credential_id = ${credentialId}`.execute(apps.database.db)
    const graph = await apps.process()
    await startRun(graph, apps.partner)
    expect(tokenRequests(apps.partner)).toBe(1)
  })

  test('all refused: the error of the newest', async () => {
    const own = apps.register()
    const old = own.secret()
    await custom(own.clientId, old)
    own.retire(old)
    await custom(null, 'a-mistyped-secret')
    await expect((await apps.process()).forTenant(apps.partner).claims()).rejects.toMatchObject({
      kind: 'access_lost',
      code: 'client_secret_invalid',
    })
  })

  test('a certificate beside a secret', async () => {
    const own = apps.register()
    const old = own.secret()
    await custom(own.clientId, old)
    const credential = certificateCredential(await own.certificate())
    const ring = await openKeyRing(apps.config)
    const change = { entraTenantId: apps.partner, clientId: null, credential, actor }
    await setCustomLevel(apps.database.db, ring, change)
    own.retire(old)
    expect((await startRun(await apps.process(), apps.customer)).tokenOf).toBe(own.clientId)
    const { credentials } = await readPermissionLevel(apps.database.db, apps.customer)
    expect(credentials).toMatchObject([
      {
        kind: 'certificate',
        thumbprint: expect.stringMatching(/^[0-9A-F]{64}$/),
        expiresAt: expect.any(Date),
      },
      { kind: 'secret', thumbprint: null, expiresAt: null },
    ])
  })

  test('one sealed with a key that is gone does not keep the others from being used', async () => {
    const own = apps.register()
    await custom(own.clientId, own.secret())
    const { credentialId } = await custom(null, own.secret())
    const at = (id: string) => `sealed1:${id}:${'A'.repeat(60)}`
    await sql`update app_credentials set sealed = ${at('abcdefabcdef')} where credential_id = ${credentialId}`.execute(
      apps.database.db,
    )
    const graph = await apps.process()
    expect((await startRun(graph, apps.partner)).tokenOf).toBe(own.clientId)
    await sql`update app_credentials set sealed = ${at('abcdefabcdef')}`.execute(apps.database.db)
    graph.forgetTokens(apps.partner)
    await expect(graph.forTenant(apps.partner).claims()).rejects.toMatchObject({
      kind: 'access_lost',
      code: 'secret_key_unknown',
      message: expect.stringContaining('abcdefabcdef'),
    })
  })

  test('a sealed text of one Entra tenant opens for no other', async () => {
    const own = apps.register()
    await custom(own.clientId, own.secret())
    await sql`update entra_tenants set partner_entra_tenant_id = null where entra_tenant_id = ${apps.customer}`.execute(
      apps.database.db,
    )
    await sql`with app as (insert into app_registrations (entra_tenant_id, client_id) values (${apps.customer}, ${own.clientId}) returning app_id),
      stolen as (insert into app_credentials (app_id, entra_tenant_id, kind, sealed)
        select app.app_id, ${apps.customer}, 'secret', c.sealed from app, app_credentials c)
      update entra_tenants set permission_level = 'custom', app_id = (select app_id from app)
      where entra_tenant_id = ${apps.customer}`.execute(apps.database.db)
    await expect((await apps.process()).forTenant(apps.customer).claims()).rejects.toMatchObject({
      code: 'secret_not_authentic',
    })
  })

  test('plain text is refused by the database itself', async () => {
    const own = apps.register()
    await custom(own.clientId, own.secret())
    await expect(
      sql`update app_credentials set sealed = 'a-plain-secret'`.execute(apps.database.db),
    ).rejects.toThrow(/app_credentials_sealed_check/)
  })
})

describe('refused', () => {
  test('what a level needs is told', async () => {
    const own = apps.register()
    await expect(custom(null, own.secret())).rejects.toMatchObject({ code: 'client_id_missing' })
    await expect(custom(own.clientId, null)).rejects.toMatchObject({ code: 'credential_missing' })
    const { rows } = await sql`select from app_registrations`.execute(apps.database.db)
    expect(rows).toEqual([])
    const change = { entraTenantId: apps.customer, actor }
    await expect(setDefaultLevel(apps.database.db, change)).rejects.toMatchObject({
      code: 'follows_partner',
      remedy: expect.stringContaining(apps.partner),
    })
  })

  test('without an encryption key nothing is stored', async () => {
    const own = apps.register()
    const credential = secretCredential(own.secret(), null)
    const change = { entraTenantId: apps.partner, clientId: own.clientId, credential, actor }
    await expect(setCustomLevel(apps.database.db, [], change)).rejects.toMatchObject({
      code: 'encryption_key_missing',
    })
    expect(await readPermissionLevel(apps.database.db, apps.partner)).toMatchObject({ level: 'default' })
  })

  test('the last credential of the app in use stays', async () => {
    const own = apps.register()
    const { credentialId } = await custom(own.clientId, own.secret())
    const change = { entraTenantId: apps.partner, credentialId: credentialId ?? '', actor }
    await expect(removeCredential(apps.database.db, change)).rejects.toMatchObject({
      code: 'credential_last',
    })
    await expect(
      removeCredential(apps.database.db, {
        ...change,
        entraTenantId: apps.partner,
        credentialId: apps.partner,
      }),
    ).rejects.toMatchObject({ code: 'credential_unknown' })
    await setDefaultLevel(apps.database.db, change)
    await removeCredential(apps.database.db, change)
    const { rows } = await sql<{ action: string }>`select action from audit_log order by audit_id`.execute(
      apps.database.db,
    )
    expect(rows.map(({ action }) => action)).toEqual([
      'permission_level',
      'permission_level',
      'credential_removed',
    ])
  })

  test.each([
    ['', /empty/],
    ['3c1e7f62-0000-4000-8000-00000000abcd\n', /ID of a client secret/],
    ['one\ntwo', /several lines/],
  ])('the secret %j', (text, why) => {
    expect(() => secretCredential(text, null)).toThrow(why)
  })

  test('an end in the past, and a certificate without its key', () => {
    expect(() => secretCredential('secret', new Date(Date.now() - 1000))).toThrow(/past/)
    expect(() => certificateCredential('-----BEGIN CERTIFICATE-----')).toThrow(/no private key/)
  })
})

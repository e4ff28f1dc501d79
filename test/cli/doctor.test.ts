import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CommandContext } from '../../src/cli/context.ts'
import { doctor } from '../../src/cli/doctor.ts'
import { loadConfig } from '../../src/config.ts'
import { openProblem } from '../../src/db/problems.ts'
import { partnerSignInPurpose } from '../../src/db/sealed-rows.ts'
import { silenceProblems } from '../../src/db/silences.ts'
import type { Database } from '../../src/db/tables.ts'
import { openQueues } from '../../src/jobs/queues.ts'
import { openKeyRing } from '../../src/key-ring.ts'
import { seal } from '../../src/secrets.ts'
import { log } from '../consent/cloud.ts'
import { openOwnApps, type OwnApps } from '../consent/own-apps.ts'

let apps: OwnApps
let db: Kysely<Database>
let ids: string[]

/** The MSP's partner tenant and 25 customers, of which all is well. */
beforeEach(async () => {
  apps = await openOwnApps()
  db = apps.database.db
  ids = [apps.customer, ...Array.from({ length: 24 }, () => randomUUID())]
  const { partner, cloud } = apps
  await sql`insert into entra_tenants (entra_tenant_id, display_name, partner_entra_tenant_id)
    select id, 'Customer ' || lpad(n::text, 2, '0'), ${partner} from unnest(${ids}::uuid[]) with ordinality as c (id, n)
    on conflict (entra_tenant_id) do update set display_name = excluded.display_name`.execute(db)
  await sql`insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id, display_name)
    select ${partner}, id, 'Customer' from unnest(${ids}::uuid[]) as c (id)`.execute(db)
  await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status, ends_at, auto_extends)
    select 'of ' || id, ${partner}, id, 'active', now() + interval '1 year', true from unnest(${ids}::uuid[]) as c (id)`.execute(
    db,
  )
  await sql`insert into consents (entra_tenant_id, app_id, status)
    select entra_tenant_id, ${cloud.clientId}, 'granted' from entra_tenants`.execute(db)
  await sql`with made as (
      insert into tenants (name, slug, is_msp)
      select display_name, replace(lower(display_name), ' ', '-'), entra_tenant_id = ${partner} from entra_tenants
      returning tenant_id, name)
    insert into tenant_links (tenant_id, entra_tenant_id)
    select tenant_id, entra_tenant_id from made join entra_tenants on name = display_name`.execute(db)
  await sql`insert into partner_sign_ins (partner_entra_tenant_id, user_object_id, user_principal_name, app_id, sealed, signed_in_by)
    values (${partner}, gen_random_uuid(), 'anna@msp.example', ${cloud.clientId}, ${await sealedText()}, 'test')`.execute(
    db,
  )
  await sql`update entra_tenants set last_synced_at = now() - interval '5 minutes'`.execute(db)
})
afterEach(() => apps.close())

async function sealedText(): Promise<string> {
  const ring = await openKeyRing(apps.config)
  return seal(ring, 'refresh', { purpose: partnerSignInPurpose, entraTenantId: apps.partner })
}

interface Told {
  code: number
  lines: string[]
  text: string
  document: { ok: boolean; findings: { check: string; verdict: string; remedy?: string }[] }
}

async function told(env: Record<string, string> = {}): Promise<Told> {
  const lines: string[] = []
  const documents: unknown[] = []
  const context: CommandContext = {
    config: loadConfig({ ...apps.env, ...env }),
    log,
    signal: new AbortController().signal,
    output: {
      json: false,
      width: null,
      line: (text = '') => void lines.push(...text.split('\n')),
      notice: (text) => void lines.push(text),
      document: (value) => void documents.push(value),
    },
  }
  const code = await doctor(context)
  expect(documents).toHaveLength(1)
  return { code, lines, text: lines.join('\n'), document: documents[0] as Told['document'] }
}

const problem = (code: string, message: string) =>
  ({ code, message, remedy: 'Do this.', whoActs: 'customer_admin', topic: 'access' }) as const

test('25 customers of which all is well are one screen, and nothing but a worker and a role with fewer rights is missed', async () => {
  const { code, lines, text, document } = await told()
  expect(code).toBe(0)
  expect(document.ok).toBe(true)
  expect(lines.length).toBeLessThanOrEqual(40)
  expect(lines.at(-1)).toBe('To look at: database role, workers.')
  for (const line of [
    /^ok {4}configuration: cloud custom, Default app .* with a secret/m,
    /^ok {4}redirect URI: https:\/\/sync\.example\.com\/consent-callback /m,
    /^ok {4}MSP: The Partner, linked to Entra tenant/m,
    /^ok {4}sign-in to The Partner: Graph answers as/m,
    /^ok {4}customers: 25 customers imported, none left$/m,
    /^ok {4}GDAP: 25 customers active$/m,
    /^ok {4}consent: 26 Entra tenants granted$/m,
    /^ok {4}partner sign-ins: anna@msp\.example \(The Partner\)$/m,
    /^ok {4}links: 26 Entra tenants linked$/m,
    /^ok {4}problems: none is open$/m,
    /^ok {4}holds: none is open$/m,
    /^ok {4}freshness: 26 Entra tenants synced, the oldest 5 min ago$/m,
    /^warn {2}workers: none is connected.*\n {6}Start the daemon: entra-sync run\.$/m,
  ]) {
    expect(text).toMatch(line)
  }
})

test('with a worker, all is well but the role', async () => {
  const queues = await openQueues(apps.database.url, { log })
  const worker = queues.openWorker('sync', async () => '', { concurrency: 1 })
  const running = worker.run()
  try {
    await worker.waitUntilReady()
    const { text, lines } = await told()
    expect(text).toMatch(/^ok {4}workers: 1 connected$/m)
    expect(lines.at(-1)).toBe('To look at: database role.')
  } finally {
    await worker.close()
    await running
    await queues.close()
  }
})

describe('each thing that is not right, with its remedy', () => {
  const first = () => ids[0] ?? ''
  const consent = (status: string, from: number, to: number) =>
    sql`update consents set status = ${status}, missing_roles = case when ${status} = 'insufficient' then '{User.Read.All}'::text[] else '{}' end
      where entra_tenant_id = any (${ids.slice(from, to)}::uuid[])`.execute(db)

  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'no consent',
      () => consent('required', 0, 7),
      /^warn {2}consent: not given by 7 Entra tenants: Customer 01, Customer 02, Customer 03, Customer 04, Customer 05 and 2 more\n {6}Send the link of entra-sync consent url ID .*entra-sync preconsent ID\.$/m,
    ],
    [
      'consent taken back',
      () => consent('revoked', 1, 2),
      /^warn {2}consent: taken back by 1 Entra tenant: Customer 02\n {6}Ask there why\. .*consent url [0-9a-f-]{36} /m,
    ],
    [
      'permissions missing',
      () => consent('insufficient', 1, 3),
      /^warn {2}consent: permissions missing in 2 Entra tenants: Customer 02, Customer 03\n {6}.*User\.Read\.All/m,
    ],
    [
      'roles late',
      () => consent('waiting_for_roles', 0, 1),
      /^warn {2}consent: given, permissions not live yet in 1 .*\n {6}Nothing to do for some minutes.*consent verify [0-9a-f-]{36} /m,
    ],
    [
      'another app',
      async () => {
        const { clientId } = apps.register()
        await sql`insert into app_registrations (entra_tenant_id, client_id) values (${apps.partner}, ${clientId})`.execute(
          db,
        )
        await sql`update consents set app_id = ${clientId} where entra_tenant_id = ${first()}`.execute(db)
      },
      /^warn {2}consent: given to another app than the permission level says by 1 .*\n {6}That one is used meanwhile/m,
    ],
    [
      'not proved',
      () => sql`delete from consents where entra_tenant_id = ${first()}`.execute(db),
      /^warn {2}consent: not proved yet in 1 .*\n {6}The daemon proves it/m,
    ],
    [
      'GDAP ends',
      () =>
        sql`update gdap_relationships set auto_extends = false, ends_at = now() + interval '9 days'
          where entra_tenant_id = ${first()}`.execute(db),
      /^warn {2}GDAP: ends soon without auto-extend at \d customers?: Customer 01 \(\d{4}-\d\d-\d\d\)\n {6}Set auto-extend/m,
    ],
    [
      'GDAP ended',
      () =>
        sql`update gdap_relationships set status = 'terminated' where entra_tenant_id = any (${ids.slice(3, 5)}::uuid[])`.execute(
          db,
        ),
      /^warn {2}GDAP: ended at 2 customers, which are not synced: Customer 04, Customer 05\n {6}Request a new relationship/m,
    ],
    [
      'a customer that was not imported',
      async () => {
        const id = randomUUID()
        await sql`insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id, display_name)
          values (${apps.partner}, ${id}, 'Newcomer')`.execute(db)
        await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
          values ('new', ${apps.partner}, ${id}, 'active')`.execute(db)
      },
      /^warn {2}customers: found and not imported: 1 customer: Newcomer\n {6}Import them: entra-sync customers import [0-9a-f-]{36}\.$/m,
    ],
    [
      'a sign-in that Microsoft refused',
      () => sql`update partner_sign_ins set refused_at = now(), refused_code = 'sign_in_revoked'`.execute(db),
      /^warn {2}partner sign-ins: Microsoft takes these no more: anna@msp\.example \(The Partner\)\n {6}Have the partner user sign in again/m,
    ],
    [
      'a pre-consent that failed',
      () =>
        sql`insert into preconsents (entra_tenant_id, app_id, partner_entra_tenant_id, step, requested_by, finished_at, error_message, error_remedy)
          values (${first()}, ${apps.cloud.clientId}, ${apps.partner}, 'failed', 't', now(), 'Refused.', 'Put the user into AdminAgents.')`.execute(
          db,
        ),
      /^warn {2}pre-consent: failed for 1 customer: Customer 01; Customer 01: Refused\.\n {6}Put the user into AdminAgents\. Then run entra-sync preconsent [0-9a-f-]{36} again\.$/m,
    ],
    [
      'an Entra tenant without a tenant, and a tenant without an Entra tenant',
      () => sql`delete from tenant_links where entra_tenant_id = ${first()}`.execute(db),
      /^warn {2}links: 1 Entra tenant without a tenant, whose persons belong to nobody: Customer 01\n {6}Link: entra-sync link TENANT [0-9a-f-]{36}\.\nwarn {2}links: 1 tenant without an Entra tenant: Customer 01\n {6}Link: entra-sync link customer-01 ID-OR-DOMAIN\.$/m,
    ],
    [
      'an MSP without an Entra tenant',
      () => sql`delete from tenant_links where entra_tenant_id = ${apps.partner}`.execute(db),
      /^fail {2}MSP: The Partner is linked to no Entra tenant\n {6}Link it: entra-sync link the-partner ID-OR-DOMAIN\.$/m,
    ],
    [
      'a problem of one',
      () => openProblem(db, first(), problem('app_disabled', 'It is disabled.')),
      /^warn {2}problems: app_disabled for \d s at Customer 01: It is disabled\.\n {6}customer's admin: Do this\.$/m,
    ],
    [
      'a problem of many, and silenced ones',
      async () => {
        for (const id of ids.slice(0, 3)) await openProblem(db, id, problem('consent_required', 'It is not.'))
        await openProblem(db, first(), problem('drift_users', 'It drifts.'))
        const key = { code: 'drift_users', entraTenantId: null }
        await silenceProblems(db, key, { until: null, reason: '', actor: 'test' })
      },
      /^warn {2}problems: consent_required for \d s at Customer 01, Customer 02, Customer 03: the app is not consented to in this tenant\n {6}customer's admin: Send the link of entra-sync consent url .*\nok {4}problems: 1 silenced$/m,
    ],
    [
      'removals kept back',
      () =>
        sql`insert into holds (entra_tenant_id, kind, reason, size, of_total) values (${first()}, 'person', 'r', 9, 10)`.execute(
          db,
        ),
      /^warn {2}holds: 1 set of removals kept back at Customer 01\n {6}Nothing in them is removed before/m,
    ],
    [
      'one that is late',
      () =>
        sql`update entra_tenants set last_synced_at = now() - interval '3 days' where entra_tenant_id = ${first()}`.execute(
          db,
        ),
      /^warn {2}freshness: 1 of 26 Entra tenants not synced in time, the oldest for 3 d: Customer 01\n {6}See that a worker runs/m,
    ],
    [
      'most of them late',
      () => sql`update entra_tenants set last_synced_at = now() - interval '3 days'`.execute(db),
      /^fail {2}freshness: 26 of 26 /m,
    ],
    [
      'a partner that cannot be signed in to',
      async () => {
        const { registration, clientSecret } = apps.cloud
        registration.secrets = []
        registration.expiredSecrets = [clientSecret]
      },
      /^fail {2}sign-in to The Partner: .*expired.*\n {6}Create a new secret.* > app [0-9a-f-]{36} >/m,
    ],
  ])('%s', async (_what, breakIt, expected) => {
    await breakIt()
    const { code, text, lines, document } = await told()
    expect(text).toMatch(expected)
    expect(lines.length).toBeLessThanOrEqual(40)
    const failing = document.findings.filter(({ verdict }) => verdict === 'fail')
    expect(code).toBe(failing.length > 0 ? 1 : 0)
    const wrong = document.findings.filter(({ verdict }) => verdict !== 'ok')
    expect(wrong.filter(({ remedy }) => remedy === undefined)).toEqual([])
    expect(lines.at(-1)).toContain(wrong[1]?.check)
  })

  test('a redirect URI that nobody else reaches', async () => {
    const { text } = await told({ PUBLIC_URL: '' })
    expect(text).toMatch(
      /^warn {2}redirect URI: http:\/\/localhost:\d+\/consent-callback .*\n {6}Set PUBLIC_URL/m,
    )
  })

  test('an old schema: said once, and nothing that needs it', async () => {
    await sql`insert into schema_migrations (version, name, checksum) values (9999, 'future', 'x')`.execute(
      db,
    )
    const { code, text, document } = await told()
    expect(code).toBe(1)
    expect(text).toMatch(/^fail {2}schema: /m)
    expect(document.findings.at(-1)?.check).toBe('schema')
  })
})

test('what a name tries is not printed, and a gone or offboarded Entra tenant is no matter', async () => {
  const [one = '', two = '', three = ''] = ids
  await sql`update entra_tenants set display_name = 'Evil' || chr(27) || '[2J' || chr(10) || 'ok    all' where entra_tenant_id = ${one}`.execute(
    db,
  )
  await sql`update entra_tenants set gone_at = now() where entra_tenant_id = ${two}`.execute(db)
  await sql`update entra_tenants set offboarded_at = now() where entra_tenant_id = ${three}`.execute(db)
  await sql`update consents set status = 'required' where entra_tenant_id = any (${[one, two, three]}::uuid[])`.execute(
    db,
  )
  const { lines, text } = await told()
  expect(text).toMatch(/^warn {2}consent: not given by 1 Entra tenant: Evil ok {4}all$/m)
  expect(text).not.toContain('\u001B')
  expect(lines).toContain('ok    GDAP: 23 customers active')
})

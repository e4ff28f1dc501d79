import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { describe, expect, onTestFinished, test } from 'vitest'
import { writeArchive } from '../../../src/consent/offboard/archive.ts'
import { startForgetting } from '../../../src/consent/offboard/forget-tokens.ts'
import { offboard, type OffboardRequest } from '../../../src/consent/offboard/offboard.ts'
import { archivedTables, ownedTables } from '../../../src/consent/offboard/owned-tables.ts'
import { purge } from '../../../src/consent/offboard/purge.ts'
import { reinstate } from '../../../src/consent/offboard/reinstate.ts'
import { EntraSyncError } from '../../../src/errors.ts'
import { releaseTargets } from '../../../src/targets/release.ts'
import { forgottenFamilies } from '../../../src/targets/waiting.ts'
import { runSync } from '../../../src/sync/run.ts'
import { requestSync } from '../../../src/sync/requests.ts'
import { log } from '../cloud.ts'
import { until } from '../../jobs/support.ts'
import { Script, scriptedContext, sku, syncOnce, user } from '../../sync/scripted.ts'
import { openFilled, rowsNaming, type Filled } from './filled.ts'

type Opened = Awaited<ReturnType<typeof openFilled>>

/** Everything that an offboarding needs of others. */
function contextOf({ db, graph }: Filled) {
  const guard = { holdMin: 5, holdPercent: 10, holdMax: 500 }
  const releasing = { db, log, guard, licenseGraceMs: 0 }
  return { db, graph, log, releaseTargets: (ids: readonly string[]) => releaseTargets(releasing, ids) }
}

function act(filled: Filled, more: Partial<OffboardRequest> = {}, revokeGrants?: () => Promise<never>) {
  const { customer } = filled
  return offboard(
    { ...contextOf(filled), ...(revokeGrants && { revokeGrants }) },
    {
      entraTenantId: customer,
      actor: 'test',
      archiveFile: null,
      purge: false,
      revoke: false,
      ...more,
    },
  )
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'entra-sync-offboard-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

const counted = (rows: Map<string, string[]>) =>
  Object.fromEntries([...rows].flatMap(([name, { length }]) => (length === 0 ? [] : [[name, length]])))

/** Tables in which the stranger is not told of, though it has a row there: they name no Entra tenant. */
const nameless = [
  'sync_seen',
  'tenants',
  'app_entitlements',
  'app_budgets',
  'app_entitlement_plans',
  'cloud_outages',
  'computers',
  'deployments',
  'fleet_freezes',
  'heartbeats',
  'license_grace_look',
  'maintenance_items',
  'restore_witness',
  'target_changes',
  'target_feed',
  'target_runs',
]

/** The tenant that stays is a family by itself then, and is resolved as one. */
const resolved = ['target_dirt', 'target_families']

describe('purge', () => {
  test('afterwards no row names it but the audit log, and nobody else lost any', async () => {
    const filled = await openFilled()
    const { db, customer } = filled
    const before = await rowsNaming(db, customer)
    // Not vacuous: each table of the schema had rows of it.
    expect([...before].filter(([name, rows]) => rows.length === 0 && !nameless.includes(name))).toEqual([])
    const others = await rowsNaming(db, customer, false)
    const seen = await sql`select from sync_seen`.execute(db)

    const { purged, plan } = await act(filled, { purge: true })
    expect(counted(await rowsNaming(db, customer))).toEqual({})
    const rest = await rowsNaming(db, customer, false)
    for (const [name, rows] of others) {
      // The one linked tenant is to be resolved anew.
      if (![...nameless, ...resolved].includes(name))
        expect({ name, rows: rest.get(name) }).toEqual({ name, rows })
    }
    expect(rest.get('tenants')).toHaveLength(others.get('tenants')?.length ?? 0)
    expect((await sql`select from sync_seen`.execute(db)).rows).toHaveLength(seen.rows.length - 1)
    expect(purged).toMatchObject({ entra_tenants: 1, tenant_links: 1, sync_seen: 1, consents: 1 })
    expect(plan.protectedPersons).toEqual([`boss@${customer.slice(0, 8)}.example`])
    const { rows } = await sql<{ action: string; detail: object }>`
      select action, detail from audit_log where entra_tenant_id = ${customer} order by audit_id desc limit 2`.execute(
      db,
    )
    expect(rows).toMatchObject([
      { action: 'entra_tenant_purged', detail: { rows: purged, protectedPersons: plan.protectedPersons } },
      { action: 'entra_tenant_offboarded', detail: { purge: true } },
    ])
    await expect(act(filled, { purge: true })).rejects.toMatchObject({ code: 'tenant_unknown' })
  })

  test('its targets are archived, then taken away, which the feed tells; broken off, the daemon does it', async () => {
    const filled = await openFilled()
    const { db, customer } = filled
    const targets = () => sql`select from deployment_targets where family_id = ${customer}`.execute(db)
    expect((await targets()).rows).toHaveLength(1)
    const archiveFile = join(await folder(), 'customer.jsonl')
    const kept = await act(filled, { archiveFile })
    expect(kept.archived?.rows).toMatchObject({ deployment_targets: 1 })
    expect(kept).toMatchObject({ unassigned: null, plan: { counts: { targets: 1 } } })
    expect((await targets()).rows).toHaveLength(1)

    const order = { entraTenantId: customer, actor: 'test', protectedPersons: [] }
    await purge(db, order)
    expect((await targets()).rows).toHaveLength(1)
    expect(await forgottenFamilies(db, 0)).toContain(customer)
    expect(await contextOf(filled).releaseTargets([customer])).toEqual({ unassigned: 1, failed: 0 })
    expect((await targets()).rows).toHaveLength(0)
    const { rows } = await sql`select change, reason, after, deliberate from target_changes`.execute(db)
    expect(rows).toEqual([{ change: 'unassigned', reason: { by: 'gone' }, after: null, deliberate: true }])
    expect(counted(await rowsNaming(db, customer))).toEqual({})
  })

  test('broken off it goes on; reinstated meanwhile it deletes nothing more', async () => {
    const filled = await openFilled()
    const { db, customer } = filled
    // The 11th table is as far as it comes.
    let asked = 0
    const signal = {
      throwIfAborted() {
        if ((asked += 1) > 10) throw new EntraSyncError('aborted', 'stopped', { code: 'aborted' })
      },
    } as AbortSignal
    await act(filled)
    const order = { entraTenantId: customer, actor: 'test', protectedPersons: [] }
    await expect(purge(db, order, signal)).rejects.toMatchObject({ kind: 'aborted' })
    const half = counted(await rowsNaming(db, customer))
    expect(half).not.toHaveProperty('persons')
    expect(half).toHaveProperty('tenant_links')

    await db.transaction().execute((trx) => reinstate(trx, customer))
    await expect(purge(db, order)).rejects.toMatchObject({ code: 'not_offboarded' })
    expect(counted(await rowsNaming(db, customer))).toEqual(half)

    await act(filled, { purge: true })
    expect(counted(await rowsNaming(db, customer))).toEqual({})
  })

  test('every table that names an Entra tenant is known', async () => {
    const { db } = await openFilled()
    const { rows } = await sql<{ name: string }>`
      select distinct table_name as name from information_schema.columns
      join information_schema.tables using (table_schema, table_name)
      where table_schema = 'entra_sync' and table_type = 'BASE TABLE' and column_name like '%entra_tenant_id'
      order by 1`.execute(db)
    const known = [...ownedTables.map(({ name }) => name), 'entra_tenants', 'audit_log']
    expect(rows.map(({ name }) => name).filter((name) => !known.includes(name))).toEqual([])
  })
})

describe('stop', () => {
  const state = async ({ db, customer }: Filled) =>
    (
      await sql<{ state: string; scheduled: boolean }>`
        select state, scheduled from tenant_status where entra_tenant_id = ${customer}`.execute(db)
    ).rows[0]

  test('requests, links, states, pre-consents and problems are void, and nothing starts', async () => {
    const filled = await openFilled()
    const { db, customer, sync } = filled
    await requestSync(db, { entraTenantId: customer, requestedBy: 'test', priority: 10, mode: 'full' })
    const { stopped, left } = await act(filled)
    expect(stopped).toMatchObject({
      before: false,
      requests: 1,
      tickets: 1,
      states: 1,
      preconsents: 1,
      runs: 1,
      problems: 1,
    })
    expect(await state(filled)).toEqual({ state: 'offboarded', scheduled: false })
    expect((await runSync(sync, customer)).status).toBe('nothing')
    expect(left.join('\n')).toMatch(/GDAP relationship is active[^]*--purge --yes[^]*ImmyBot tenants stay/)
    const again = await act(filled)
    expect(again.stopped).toMatchObject({ before: true, at: stopped.at, requests: 0, tickets: 0, runs: 0 })
  })

  test('a page on its way when it is offboarded is not written', async () => {
    const filled = await openFilled()
    const { db, customer } = filled
    await sql`delete from persons where entra_tenant_id = ${customer}`.execute(db)
    const script = new Script(customer)
    const users = [[user(1)], { before: async () => void (await act(filled)), value: [user(2)] }]
    script.round('users', ...users).round('skus', [sku(1)])
    const context = scriptedContext(db, script)
    const result = await syncOnce(context, customer, { mode: 'full', collections: ['users'] })
    expect(result.status).toBe('fenced')
    const { rows } = await sql<{ upn: string; outcome: string }>`
      select user_principal_name as upn from persons where entra_tenant_id = ${customer}`.execute(db)
    expect(rows.map(({ upn }) => upn)).toEqual(['user1@contoso.example'])
    const { rows: runs } = await sql<{ outcome: string }>`
      select outcome from sync_runs where run_id = ${result.runId ?? ''}`.execute(db)
    expect(runs).toEqual([{ outcome: 'fenced' }])
  })

  test('reinstated it is read again, to the end', async () => {
    const filled = await openFilled()
    const { db, customer, sync } = filled
    await act(filled)
    expect(await db.transaction().execute((trx) => reinstate(trx, customer))).toBe(true)
    expect(await db.transaction().execute((trx) => reinstate(trx, customer))).toBe(false)
    expect((await state(filled))?.scheduled).toBe(true)
    const result = await syncOnce(sync, customer)
    expect(result).toMatchObject({ status: 'finished' })
    expect(Object.keys(result.summary).toSorted()).toEqual(
      expect.arrayContaining(['groups', 'skus', 'users']),
    )
  })

  test('tokens are dropped here at once, and in other processes when they look', async () => {
    const filled = await openFilled()
    const { db, customer, graph } = filled
    const other = await filled.process()
    await graph.forTenant(customer).claims()
    await other.forTenant(customer).claims()
    const forgetting = startForgetting({ db, forgetTokens: other.forgetTokens, log, everyMs: 20 })
    onTestFinished(() => forgetting.stop())
    await act(filled)
    const refused = (one: typeof graph) =>
      one
        .forTenant(customer)
        .claims()
        .then(
          () => false,
          (error: unknown) => (error instanceof EntraSyncError ? error.code : false),
        )
    expect(await refused(graph)).toBe('tenant_not_read')
    expect(await graph.appIdFor(customer)).toBeNull()
    expect(await until('it is forgotten elsewhere', () => refused(other))).toBe('tenant_not_read')
  })

  test.each([
    ['partner', /partner with 1 customers/, 'offboard_partner', false],
    ['partner', /Entra tenant of the MSP itself, The MSP/, 'offboard_msp', true],
  ] as const)('the %s is refused: %s', async (_, message, code, msp) => {
    const filled = await openFilled()
    const { db, partner } = filled
    if (!msp) await sql`update tenants set is_msp = false`.execute(db)
    await expect(act(filled, { entraTenantId: partner })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      remedy: expect.any(String),
    })
    const { rows } = await sql`select from entra_tenants where offboarded_at is not null`.execute(db)
    expect(rows).toEqual([])
  })

  test('a partner goes after its customers; to purge it, they are purged first', async () => {
    const filled = await openFilled()
    const { db, partner, customer } = filled
    await sql`update tenants set is_msp = false`.execute(db)
    await act(filled)
    expect((await act(filled, { entraTenantId: partner })).stopped.before).toBe(false)
    await expect(act(filled, { entraTenantId: partner, purge: true })).rejects.toMatchObject({
      code: 'offboard_partner',
    })
    await act(filled, { purge: true })
    await act(filled, { entraTenantId: partner, purge: true })
    expect(counted(await rowsNaming(db, partner))).toEqual({})
    expect(counted(await rowsNaming(db, customer))).toEqual({})
  })
})

describe('grants', () => {
  test('without --revoke, and where nobody can, the steps of the admin are told with the name', async () => {
    const filled = await openFilled()
    filled.cloud.tenant(filled.customer).app.roles.push('Application.Read.All')
    const [grant] = (await act(filled)).grants
    expect(grant).toMatchObject({
      clientId: filled.cloud.clientId,
      name: expect.any(String),
      principalId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      outcome: 'left',
      why: 'It was not asked for (--revoke).',
      steps: expect.stringMatching(
        new RegExp(`Enterprise applications.*${filled.cloud.clientId} \\(.+\\).*Delete`),
      ),
    })
    expect((await act(filled, { revoke: true })).grants[0]?.why).toMatch(/Nobody has signed in/)
  })

  test('revoked, left and refused are told apart, and noted', async () => {
    const filled = await openFilled()
    const { db, customer } = filled
    const status = async () =>
      (
        await sql<{
          status: string
        }>`select status from consents where entra_tenant_id = ${customer}`.execute(db)
      ).rows[0]?.status
    const refuse = () =>
      Promise.reject(new EntraSyncError('access_lost', 'Refused.', { code: 'gdap_missing', remedy: 'Ask.' }))
    const refused = await act(filled, { revoke: true }, refuse)
    expect(refused.grants).toMatchObject([{ outcome: 'left', why: 'Refused. Ask.' }])
    const request = { entraTenantId: customer, actor: 'test', archiveFile: null, purge: false, revoke: true }
    const part = await offboard(
      {
        ...contextOf(filled),
        revokeGrants: async () => ({ revoked: ['User.Read.All'], left: ['Group.Read.All'] }),
      },
      request,
    )
    expect(part.grants).toMatchObject([{ outcome: 'left', left: ['Group.Read.All'] }])
    expect(await status()).toBe('granted')
    const asked: string[] = []
    const whole = await offboard(
      {
        ...contextOf(filled),
        async revokeGrants(id, clientId) {
          asked.push(id, clientId)
          return { revoked: ['User.Read.All'], left: [] }
        },
      },
      request,
    )
    expect(asked).toEqual([customer, filled.cloud.clientId])
    expect(whole.grants).toMatchObject([{ outcome: 'revoked', revoked: ['User.Read.All'], steps: null }])
    expect(await status()).toBe('revoked')
    expect((await act(filled, { revoke: true })).grants).toEqual([])
  })
})

describe('archive', () => {
  interface Line {
    archive?: string
    end?: boolean
    table?: string
    row?: Record<string, unknown>
    rows?: Record<string, number>
  }
  async function archive(filled: Opened) {
    const file = join(await folder(), 'customer.jsonl')
    const { archived } = await act(filled, { archiveFile: file, purge: true })
    const text = await readFile(file, 'utf8')
    return {
      file,
      archived,
      text,
      lines: text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Line),
    }
  }

  test('has every row of every table, no secret, and is for its owner alone', async () => {
    const filled = await openFilled()
    const before = counted(await rowsNaming(filled.db, filled.customer))
    const { file, archived, lines, text } = await archive(filled)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(lines[0]).toMatchObject({ archive: 'entra-sync', version: 1, entraTenantId: filled.customer })
    const end = lines.at(-1)
    expect(end).toEqual({ end: true, rows: archived?.rows })
    const rows = lines.slice(1, -1)
    for (const { name } of archivedTables) {
      const count = rows.filter(({ table }) => table === name).length
      expect({ name, count }).toEqual({ name, count: end?.rows?.[name] })
      if (name !== 'tenants') expect({ name, there: count > 0 }).toEqual({ name, there: true })
    }
    expect(end?.rows).toMatchObject({ persons: before['persons'], group_members: before['group_members'] })
    expect(rows.every(({ row }) => row !== undefined && !('sealed' in row))).toBe(true)
    expect(text).not.toMatch(/sealed1:|deltatoken|_hash"/)
    expect(text).toContain('app_credentials')
    expect(text).not.toContain(filled.stranger)
  })

  test('never in the place of another file, and nothing is stopped then', async () => {
    const filled = await openFilled()
    const { db } = filled
    const path = await folder()
    const file = join(path, 'there.jsonl')
    await writeFile(file, 'precious')
    const offboarded = async () =>
      (await sql`select from entra_tenants where offboarded_at is not null`.execute(db)).rows.length
    await expect(act(filled, { archiveFile: file })).rejects.toMatchObject({ code: 'archive_exists' })
    await expect(act(filled, { archiveFile: join(path, 'no', 'where.jsonl') })).rejects.toMatchObject({
      code: 'archive_not_writable',
    })
    expect(await offboarded()).toBe(0)
    expect(await readFile(file, 'utf8')).toBe('precious')
    await expect(writeArchive(db, filled.customer, file)).rejects.toMatchObject({ code: 'archive_exists' })
    expect(await readdir(path)).toEqual(['there.jsonl'])
  })

  test('whole or not at all', async () => {
    const { db, customer } = await openFilled()
    const path = await folder()
    for (const after of [0, 3, 12]) {
      let asked = 0
      const signal = {
        throwIfAborted() {
          if ((asked += 1) > after) throw new EntraSyncError('aborted', 'stopped', { code: 'aborted' })
        },
      } as AbortSignal
      await expect(writeArchive(db, customer, join(path, 'a.jsonl'), signal)).rejects.toMatchObject({
        kind: 'aborted',
      })
      expect(await readdir(path)).toEqual([])
    }
  })
})

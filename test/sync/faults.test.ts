import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { EntraSyncError } from '../../src/errors.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { runSync } from '../../src/sync/run.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { group, guid, numbers, Script, scriptedContext, sku, syncOnce, user } from './scripted.ts'

const tenant = guid(1, 99)
let database: TestDatabase
let db: Kysely<Database>
let script: Script

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  await db.insertInto('entra_tenants').values({ entra_tenant_id: tenant }).execute()
  script = new Script(tenant)
})
afterEach(() => database.drop())

const people = (change: (n: number) => object = () => ({})) => numbers(30).map((n) => user(n, change(n)))
const problems = async () => {
  const rows = await db.selectFrom('problems').select('code').where('closed_at', 'is', null).execute()
  return rows.map((row) => row.code)
}

test('an app id in capitals is the same app: the next round is a delta', async () => {
  const context = scriptedContext(db, script, { appIdFor: () => '00000000-0000-4000-8000-00000000ABCD' })
  script.round('users', people())
  await syncOnce(context, tenant)
  expect(await syncOnce(context, tenant)).toMatchObject({ summary: { users: { mode: 'delta' } } })
})

test('a column that three full rounds running do not show is a problem, which a good round closes', async () => {
  const context = scriptedContext(db, script)
  script.round('users', people())
  await syncOnce(context, tenant)
  for (const opened of [[], [], ['partial_users']]) {
    script.round(
      'users',
      people(() => ({ mail: null })),
    )
    expect(await syncOnce(context, tenant, { mode: 'full' })).toMatchObject({ outcome: 'partial' })
    expect(await problems()).toEqual(opened)
  }
  script.round('users', people())
  await syncOnce(context, tenant, { mode: 'full' })
  expect(await problems()).toEqual([])
})

// Sequences are not rolled back: the fault itself counts how often it struck.
async function conflicts(times: number, code: string): Promise<() => Promise<number>> {
  await sql`create sequence strikes`.execute(db)
  await sql`
    create function strike() returns trigger language plpgsql as $$ begin
      if nextval('strikes') <= ${sql.raw(String(times))} then raise 'chosen as the victim' using errcode = ${sql.lit(code)}; end if;
      return new;
    end $$`.execute(db)
  await sql`
    create trigger strike before update on sync_cursors for each row
    when (new.start_link is distinct from old.start_link and new.collection = 'users') execute function strike()`.execute(
    db,
  )
  return async () =>
    (await sql<{ last_value: number }>`select last_value from strikes`.execute(db)).rows[0]?.last_value ?? 0
}

test.each(['40P01', '40001'])(
  'a page whose transaction Postgres rolls back with %s is written again at once, in the same run',
  async (code) => {
    const strikes = await conflicts(3, code)
    script.round('users', people().slice(0, 20), people().slice(20))
    const run = await syncOnce(scriptedContext(db, script), tenant)
    expect(run).toMatchObject({ outcome: 'succeeded', summary: { users: { added: 30, pages: 2 } } })
    expect(await strikes()).toBe(4)
  },
)

test('a conflict that does not end fails the run, and the next one reads what is missing', async () => {
  const strikes = await conflicts(4, '40P01')
  script.round('users', people())
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run).toMatchObject({ outcome: 'failed', error: { code: 'postgres_40p01' } })
  expect(await strikes()).toBe(4)
  script.round('users', people())
  expect(await syncOnce(scriptedContext(db, script), tenant)).toMatchObject({
    outcome: 'succeeded',
    summary: { users: { added: 30 } },
  })
})

test('when one collection cannot even note how it failed, the run ends only after the others have', async () => {
  await sql`create function no_note() returns trigger language plpgsql as $$ begin raise 'no note'; end $$`.execute(
    db,
  )
  await sql`create trigger no_note before update on sync_cursors for each row
    when (new.partial_rounds > old.partial_rounds) execute function no_note()`.execute(db)
  script.round('users', new EntraSyncError('malformed', 'broken page', { code: 'no_page' }))
  const slow = { before: () => new Promise<void>((resolve) => setTimeout(resolve, 200)), value: [group(1)] }
  script.round('groups', slow).round('skus', [sku(1)])
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run).toMatchObject({
    outcome: 'failed',
    error: { kind: 'database', code: 'postgres_p0001' },
    summary: { groups: { verdict: 'complete', added: 1 }, skus: { verdict: 'complete' } },
  })
})

test.each([
  ['permissions', { roles: ['User.Read.All', 'Member.Read.Hidden'] }],
  ['app', { app: '00000000-0000-4000-8000-00000000a002' }],
])('a full round begun with another %s is not gone on with', async (_, after) => {
  script.roles = ['User.Read.All']
  const timings = { leaseMs: 60_000, renewMs: 15_000, sliceMs: 0 }
  script.round('users', [user(1)], [user(2)])
  await requestSync(db, { entraTenantId: tenant, requestedBy: 'test', priority: 10 })
  expect(await runSync(scriptedContext(db, script, { timings }), tenant)).toMatchObject({ status: 'yielded' })
  if ('roles' in after) script.roles = after.roles
  script.requests.length = 0
  script.round('users', [user(1), user(2)])
  const context = scriptedContext(db, script, 'app' in after ? { appIdFor: () => after.app } : {})
  expect(await runSync(context, tenant)).toMatchObject({
    outcome: 'succeeded',
    summary: { users: { mode: 'full', pages: 1 } },
  })
  expect(script.requests.filter((link) => link.startsWith('users/'))).toEqual([])
})

test('a change of one property does not make a group another kind', async () => {
  const context = scriptedContext(db, script)
  const mail = { mailEnabled: true, mail: 'g@contoso.example' }
  script.round('groups', [
    group(1, [], { ...mail, groupTypes: ['Unified'] }),
    group(2, [], mail),
    group(3, [], { ...mail, securityEnabled: false }),
    group(4),
  ])
  await syncOnce(context, tenant)
  script.round('groups', [
    { id: guid(1, 2), securityEnabled: false },
    { id: guid(2, 2), groupTypes: ['DynamicMembership'] },
    { id: guid(3, 2), securityEnabled: true },
    { id: guid(4, 2), mailEnabled: true },
  ])
  await syncOnce(context, tenant)
  const rows = await db.selectFrom('groups').select(['kind', 'is_dynamic']).orderBy('object_id').execute()
  expect(rows).toEqual([
    { kind: 'microsoft365', is_dynamic: false },
    { kind: 'mail_enabled_security', is_dynamic: true },
    { kind: 'mail_enabled_security', is_dynamic: false },
    { kind: 'mail_enabled_security', is_dynamic: false },
  ])
})

test('persons that an operator or their protection keeps are no drift', async () => {
  const context = scriptedContext(db, script)
  script.round('users', people())
  await syncOnce(context, tenant)
  await sql`update persons set protected_reason = 'break glass' where object_id = any (${numbers(3).map((n) => guid(n, 1))}::uuid[])`.execute(
    db,
  )
  script.counts['/users/$count'] = 20
  script.counts['/groups/$count'] = 0
  for (const _ of numbers(3)) {
    script.round('users', people().slice(10))
    await syncOnce(context, tenant, { mode: 'full' })
    await sql`update holds set status = 'rejected', closed_at = now()`.execute(db)
  }
  expect(await db.selectFrom('holds').select(['kind', 'size']).execute()).toEqual([
    { kind: 'person', size: 7 },
  ])
  expect(await problems()).toEqual([])
})

test('the problem of an ambiguous adoption closes when one of the hand-made persons is gone', async () => {
  const context = scriptedContext(db, script)
  for (const name of ['user1@contoso.example', 'User1@contoso.example'])
    await db.insertInto('persons').values({ entra_tenant_id: tenant, user_principal_name: name }).execute()
  script.round('users', [user(1)])
  await syncOnce(context, tenant)
  await syncOnce(context, tenant)
  expect(await problems()).toEqual(['adoption_ambiguous'])
  await sql`delete from persons where user_principal_name = 'User1@contoso.example'`.execute(db)
  await syncOnce(context, tenant)
  expect(await problems()).toEqual([])
})

import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openProblem } from '../../src/db/problems.ts'
import type { Database } from '../../src/db/tables.ts'
import { EntraSyncError } from '../../src/errors.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import {
  group,
  guid,
  member,
  numbers,
  removed,
  Script,
  scriptedContext,
  sku,
  syncOnce,
  user,
} from './scripted.ts'

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

const live = async () =>
  (
    await sql<{ n: number }>`select ('x' || right(object_id::text, 8))::bit(32)::int as n from persons
      where object_id is not null and deleted_at is null order by 1`.execute(db)
  ).rows.map((row) => row.n)
const cursor = async (collection = 'users') =>
  db.selectFrom('sync_cursors').selectAll().where('collection', '=', collection).executeTakeFirstOrThrow()
const count = async (
  table: 'sync_seen' | 'sync_pending_removals' | 'group_members' | 'person_licenses' | 'holds' | 'problems',
) =>
  (
    await db
      .selectFrom(table)
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
  ).n

async function filled(users = 30) {
  script.round(
    'users',
    numbers(users).map((n) => user(n)),
  )
  script.round('groups', [
    group(
      1,
      numbers(20).map((n) => member(n)),
    ),
  ])
  script.round('skus', [sku(1), sku(2)])
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run).toMatchObject({ status: 'finished', outcome: 'succeeded', moreRequested: false })
}

const broken = () => new EntraSyncError('malformed', 'broken page', { code: 'no_page', requestId: 'r-1' })

const lost = () =>
  new EntraSyncError('access_lost', 'consent is gone', {
    code: 'consent_revoked',
    remedy: 'Consent again.',
    requestId: 'r-2',
  })

const without = (missing: number) => numbers(30).map((n) => user(n, n <= missing ? { mail: null } : {}))

const licences = (...skus: number[]) => ({
  assignedLicenses: skus.map((n) => ({ skuId: guid(n, 3), disabledPlans: [] })),
})

const hidden = (members: object[]) => group(2, members, { visibility: 'HiddenMembership' })

test('a first sync is full, writes what it reads and is fresh afterwards', async () => {
  await filled()
  expect(await live()).toEqual(numbers(30))
  expect(await count('group_members')).toBe(20)
  expect(await count('sync_seen')).toBe(0)
  const row = await db.selectFrom('entra_tenants').selectAll().executeTakeFirstOrThrow()
  expect(row.last_synced_at).not.toBeNull()
  expect(row.last_full_at).not.toBeNull()
  expect(row.display_name).toBe('Contoso')
})

test('a cycle without changes asks three times and rewrites nothing', async () => {
  await filled()
  script.requests.length = 0
  script.round('skus', [sku(1), sku(2)])
  const before = await sql`select xmin from persons order by person_id`.execute(db)
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run.outcome).toBe('succeeded')
  expect(script.requests).toHaveLength(3)
  expect(await sql`select xmin from persons order by person_id`.execute(db)).toEqual(before)
  expect(
    await db.selectFrom('sync_runs').select('requests').orderBy('started_at', 'desc').executeTakeFirst(),
  ).toEqual({ requests: 3 })
})

test('a delta round adds, changes, clears and removes', async () => {
  await filled()
  script.round('users', [user(31), { id: guid(2, 1), displayName: 'Two', mail: null }, removed(guid(3, 1))])
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run.summary['users']).toMatchObject({
    mode: 'delta',
    added: 1,
    changed: 1,
    removed: 1,
    verdict: 'complete',
  })
  expect(await live()).toEqual([1, 2, ...numbers(28, 4)])
  const two = await db
    .selectFrom('persons')
    .selectAll()
    .where('object_id', '=', guid(2, 1))
    .executeTakeFirstOrThrow()
  expect(two).toMatchObject({ display_name: 'Two', mail: null, user_principal_name: 'user2@contoso.example' })
})

test('a removed user that comes back keeps its person id and tags', async () => {
  await filled()
  await sql`update persons set tags = '{vip}' where object_id = ${guid(3, 1)}`.execute(db)
  const before = await db
    .selectFrom('persons')
    .select('person_id')
    .where('object_id', '=', guid(3, 1))
    .executeTakeFirstOrThrow()
  script.round('users', [removed(guid(3, 1))])
  await syncOnce(scriptedContext(db, script), tenant)
  expect(await live()).not.toContain(3)
  script.round('users', [user(3, { mail: undefined })])
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run.error).toBeUndefined()
  expect(run).toMatchObject({ outcome: 'succeeded', summary: { users: { changed: 1 } } })
  const after = await db
    .selectFrom('persons')
    .selectAll()
    .where('object_id', '=', guid(3, 1))
    .executeTakeFirstOrThrow()
  expect(after).toMatchObject({ ...before, tags: ['vip'], deleted_at: null, mail: null })
})

test('removed and added again in one round, in any order of pages, is nothing removed', async () => {
  await filled()
  script.round('users', [removed(guid(3, 1))], [user(3)])
  script.round('groups', [group(1, [member(5, true)])], [group(1, [member(5)])])
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run.summary['users']).toMatchObject({ removed: 0 })
  expect(run.summary['groups']).toMatchObject({ removed: 0, unlinked: 0 })
  expect(await live()).toContain(3)
  expect(await count('group_members')).toBe(20)
})

test.each([0, 1, 2])(
  'a round that breaks at page %i removes nothing, keeps its start and what it added',
  async (broken) => {
    await filled()
    const start = (await cursor()).start_link
    const pages: (object[] | Error)[] = [[removed(guid(3, 1)), user(40)], [user(41)], [user(42)]]
    pages[broken] = new EntraSyncError('malformed', 'broken page', { code: 'no_page' })
    script.round('users', ...pages)
    const run = await syncOnce(scriptedContext(db, script), tenant)
    expect(run).toMatchObject({
      status: 'finished',
      outcome: 'partial',
      moreRequested: true,
      error: { code: 'no_page' },
    })
    expect(await live()).toEqual([...numbers(30), ...[40, 41, 42].slice(0, broken)])
    expect(await cursor()).toMatchObject({
      start_link: start,
      next_link: null,
      round_id: null,
      partial_rounds: 1,
    })
    expect(await count('sync_pending_removals')).toBe(0)
    // The other collections were read; only the broken one is read again for this request.
    script.requests.length = 0
    script.round('users', [removed(guid(3, 1))])
    const again = await syncOnceMore()
    expect(again).toMatchObject({ outcome: 'succeeded' })
    expect(script.requests).toHaveLength(1)
    expect(await live()).not.toContain(3)
  },
)

async function syncOnceMore() {
  const { runSync } = await import('../../src/sync/run.ts')
  return runSync(scriptedContext(db, script), tenant)
}

test('two partial rounds running are followed by a full one, a third opens a problem that a good round closes', async () => {
  await filled()
  for (const mode of ['delta', 'delta', 'full']) {
    script.round('users', broken())
    const run = await syncOnce(scriptedContext(db, script), tenant)
    expect(run.summary['users']).toMatchObject({ verdict: 'partial', mode })
  }
  const problem = await db.selectFrom('problems').selectAll().executeTakeFirstOrThrow()
  expect(problem).toMatchObject({ code: 'partial_users', request_id: 'r-1', closed_at: null })
  script.round(
    'users',
    numbers(30).map((n) => user(n)),
  )
  expect(await syncOnce(scriptedContext(db, script), tenant)).toMatchObject({ outcome: 'succeeded' })
  expect((await db.selectFrom('problems').selectAll().executeTakeFirstOrThrow()).closed_at).not.toBeNull()
})

test('a lost delta token is answered with a full round in the same run, which removes what it does not show', async () => {
  await filled()
  script.round(
    'users',
    new EntraSyncError('reset', 'token gone', { code: 'sync_state_not_found', status: 410 }),
  )
  script.round(
    'users',
    numbers(29).map((n) => user(n)),
  )
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run).toMatchObject({ outcome: 'succeeded' })
  expect(run.summary['users']).toMatchObject({ mode: 'full', removed: 1 })
  expect(await live()).toEqual(numbers(29))
})

test('an expired page token starts the round again from its start link, with nothing of the first try', async () => {
  await filled()
  script.round(
    'users',
    [removed(guid(3, 1))],
    new EntraSyncError('restart', 'expired', { code: 'directory_expired_page_token' }),
  )
  script.round('users', [user(50)])
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run.summary['users']).toMatchObject({ verdict: 'complete', mode: 'delta', removed: 0, added: 1 })
  expect(await live()).toContain(3)
  expect(await cursor()).toMatchObject({ restarts: 0 })
})

test.each([
  ['restart', 'directory_expired_page_token'],
  ['reset', 'sync_state_not_found'],
] as const)(
  'rounds that begin again for ever (%s) remove nothing, and become a problem that a good round closes',
  async (kind, code) => {
    await filled()
    for (const opened of [0, 0, 1]) {
      for (let round = 0; round < 5; round++)
        script.round(
          'users',
          [removed(guid(3, 1))],
          new EntraSyncError(kind, 'begin again', { code, requestId: 'r-9' }),
        )
      expect(await syncOnce(scriptedContext(db, script), tenant)).toMatchObject({ outcome: 'failed' })
      expect(await count('problems')).toBe(opened)
      script.clear('users')
    }
    const problem = () => db.selectFrom('problems').selectAll().executeTakeFirstOrThrow()
    expect(await problem()).toMatchObject({
      code: 'never_ending_users',
      who_acts: 'microsoft',
      request_id: 'r-9',
      closed_at: null,
    })
    expect(await live()).toHaveLength(30)
    script.round(
      'users',
      numbers(30).map((n) => user(n)),
    )
    expect(await syncOnce(scriptedContext(db, script), tenant)).toMatchObject({
      outcome: 'succeeded',
    })
    expect((await problem()).closed_at).not.toBeNull()
  },
)

test('lost access freezes what is there, opens one problem with the remedy, and a good run closes it', async () => {
  await filled()
  for (const collection of ['users', 'groups', 'skus']) script.round(collection, lost())
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run).toMatchObject({ outcome: 'failed', error: { kind: 'access_lost' }, moreRequested: true })
  expect(await live()).toEqual(numbers(30))
  const open = await db.selectFrom('problems').selectAll().where('closed_at', 'is', null).execute()
  expect(open).toMatchObject([
    { code: 'consent_revoked', remedy: 'Consent again.', who_acts: 'customer_admin' },
  ])
  const failed = await db.selectFrom('entra_tenants').selectAll().executeTakeFirstOrThrow()
  expect(failed.consecutive_failures).toBe(1)
  expect(failed.next_sync_at.getTime() - Date.now()).toBeGreaterThan(40 * 60_000)
  script.round('skus', [sku(1), sku(2)])
  expect(await syncOnce(scriptedContext(db, script), tenant)).toMatchObject({ outcome: 'succeeded' })
  expect(await db.selectFrom('problems').selectAll().where('closed_at', 'is', null).execute()).toEqual([])
})

test('a directory that is not the one asked for is not read', async () => {
  script.organizationId = guid(2, 99)
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run).toMatchObject({ outcome: 'failed', error: { kind: 'wrong_tenant' } })
  expect(script.requests.filter((request) => !request.startsWith('/organization'))).toEqual([])
  expect(await db.selectFrom('problems').select('code').execute()).toEqual([{ code: 'wrong_tenant' }])
})

test('only reading /organization disproves that another directory answers', async () => {
  await filled()
  const facts = { code: 'wrong_tenant', message: 'm', remedy: 'r', whoActs: 'operator' } as const
  await openProblem(db, tenant, { ...facts, topic: 'organization' })
  const open = () => db.selectFrom('problems').select('code').where('closed_at', 'is', null).execute()
  // The rest of the run succeeds, and says nothing about which directory it was.
  const unread = scriptedContext(db, script, {
    graphFor: () => ({
      ...script.client(),
      async get() {
        throw new EntraSyncError('access_lost', 'not permitted', { code: 'forbidden', status: 403 })
      },
    }),
  })
  for (let count = 0; count < 2; count++) {
    expect(await syncOnce(unread, tenant)).toMatchObject({ outcome: 'succeeded' })
    expect(await open()).toEqual([{ code: 'wrong_tenant' }])
  }
  script.requests.length = 0
  expect(await syncOnce(scriptedContext(db, script), tenant)).toMatchObject({ outcome: 'succeeded' })
  expect(script.requests.filter((request) => request.startsWith('/organization'))).toHaveLength(1)
  expect(await open()).toEqual([])
})

test('throttled: the round stays open and goes on where it was', async () => {
  await filled()
  const retryAt = new Date(Date.now() + 30_000)
  let throttled = true
  const flaky = {
    before: () => {
      if (throttled) throw new EntraSyncError('throttled', 'too many', { code: 'graph_429', retryAt })
    },
    value: [user(52)],
  }
  script.round('users', [removed(guid(3, 1)), user(51)], flaky)
  script.round('skus', [sku(1), sku(2)])
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run).toMatchObject({ status: 'throttled', retryAt, moreRequested: true })
  expect(await live()).toContain(51)
  const early = await syncOnceMore()
  expect(early.status).toBe('throttled')
  // By the clock of Postgres, and not before Graph allows it.
  expect(early.retryAt?.getTime()).toBeGreaterThanOrEqual(retryAt.getTime())
  throttled = false
  await sql`update sync_leases set throttled_until = null`.execute(db)
  const again = await syncOnceMore()
  expect(again).toMatchObject({ status: 'finished', outcome: 'succeeded', runId: run.runId })
  expect(await live()).toEqual([1, 2, ...numbers(27, 4), 51, 52])
})

test('a full round clears a column it no longer shows, but not for a fifth of those that have it', async () => {
  await filled(30)
  script.round('users', without(15), [])
  expect(await syncOnce(scriptedContext(db, script), tenant, { mode: 'full' })).toMatchObject({
    outcome: 'partial',
    error: { code: 'columns_cleared' },
  })
  const mails = async () =>
    (await sql<{ n: number }>`select count(mail) as n from persons`.execute(db)).rows[0]?.n
  expect(await mails()).toBe(30)
  script.round('users', without(3), [])
  expect(await syncOnce(scriptedContext(db, script), tenant, { mode: 'full' })).toMatchObject({
    outcome: 'succeeded',
  })
  expect(await mails()).toBe(27)
  // An operator who knows that it is so lets it pass for a while.
  await sql`insert into hold_limits (entra_tenant_id, hold_percent, expires_at, reason, set_by)
    values (${tenant}, 100, now() + interval '1 day', 'no mail any more', 'anna')`.execute(db)
  script.round('users', without(20), [])
  expect(await syncOnce(scriptedContext(db, script), tenant, { mode: 'full' })).toMatchObject({
    outcome: 'succeeded',
  })
  expect(await mails()).toBe(10)
})

test('an empty full round is held, and what reappears withdraws the hold', async () => {
  await filled()
  script.round('users', []).round('groups', []).round('skus', [])
  const run = await syncOnce(scriptedContext(db, script), tenant, { mode: 'full' })
  expect(run).toMatchObject({ outcome: 'held' })
  expect(run.summary['users']).toMatchObject({ verdict: 'complete_empty', held: 30, removed: 0 })
  expect(await live()).toEqual(numbers(30))
  expect(await db.selectFrom('holds').select(['kind', 'size', 'status']).orderBy('kind').execute()).toEqual([
    { kind: 'group', size: 1, status: 'open' },
    { kind: 'person', size: 30, status: 'open' },
    { kind: 'sku', size: 2, status: 'open' },
  ])
  script
    .round(
      'users',
      numbers(30).map((n) => user(n)),
    )
    .round('groups', [
      group(
        1,
        numbers(20).map((n) => member(n)),
      ),
    ])
  script.round('skus', [sku(1), sku(2)])
  await syncOnce(scriptedContext(db, script), tenant, { mode: 'full' })
  expect(await db.selectFrom('holds').select(['size', 'status']).distinct().execute()).toEqual([
    { size: 0, status: 'withdrawn' },
  ])
})

test('a protected person is never removed, and the skip is told', async () => {
  await filled()
  await sql`update persons set protected_reason = 'break glass' where object_id = ${guid(3, 1)}`.execute(db)
  script.round('users', [removed(guid(3, 1)), removed(guid(4, 1))])
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run.summary['users']).toMatchObject({ removed: 1, notice: '1 protected persons were not removed' })
  expect(await live()).toContain(3)
})

test('licences that a whole list no longer names are removed at the round end, changed ones at once', async () => {
  await filled()
  script.round(
    'users',
    numbers(20).map((n) => user(n, licences(1, 2))),
  )
  await syncOnce(scriptedContext(db, script), tenant)
  expect(await count('person_licenses')).toBe(40)
  script.round('users', [user(1, licences(1))], [user(2, licences()), user(3)])
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run.summary['users']).toMatchObject({ unlinked: 5 })
  expect(await count('person_licenses')).toBe(35)
})

test('members of a group with hidden membership stay when the app may not see them', async () => {
  script.roles = ['Member.Read.Hidden']
  script.round(
    'users',
    numbers(5).map((n) => user(n)),
  )
  script.round('groups', [group(1, [member(1)]), hidden([member(1), member(2)])])
  script.round('skus', [sku(1)])
  await syncOnce(scriptedContext(db, script), tenant)
  script.roles = []
  script.round(
    'users',
    numbers(5).map((n) => user(n)),
  )
  script.round('groups', [group(1, [member(1)]), hidden([])]).round('skus', [sku(1)])
  const run = await syncOnce(scriptedContext(db, script), tenant)
  expect(run.summary['groups']).toMatchObject({ mode: 'full', unlinked: 0, held: 0 })
  expect(await count('group_members')).toBe(3)
  const row = await db
    .selectFrom('groups')
    .select('members_visible')
    .where('object_id', '=', guid(2, 2))
    .executeTakeFirst()
  expect(row).toEqual({ members_visible: false })
})

test('stored counts that differ from Graph after two full rounds running are a problem, which agreement closes', async () => {
  await filled()
  const problems = () => db.selectFrom('problems').select('code').where('closed_at', 'is', null).execute()
  for (const [counted, open] of [
    [36, []],
    [36, [{ code: 'drift_users' }]],
    [35, []],
  ] as const) {
    script.counts['/users/$count'] = counted
    script
      .round(
        'users',
        numbers(30).map((n) => user(n)),
      )
      .round('groups', [
        group(
          1,
          numbers(20).map((n) => member(n)),
        ),
      ])
    expect(await syncOnce(scriptedContext(db, script), tenant, { mode: 'full' })).toMatchObject({
      outcome: 'succeeded',
    })
    expect(await problems()).toEqual(open)
  }
})

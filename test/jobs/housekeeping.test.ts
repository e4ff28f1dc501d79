import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { housekeeping } from '../../src/jobs/housekeeping.ts'
import type { JobHelpers } from '../../src/jobs/helpers.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { log } from './support.ts'

const tenant = randomUUID()
let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
  await sql`insert into entra_tenants (entra_tenant_id) values (${tenant})`.execute(database.db)
})
afterEach(() => database.drop())

function helpers(signal = new AbortController().signal): JobHelpers {
  return { id: '1', log, signal, progress: () => {}, updatePayload: async () => {} }
}

async function person(deletedDaysAgo: number | null, protectedReason: string | null = null): Promise<string> {
  const id = randomUUID()
  await sql`
    insert into persons (entra_tenant_id, object_id, deleted_at, protected_reason)
    values (${tenant}, ${id}, now() - make_interval(days => ${deletedDaysAgo}::int), ${protectedReason})`.execute(
    database.db,
  )
  await sql`insert into group_members values (${tenant}, ${randomUUID()}, ${id}, 'user')`.execute(database.db)
  await sql`insert into person_licenses values (${tenant}, ${id}, ${randomUUID()})`.execute(database.db)
  return id
}

async function ids(table: string, column: string): Promise<string[]> {
  const { rows } = await sql<{
    id: string
  }>`select ${sql.ref(column)} as id from ${sql.table(table)} order by 1`.execute(database.db)
  return rows.map((row) => row.id)
}

it('purges persons after their grace, with edges and licences, and nobody else', async () => {
  const kept = [await person(null), await person(29), await person(90, 'the boss')].sort()
  await person(31)
  const verdict = await housekeeping({ db: database.db, licenseGraceMs: 1000 }, helpers())
  expect(verdict).toMatchObject({
    job: 'completed',
    result: expect.stringMatching(/^removed 1 persons, 0 groups/),
  })
  expect(await ids('persons', 'object_id')).toEqual(kept)
  expect(await ids('group_members', 'member_id')).toEqual(kept)
  expect(await ids('person_licenses', 'object_id')).toEqual(kept)
})

it('purges more than one batch', async () => {
  await sql`
    insert into persons (entra_tenant_id, object_id, deleted_at)
    select ${tenant}, gen_random_uuid(), now() - interval '40 days' from generate_series(1, 2500)`.execute(
    database.db,
  )
  expect(await housekeeping({ db: database.db, licenseGraceMs: 1000 }, helpers())).toMatchObject({
    result: expect.stringMatching(/^removed 2500 persons/),
  })
  expect(await ids('persons', 'object_id')).toEqual([])
})

it('purges groups with the edges on both of their sides', async () => {
  const [gone, parent, member] = [randomUUID(), randomUUID(), randomUUID()]
  await sql`
    insert into groups (entra_tenant_id, object_id, kind, deleted_at) values
      (${tenant}, ${gone}, 'security', now() - interval '31 days'), (${tenant}, ${parent}, 'security', null)`.execute(
    database.db,
  )
  await sql`
    insert into group_members values (${tenant}, ${parent}, ${gone}, 'group'), (${tenant}, ${gone}, ${member}, 'user'),
      (${tenant}, ${parent}, ${member}, 'user')`.execute(database.db)
  await housekeeping({ db: database.db, licenseGraceMs: 1000 }, helpers())
  expect(await ids('groups', 'object_id')).toEqual([parent])
  expect(await ids('group_members', 'group_id')).toEqual([parent])
})

it('drops old runs and keeps open ones and those of the last 90 days', async () => {
  await sql`
    insert into sync_runs (entra_tenant_id, mode, started_at, finished_at) values
      (${tenant}, 'delta', now() - interval '100 days', now() - interval '100 days'),
      (${tenant}, 'full', now() - interval '100 days', null),
      (${tenant}, 'delta', now() - interval '80 days', now() - interval '80 days')`.execute(database.db)
  await housekeeping({ db: database.db, licenseGraceMs: 1000 }, helpers())
  expect(await ids('sync_runs', 'mode')).toEqual(['delta', 'full'])
})

it('stops between batches when the worker does', async () => {
  await expect(
    housekeeping({ db: database.db, licenseGraceMs: 1000 }, helpers(AbortSignal.abort(new Error('stop')))),
  ).rejects.toThrow('stop')
})

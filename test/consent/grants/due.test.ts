import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { deleteOldRequests, deleteOldTickets } from '../../../src/consent/grants/clean-up.ts'
import { takeDueProofs } from '../../../src/consent/grants/due.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'

const defaultApp = randomUUID()
let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
})
beforeEach(() => sql`truncate entra_tenants, tenants cascade`.execute(database.db))
afterAll(() => database.drop())

async function linked(): Promise<string> {
  const id = randomUUID()
  await sql`insert into entra_tenants (entra_tenant_id) values (${id})`.execute(database.db)
  await sql`
    with t as (insert into tenants (name, slug) values (${id}, ${id}) returning tenant_id)
    insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${id} from t`.execute(database.db)
  return id
}

async function consent(
  entraTenantId: string,
  appId: string,
  status: string | null,
  due: string,
): Promise<void> {
  await sql`insert into consents (entra_tenant_id, app_id, status, next_proof_at)
    values (${entraTenantId}, ${appId}, ${status}, now() + ${due}::interval)`.execute(database.db)
}

const taken = async (app: string | null = defaultApp): Promise<string[]> =>
  (await takeDueProofs(database.db, app)).map(({ entraTenantId }) => entraTenantId).toSorted()

test('linked ones of which nothing is known are taken once, and go on being synced meanwhile', async () => {
  const id = await linked()
  await sql`insert into entra_tenants (entra_tenant_id) values (${randomUUID()})`.execute(database.db)
  expect(await taken(null)).toEqual([])
  expect(await taken()).toEqual([id])
  expect(await taken()).toEqual([])
  const { rows } =
    await sql`select scheduled, consent from tenant_status where entra_tenant_id = ${id}`.execute(database.db)
  expect(rows).toEqual([{ scheduled: true, consent: null }])
})

test('due ones are taken by one of many, and moved on', async () => {
  const ids = await Promise.all(Array.from({ length: 20 }, linked))
  for (const id of ids) await consent(id, defaultApp, 'granted', '-1 second')
  const all = await Promise.all([taken(), taken(), taken()])
  expect(all.flat().toSorted()).toEqual(ids.toSorted())
  expect(await taken()).toEqual([])
})

test('another app than the wanted one counts while it is granted only', async () => {
  const [reading, over] = [await linked(), await linked()]
  for (const [id, status] of [
    [reading, 'granted'],
    [over, 'required'],
  ] as const) {
    await consent(id, randomUUID(), status, '-1 second')
    await consent(id, defaultApp, 'required', '1 hour')
  }
  expect(await taken()).toEqual([reading])
})

test('the app of level Custom is the wanted one', async () => {
  const id = await linked()
  await consent(id, defaultApp, 'required', '-1 second')
  await sql`
    with r as (insert into app_registrations (entra_tenant_id, client_id) values (${id}, ${randomUUID()}) returning app_id)
    update entra_tenants set permission_level = 'custom', app_id = (select app_id from r)`.execute(
    database.db,
  )
  expect(await taken(null)).toEqual([id])
  const { rows } = await sql`
    select r.client_id = c.app_id as own from app_registrations r join consents c on c.status is null`.execute(
    database.db,
  )
  expect(rows).toEqual([{ own: true }])
})

test.each([
  ['gone', sql`update entra_tenants set gone_at = now()`],
  ['offboarded', sql`update entra_tenants set offboarded_at = now()`],
  ['disabled', sql`update entra_tenants set sync_enabled = false`],
])('%s ones are left alone', async (_, change) => {
  await consent(await linked(), defaultApp, 'granted', '-1 second')
  await linked()
  await change.execute(database.db)
  expect(await taken()).toEqual([])
})

test('customers whose last relationship has ended are asked nothing, and at once when there is one again', async () => {
  const partner = randomUUID()
  await sql`insert into entra_tenants (entra_tenant_id) values (${partner})`.execute(database.db)
  const [proved, unproved] = [await linked(), await linked()]
  await sql`update entra_tenants set partner_entra_tenant_id = ${partner} where entra_tenant_id <> ${partner}`.execute(
    database.db,
  )
  await consent(proved, defaultApp, 'granted', '-1 second')
  for (const id of [proved, unproved]) {
    await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
      values (${id}, ${partner}, ${id}, 'terminated')`.execute(database.db)
  }
  expect(await taken()).toEqual([])
  await sql`update gdap_relationships set status = 'active'`.execute(database.db)
  expect(await taken()).toEqual([proved, unproved].toSorted())
})

test('housekeeping deletes links that have ended, and states a day later', async () => {
  const id = await linked()
  for (const end of ['-1 second', '1 hour']) {
    await sql`insert into consent_tickets (ticket_hash, entra_tenant_id, app_id, created_by, expires_at)
      values (${Buffer.from(end)}, ${id}, ${defaultApp}, 'x', now() + ${end}::interval)`.execute(database.db)
  }
  for (const end of ['-25 hours', '-1 hour', '1 hour']) {
    await sql`insert into consent_requests (state_hash, browser_hash, entra_tenant_id, app_id, requested_by, expires_at)
      values (${Buffer.from(end)}, '', ${id}, ${defaultApp}, 'x', now() + ${end}::interval)`.execute(
      database.db,
    )
  }
  expect(await deleteOldTickets(database.db, 10)).toBe(1)
  expect(await deleteOldRequests(database.db, 10)).toBe(1)
  expect((await sql`select 1 from consent_requests`.execute(database.db)).rows).toHaveLength(2)
})

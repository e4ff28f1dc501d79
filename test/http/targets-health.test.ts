import { sql, type Kysely } from 'kysely'
import { expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { createMetrics } from '../../src/http/metrics.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { log } from '../jobs/support.ts'
import { operatorToken, startTestHttp, viewerToken } from './start.ts'

const contoso = '11111111-0000-4000-8000-000000000001'

async function fill(db: Kysely<Database>): Promise<string> {
  await sql`insert into entra_tenants (entra_tenant_id, display_name, last_synced_at) values (${contoso}, 'Contoso', now())`.execute(
    db,
  )
  const { rows } = await sql<{ tenant_id: string }>`
    with t as (insert into tenants (name, slug) values ('Contoso', 'contoso') returning tenant_id)
    insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${contoso} from t returning tenant_id`.execute(
    db,
  )
  await sql`with i as (insert into maintenance_items (name) values ('Office') returning item_id)
    insert into deployments (name, item_id, scope, target_type) select 'Office', item_id, 'cross_tenant', 'everyone' from i`.execute(
    db,
  )
  const tenantId = rows[0]?.tenant_id ?? ''
  await sql`insert into persons (entra_tenant_id, user_principal_name, tenant_id) values (${contoso}, 'ann', ${tenantId})`.execute(
    db,
  )
  return tenantId
}

const resolve = (db: Kysely<Database>) =>
  resolveTargets(
    { db, guard: { holdMin: 5, holdPercent: 10, holdMax: 500 }, licenseGraceMs: 0, log },
    { trigger: 'test' },
  )

test('/readyz is red when a change waits for a quarter of an hour, but for a frozen family', async () => {
  const { url, database } = await startTestHttp()
  const { db } = database
  const red = async () => {
    const { checks } = (await (await fetch(`${url}/readyz`)).json()) as {
      checks: { name: string; ok: boolean }[]
    }
    return checks.filter(({ ok }) => !ok).map(({ name }) => name)
  }
  await fill(db)
  expect(await red()).toEqual([])
  await sql`update target_dirt set at = now() - interval '16 minutes'`.execute(db)
  expect(await red()).toEqual(['targets'])
  // Thawed just now: the change could not be resolved before.
  await sql`insert into sync_runs (entra_tenant_id, mode, finished_at, outcome) values (${contoso}, 'delta', now(), 'succeeded')`.execute(
    db,
  )
  await sql`delete from target_dirt where family_id <> ${contoso}`.execute(db)
  expect(await red()).toEqual([])
  await sql`update sync_runs set finished_at = now() - interval '15.5 minutes'`.execute(db)
  expect(await red()).toEqual(['targets'])
  await sql`update sync_runs set outcome = 'partial'`.execute(db)
  expect(await red()).toEqual([])
  await sql`delete from sync_runs`.execute(db)
  await resolve(db)
  expect(await red()).toEqual([])
})

test('metrics tell targets, changes, what waits and how long resolutions took', async () => {
  const { database, queues } = await startTestHttp()
  const { db } = database
  const metrics = await createMetrics({ db, queues: queues.all })
  await fill(db)
  const value = (text: string, name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
  const before = await metrics.metrics()
  expect(value(before, 'target_families_dirty')).toBeGreaterThan(0)
  expect(value(before, 'deployment_targets')).toBe(0)
  await resolve(db)
  const after = await metrics.metrics()
  expect(value(after, 'target_families_dirty')).toBe(0)
  expect(value(after, 'target_dirt_age_seconds')).toBe(0)
  expect(value(after, 'targets_held')).toBe(0)
  expect(value(after, 'target_changes_total{change="assigned"}')).toBe(1)
  expect(value(after, 'target_resolution_seconds_count')).toBe(1)
  // Seen again it is not counted again.
  expect(value(await metrics.metrics(), 'target_resolution_seconds_count')).toBe(1)
})

test('POST /api/v1/tenants/{id}/resolve asks for a resolution, of operators only', async () => {
  const { url, database, queues } = await startTestHttp()
  const tenantId = await fill(database.db)
  await resolve(database.db)
  const post = (id: string, token: string) =>
    fetch(`${url}/api/v1/tenants/${id}/resolve`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    })
  expect((await post(tenantId, viewerToken)).status).toBe(403)
  expect((await post(contoso, operatorToken)).status).toBe(404)
  const answer = await post(tenantId, operatorToken)
  expect(answer.status).toBe(202)
  expect(await answer.json()).toMatchObject({ tenantId, frozen: null })
  const [job] = await queues.targets.getJobs(['waiting', 'prioritized'])
  expect(job?.data).toMatchObject({ familyId: contoso })
  const { rows } = await sql`select kind, deliberate from target_dirt`.execute(database.db)
  expect(rows).toEqual([{ kind: 'all', deliberate: false }])
})

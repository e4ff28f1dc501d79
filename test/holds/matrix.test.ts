import { randomUUID } from 'node:crypto'
import { sql, type Kysely, type Transaction } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RemovalKind } from '../../src/db/seen.ts'
import type { Database } from '../../src/db/tables.ts'
import { settleRemovals } from '../../src/sync/removals.ts'
import { resolveFamilies } from '../../src/targets/resolve/resolution.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'

const guard = { holdMin: 5, holdPercent: 10, holdMax: 500 }
const sizes = [1, 10, 11, 100, 10_000]

/** How many may be meant to go of a collection of this size: around each limit, and all. */
function counts(size: number, max: number): number[] {
  const { holdMin, holdPercent } = guard
  // Each cell of these takes a second: the limits that decide, and all.
  if (size === 10_000) return [...new Set([holdMin + 1, max, max + 1, 1000, 1001, size])]
  const share = (size * holdPercent) / 100
  const wanted = [
    0,
    1,
    holdMin - 1,
    holdMin,
    holdMin + 1,
    Math.floor(share),
    Math.ceil(share),
    Math.floor(share) + 1,
  ]
  wanted.push(max - 1, max, max + 1, size - 1, size)
  return [...new Set(wanted)].filter((count) => count >= 0 && count <= size)
}

/** The rule as it is written in the design (8.4), in words of its own. */
function mayPass(
  count: number,
  size: number,
  max: number,
  { emptiesFrom }: { emptiesFrom: number },
): boolean {
  if (count === 0) return true
  if (count === size && count >= emptiesFrom) return false
  if (count > max) return false
  return count <= guard.holdMin || count / size <= guard.holdPercent / 100
}

let database: TestDatabase
let db: Kysely<Database>
beforeAll(async () => {
  database = await testDatabase()
  db = database.db
})
afterAll(() => database.drop())

class Undo extends Error {}

/** Works in a transaction that is taken back: no cell of the matrix sees another one's holds. */
async function undone<T>(work: (trx: Transaction<Database>) => Promise<T>): Promise<T> {
  let result: { value: T } | null = null
  await db
    .transaction()
    .execute(async (trx) => {
      result = { value: await work(trx) }
      throw new Undo()
    })
    .catch((error: unknown) => {
      if (!(error instanceof Undo)) throw error
    })
  if (result === null) throw new Error('the transaction ended without a result')
  return (result as { value: T }).value
}

/** A database that has had these rows for a while knows how many they are. */
async function analyzed(trx: Transaction<Database>, size: number): Promise<void> {
  if (size < 1000) return
  await sql`analyze persons, groups, devices, subscribed_skus, group_members, person_licenses, sync_seen, sync_pending_removals, target_dirt`.execute(
    trx,
  )
}

/** Rows of a kind, `n` from 1 to the size, with the id that makes their key. */
const id = (n: string) => sql.raw(`('00000000-0000-4000-8000-' || lpad(${n}::text, 12, '0'))::uuid`)
const of = (tenant: string) => sql`${tenant}::uuid`
const fill: Record<
  RemovalKind,
  (trx: Transaction<Database>, tenant: string, size: number) => Promise<unknown>
> = {
  person: (trx, tenant, size) =>
    sql`insert into persons (entra_tenant_id, object_id, user_principal_name)
      select ${of(tenant)}, ${id('n')}, 'p' || n from generate_series(1, ${size}::int) n`.execute(trx),
  group: (trx, tenant, size) =>
    sql`insert into groups (entra_tenant_id, object_id, display_name, kind)
      select ${of(tenant)}, ${id('n')}, 'g' || n, 'security' from generate_series(1, ${size}::int) n`.execute(
      trx,
    ),
  device: (trx, tenant, size) =>
    sql`insert into devices (entra_tenant_id, object_id) select ${of(tenant)}, ${id('n')} from generate_series(1, ${size}::int) n`.execute(
      trx,
    ),
  sku: (trx, tenant, size) =>
    sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number)
      select ${of(tenant)}, ${id('n')}, 's' || n from generate_series(1, ${size}::int) n`.execute(trx),
  membership: async (trx, tenant, size) => {
    await fill.group(trx, tenant, 1)
    await sql`insert into group_members select ${of(tenant)}, ${id('1')}, ${id('n')}, 'user' from generate_series(1, ${size}::int) n`.execute(
      trx,
    )
  },
  license: async (trx, tenant, size) => {
    await fill.person(trx, tenant, size)
    await sql`insert into person_licenses (entra_tenant_id, object_id, sku_id)
      select ${of(tenant)}, ${id('n')}, ${id('1')} from generate_series(1, ${size}::int) n`.execute(trx)
  },
}
const keyOf: Record<RemovalKind, ReturnType<typeof sql>> = {
  person: sql`array[${id('n')}]`,
  group: sql`array[${id('n')}]`,
  device: sql`array[${id('n')}]`,
  sku: sql`array[${id('n')}]`,
  membership: sql`array[${id('1')}, ${id('n')}]`,
  license: sql`array[${id('n')}, ${id('1')}]`,
}

describe.each(['person', 'group', 'device', 'sku', 'membership', 'license'] as const)(
  'removals of kind %s',
  (kind) => {
    const max = guard.holdMax * (kind === 'membership' || kind === 'license' ? 10 : 1)
    describe.each(['told by delta', 'absent from a full round'])('%s', (how) => {
      test.each(sizes)('of %i pass or are held as the rule says', async (size) => {
        for (const count of counts(size, max)) {
          const end = await undone(async (trx) => {
            const tenant = randomUUID()
            const roundId = randomUUID()
            await sql`insert into entra_tenants (entra_tenant_id) values (${tenant})`.execute(trx)
            await fill[kind](trx, tenant, size)
            const sweeps = how !== 'told by delta'
            if (sweeps)
              await sql`insert into sync_seen (round_id, kind, key)
              select ${roundId}::uuid, ${kind}::text, ${keyOf[kind]} from generate_series(${count + 1}::int, ${size}::int) n
              union all select ${roundId}::uuid, 'group', array[${id('1')}] where ${kind === 'membership'}
              union all select ${roundId}::uuid, 'person', array[${id('n')}] from generate_series(1, ${size}::int) n
                where ${kind === 'license'}`.execute(trx)
            else
              await sql`insert into sync_pending_removals (round_id, entra_tenant_id, kind, key)
              select ${roundId}::uuid, ${of(tenant)}, ${kind}::text, ${keyOf[kind]} from generate_series(1, ${count}::int) n`.execute(
                trx,
              )
            await analyzed(trx, size)
            return settleRemovals(trx, { entraTenantId: tenant, roundId, sweeps }, [kind], {
              guard,
              runId: randomUUID(),
            })
          })
          const held = end.held.reduce((sum, one) => sum + one.size, 0)
          const passes = mayPass(count, size, max, { emptiesFrom: 1 })
          expect({ count, size, removed: end.removed + end.unlinked, held }).toEqual({
            count,
            size,
            removed: passes ? count : 0,
            held: passes ? 0 : count,
          })
        }
      })
    })
  },
)

describe.each(['unassign', 'assign'] as const)('targets that are to be %sed', (direction) => {
  test.each(sizes)('of %i pass or are held as the rule says', async (size) => {
    for (const count of counts(size, guard.holdMax)) {
      // Somebody has to have it before, or the first deployment of a tenant is its first resolution.
      const resolution = await undone(async (trx) => {
        const tenant = randomUUID()
        await sql`insert into entra_tenants (entra_tenant_id, last_synced_at) values (${tenant}, now())`.execute(
          trx,
        )
        await sql`with t as (insert into tenants (name, slug) values ('T', 't') returning tenant_id)
          insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${of(tenant)} from t`.execute(
          trx,
        )
        await fill.person(trx, tenant, size)
        await sql`update persons set tenant_id = (select tenant_id from tenants),
          tags = case when ${direction === 'unassign'} then '{cad}'::text[] else '{}' end`.execute(trx)
        await analyzed(trx, size)
        await sql`with i as (insert into maintenance_items (name) values ('AutoCAD') returning item_id)
          insert into deployments (name, item_id, scope, target_type, target)
          select 'CAD', item_id, 'cross_tenant', 'tag', '{"tag": "cad"}' from i`.execute(trx)
        const resolve = () =>
          resolveFamilies(trx, { guard, licenseGraceMs: 1 }, [tenant], { trigger: 'test' })
        await resolve()
        await sql`update persons set tags = case when ${direction === 'unassign'} then '{}'::text[] else '{cad}' end
          where substr(user_principal_name, 2)::int <= ${count}`.execute(trx)
        return resolve()
      })
      const done = direction === 'unassign' ? resolution.unassigned : resolution.assigned
      // A deployment is emptied from HOLD_MIN + 1 up; nothing is emptied by assigning.
      const emptiesFrom = direction === 'unassign' ? guard.holdMin + 1 : Infinity
      const passes = mayPass(count, size, guard.holdMax, { emptiesFrom })
      expect({ count, size, done, held: resolution.held }).toEqual({
        count,
        size,
        done: passes ? count : 0,
        held: passes ? 0 : count,
      })
    }
  })
})

test.each([
  // 1 % of 5,000 a cycle: what has gone in 24 hours is 500 after ten of them, and more than HOLD_MAX and 10 % with the next.
  ['person', 5000, 50, 11],
  // HOLD_MAX is ten times that for memberships: here the share decides.
  ['membership', 5000, 50, 11],
  ['license', 5000, 50, 11],
  ['device', 200, 2, 11],
] as const)('a drip: %s, of %i each time %i, is held in cycle %i', async (kind, size, each, cycle) => {
  await undone(async (trx) => {
    const tenant = randomUUID()
    await sql`insert into entra_tenants (entra_tenant_id) values (${tenant})`.execute(trx)
    await fill[kind](trx, tenant, size)
    await analyzed(trx, size)
    for (let n = 1; n <= cycle; n++) {
      const roundId = randomUUID()
      await sql`insert into sync_pending_removals (round_id, entra_tenant_id, kind, key)
        select ${roundId}::uuid, ${of(tenant)}, ${kind}::text, ${keyOf[kind]}
        from generate_series(${(n - 1) * each + 1}::int, ${n * each}::int) n`.execute(trx)
      const end = await settleRemovals(trx, { entraTenantId: tenant, roundId, sweeps: false }, [kind], {
        guard,
        runId: randomUUID(),
      })
      expect({ n, held: end.held.length }).toEqual({ n, held: n < cycle ? 0 : 1 })
      // Half an hour later; now() stands still in a transaction.
      await sql`update applied_removals set at = at - interval '30 minutes'`.execute(trx)
    }
  })
})

import fc from 'fast-check'
import { sql, type Kysely } from 'kysely'
import { afterEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { createLog } from '../../src/log.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { anyChange, deployment, make, makeEstate } from './changes.ts'
import { loadWorld, wantedTargets, type WantedTarget } from './oracle.ts'

const graceMs = 30 * 86_400_000
const runs = Number(process.env['TARGET_RUNS'] ?? 12)
const log = createLog({ level: 'silent', pretty: false })
/** So large that nothing is ever held. */
const noGuard = { holdMin: 1_000_000, holdPercent: 100, holdMax: 1_000_000 }

const open: TestDatabase[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((database) => database.drop()))
})

async function estate(): Promise<Kysely<Database>> {
  const database = await testDatabase()
  open.push(database)
  await makeEstate(database.db)
  return database.db
}

const context = (db: Kysely<Database>) => ({ db, guard: noGuard, licenseGraceMs: graceMs, log })

async function standing(db: Kysely<Database>): Promise<Map<string, WantedTarget>> {
  const { rows } = await sql<WantedTarget>`
    select tenant_id, subject_kind, subject_id, item_id, deployment_id, scope, version, desired_state, enforcement, reason
    from deployment_targets`.execute(db)
  return new Map(rows.map((row) => [`${row.subject_id} ${row.item_id}`, row]))
}

/** What a reader has who has read the feed from its start. */
async function replayed(db: Kysely<Database>): Promise<Map<string, unknown>> {
  const { rows } = await sql<{
    subject_id: string
    item_id: string
    tenant_id: string
    change: string
    after: object
  }>`
    select * from target_changes order by seq`.execute(db)
  const targets = new Map<string, unknown>()
  for (const { subject_id: subject, item_id: item, tenant_id: tenant, change, after } of rows) {
    const key = `${subject} ${item}`
    if (change === 'assigned') expect(targets.has(key)).toBe(false)
    else expect(targets.has(key)).toBe(true)
    if (change === 'unassigned') targets.delete(key)
    else targets.set(key, { tenant_id: tenant, ...after })
  }
  return targets
}

function feedFacts(targets: ReadonlyMap<string, WantedTarget>): Map<string, unknown> {
  return new Map(
    [...targets].map(([key, { tenant_id, deployment_id, scope, version, desired_state, enforcement }]) => [
      key,
      { tenant_id, deployment_id, scope, version, desired_state, enforcement },
    ]),
  )
}

test('after any changes the targets, resolved by dirt, are what the design says, and the feed leads to them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(deployment, { minLength: 3, maxLength: 8 }),
      fc.array(fc.array(anyChange, { minLength: 1, maxLength: 4 }), { minLength: 4, maxLength: 12 }),
      async (deployments, steps) => {
        const db = await estate()
        for (const one of deployments) await make(db, one)
        for (const step of [[], ...steps]) {
          for (const change of step) await make(db, change)
          const wanted = wantedTargets(await loadWorld(db), graceMs)
          const { failed } = await resolveTargets(context(db), { trigger: 'test' })
          expect(failed).toEqual([])
          expect(await standing(db)).toEqual(wanted)
          expect(await replayed(db)).toEqual(feedFacts(wanted))
        }
        // Resolved whole, nothing is found that the dirt had missed.
        const before = await sql<{ seq: number }>`select last_seq as seq from target_feed`.execute(db)
        await sql`insert into target_dirt (family_id, kind) select distinct family_id, 'all' from tenant_families`.execute(
          db,
        )
        await resolveTargets(context(db), { trigger: 'test' })
        const after = await sql<{ seq: number }>`select last_seq as seq from target_feed`.execute(db)
        expect(after.rows).toEqual(before.rows)
      },
    ),
    { numRuns: runs },
  )
}, 300_000)

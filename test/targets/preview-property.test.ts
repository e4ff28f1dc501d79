import fc from 'fast-check'
import { sql, type Kysely, type Transaction } from 'kysely'
import { afterEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { createLog } from '../../src/log.ts'
import { changeDeliberately } from '../../src/targets/deliberate.ts'
import { readEffect, type Effect } from '../../src/targets/effect.ts'
import { noteComputers } from '../../src/targets/effect-rows.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { makeEstate, run } from './model/estate.ts'
import { anyEvent, deployed, directoryEvent, type Event } from './model/events.ts'
import { keyOf, loadFacts, loadStanding } from './model/facts.ts'
import { wantedBy } from './model/model.ts'

const graceMs = 30 * 86_400_000
const runs = Number(process.env['TARGET_RUNS'] ?? 8)
const log = createLog({ level: 'silent', pretty: false })
const guard = { holdMin: 1_000_000, holdPercent: 100, holdMax: 1_000_000 }

const open: TestDatabase[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((database) => database.drop()))
})

interface Told {
  changes: unknown[]
  effect: Effect
}

const happen = (db: Kysely<Database>, events: readonly Event[]): Promise<void> =>
  run(
    db,
    events.flatMap((event) => event.run),
  )

async function change(db: Kysely<Database>, changes: readonly Event[], keep: boolean): Promise<Told> {
  const told: { changes?: unknown[]; effect?: Effect } = {}
  await changeDeliberately(
    { db, guard, licenseGraceMs: graceMs, log },
    {
      trigger: 'test',
      keep,
      write: (trx) => happen(trx, changes),
      beforeApply: noteComputers,
      afterApply: async (trx: Transaction<Database>) => {
        const { rows } = await sql`
          select tenant_id, tenant_before, subject_id, item_id, change, reason, before, after from resolving_changes
          where change <> 'reworded' order by subject_id, item_id`.execute(trx)
        told.changes = rows
        told.effect = await readEffect(trx, 100)
      },
    },
  )
  if (told.changes === undefined || told.effect === undefined) throw new Error('nothing was looked at')
  return { changes: told.changes, effect: told.effect }
}

/** Everything that a preview must leave as it was. */
async function everything(db: Kysely<Database>): Promise<unknown> {
  const read = async (table: string) =>
    (await sql`select * from ${sql.table(table)} x order by x::text`.execute(db)).rows
  return Promise.all(
    [
      'deployments',
      'deployment_targets',
      'target_changes',
      'target_feed',
      'target_dirt',
      'target_runs',
      'holds',
      'tenants',
    ].map(read),
  )
}

test('a preview tells exactly what applying it does, and leaves nothing behind', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(deployed, { minLength: 3, maxLength: 8 }),
      fc.array(anyEvent, { minLength: 10, maxLength: 25 }),
      fc.array(deployed, { minLength: 1, maxLength: 5 }),
      fc.array(directoryEvent, { maxLength: 2 }),
      async (deployments, history, changes, late) => {
        const database = await testDatabase()
        open.push(database)
        const { db } = database
        await makeEstate(db)
        await happen(db, [...deployments, ...history])
        const context = { db, guard, licenseGraceMs: graceMs, log }
        await resolveTargets(context, { trigger: 'test' })
        // Something may be waiting to be resolved when the preview is asked for.
        await happen(db, late)
        const before = await everything(db)
        const preview = await change(db, changes, false)
        expect(await everything(db)).toEqual(before)
        const applied = await change(db, changes, true)
        expect(applied.changes).toEqual(preview.changes)
        expect(applied.effect).toEqual(preview.effect)
        const wanted = wantedBy(await loadFacts(db), graceMs)
        expect(new Map((await loadStanding(db)).map((target) => [keyOf(target), target]))).toEqual(wanted)

        // Resolved whole, nothing is found that the dirt had missed.
        const feed = () => db.selectFrom('target_feed').selectAll().execute()
        const then = await feed()
        await sql`insert into target_dirt (family_id, kind) select distinct family_id, 'all' from tenant_families`.execute(
          db,
        )
        await resolveTargets(context, { trigger: 'test' })
        expect(await feed()).toEqual(then)
      },
    ),
    { numRuns: runs },
  )
})

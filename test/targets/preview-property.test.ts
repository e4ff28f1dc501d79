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
import { anyChange, deployment, make, makeEstate, type Change } from './changes.ts'
import { loadWorld, wantedTargets } from './oracle.ts'

const graceMs = 30 * 86_400_000
const runs = Number(process.env['TARGET_RUNS'] ?? 10)
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

async function change(db: Kysely<Database>, changes: readonly Change[], keep: boolean): Promise<Told> {
  const told: { changes?: unknown[]; effect?: Effect } = {}
  await changeDeliberately(
    { db, guard, licenseGraceMs: graceMs, log },
    {
      trigger: 'test',
      keep,
      write: async (trx) => {
        for (const one of changes) await make(trx, one)
      },
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
      fc.array(fc.oneof(deployment, anyChange), { minLength: 6, maxLength: 20 }),
      fc.array(deployment, { minLength: 1, maxLength: 5 }),
      fc.array(anyChange, { maxLength: 2 }),
      async (history, changes, late) => {
        const database = await testDatabase()
        open.push(database)
        const { db } = database
        await makeEstate(db)
        for (const one of history) await make(db, one)
        await resolveTargets({ db, guard, licenseGraceMs: graceMs, log }, { trigger: 'test' })
        // Something may be waiting to be resolved when the preview is asked for.
        for (const one of late) await make(db, one)
        const before = await everything(db)
        const preview = await change(db, changes, false)
        expect(await everything(db)).toEqual(before)
        const applied = await change(db, changes, true)
        expect(applied.changes).toEqual(preview.changes)
        expect(applied.effect).toEqual(preview.effect)
        const targets = await sql<{ subject_id: string; item_id: string; deployment_id: string }>`
          select subject_id, item_id, deployment_id from deployment_targets`.execute(db)
        const wanted = wantedTargets(await loadWorld(db), graceMs)
        expect(
          new Map(targets.rows.map((row) => [`${row.subject_id} ${row.item_id}`, row.deployment_id])),
        ).toEqual(new Map([...wanted].map(([key, row]) => [key, row.deployment_id])))
      },
    ),
    { numRuns: runs },
  )
}, 300_000)

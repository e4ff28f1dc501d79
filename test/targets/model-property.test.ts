import fc from 'fast-check'
import { sql, type Kysely } from 'kysely'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { computerWinners } from './model/computers.ts'
import { makeEstate, run } from './model/estate.ts'
import { anyEvent, deployed, directoryEvent, type Event } from './model/events.ts'
import { keyOf, loadFacts, loadStanding, type TargetFact } from './model/facts.ts'
import { wantedBy } from './model/model.ts'

const graceMs = 30 * 86_400_000
const numRuns = Number(process.env['MODEL_RUNS'] ?? 4)
const log = pino({ level: 'silent' })
const noGuard = { holdMin: 1_000_000, holdPercent: 100, holdMax: 1_000_000 }

const open: TestDatabase[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((database) => database.drop()))
})

async function estate(): Promise<Kysely<Database>> {
  await Promise.all(open.splice(0).map((database) => database.drop()))
  const database = await testDatabase()
  open.push(database)
  await makeEstate(database.db)
  return database.db
}

const byKey = (targets: readonly TargetFact[]) => new Map(targets.map((target) => [keyOf(target), target]))

/** What a reader of the feed has who read it from its start. */
async function replayed(db: Kysely<Database>): Promise<Map<string, unknown>> {
  const { rows } = await sql<
    Record<'subject_id' | 'item_id' | 'tenant_id' | 'change', string> & { before: unknown; after: object }
  >`
    select * from target_changes order by seq`.execute(db)
  const had = new Map<string, { tenant_id: string; facts: unknown }>()
  for (const { tenant_id, change, before, after, ...row } of rows) {
    const key = keyOf(row)
    expect(had.get(key)?.facts ?? null).toEqual(before)
    if (change === 'unassigned') had.delete(key)
    else had.set(key, { tenant_id, facts: after })
  }
  return had
}

const inFeed = (targets: ReadonlyMap<string, TargetFact>) =>
  new Map(
    [...targets].map(([key, { tenant_id, deployment_id, scope, version, desired_state, enforcement }]) => [
      key,
      { tenant_id, facts: { deployment_id, scope, version, desired_state, enforcement } },
    ]),
  )

async function computerTargets(db: Kysely<Database>): Promise<Map<string, string>> {
  const { rows } = await sql<{ key: string; winner: string }>`
    select computer_id || ' ' || item_id as key, deployment_id || ' of ' || coalesce(person_id, computer_id) as winner from computer_targets`.execute(
    db,
  )
  return new Map(rows.map(({ key, winner }) => [key, winner]))
}

test('whatever happens, what stands is what the model wants, on persons, on computers and in the feed', async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(deployed, { minLength: 6, maxLength: 12 }),
      fc.array(directoryEvent, { minLength: 15, maxLength: 30 }),
      fc.array(fc.array(anyEvent, { minLength: 1, maxLength: 3 }), { minLength: 10, maxLength: 16 }),
      async (deployments, beginnings, steps) => {
        const db = await estate()
        const happen = (events: readonly Event[]) =>
          run(
            db,
            events.flatMap((event) => event.run),
          )
        await happen([...deployments, ...beginnings])
        for (const step of [[], ...steps]) {
          await happen(step)
          const wanted = wantedBy(await loadFacts(db), graceMs)
          const { failed } = await resolveTargets(
            { db, guard: noGuard, licenseGraceMs: graceMs, log },
            { trigger: 'test' },
          )
          expect(failed).toEqual([])
          expect(byKey(await loadStanding(db))).toEqual(wanted)
          expect(await replayed(db)).toEqual(inFeed(wanted))
          expect(await computerTargets(db)).toEqual(computerWinners(await loadFacts(db)))
          compared += wanted.size
        }
      },
    ),
    { numRuns, endOnFailure: process.env['MODEL_SHRINK'] === undefined },
  )
  expect(compared).toBeGreaterThan(100)
}, 600_000)

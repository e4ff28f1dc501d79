import fc from 'fast-check'
import { sql, type Kysely } from 'kysely'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { computerWinners } from './model/computers.ts'
import { ids, makeEstate, run } from './model/estate.ts'
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
  expect(compared).toBeGreaterThan(0)
})

// Most estates out of a few random deployments have targets, and most steps touch a few of them: one seed in some had
// no target at all, and so nothing that could be held.
const everybody: Event = {
  what: 'a deployment for everybody',
  run: [
    sql`insert into deployments (deployment_id, name, item_id, scope, target_type, target)
      values (gen_random_uuid(), 'everybody', ${ids.items[0]}, 'cross_tenant', 'everyone', '{}')`,
  ],
}
const everybodyGone: Event = { what: 'everybody is gone', run: [sql`update persons set deleted_at = now()`] }

test('what is held stays as it was, whatever is not held is what the model wants, and the limit is kept over the day', async () => {
  const small = { holdMin: 0, holdPercent: 10, holdMax: 3 }
  let held = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(deployed, { minLength: 6, maxLength: 12 }),
      fc.array(directoryEvent, { minLength: 15, maxLength: 30 }),
      fc.array(fc.array(directoryEvent, { minLength: 1, maxLength: 4 }), { minLength: 8, maxLength: 14 }),
      async (deployments, beginnings, steps) => {
        const db = await estate()
        const happen = (events: readonly Event[]) =>
          run(
            db,
            events.flatMap((event) => event.run),
          )
        await happen([...deployments, everybody, ...beginnings])
        for (const step of [[], ...steps, [everybodyGone]]) {
          await happen(step)
          const facts = await loadFacts(db)
          const wanted = wantedBy(facts, graceMs)
          const { failed } = await resolveTargets(
            { db, guard: small, licenseGraceMs: graceMs, log },
            { trigger: 'test' },
          )
          expect(failed).toEqual([])
          const kept = await heldKeys(db)
          held += kept.size
          const before = byKey(facts.standing)
          const after = byKey(await loadStanding(db))
          for (const key of new Set([...before.keys(), ...after.keys(), ...wanted.keys(), ...kept])) {
            expect([key, after.get(key)]).toEqual([key, (kept.has(key) ? before : wanted).get(key)])
            // A hold of what is as it should be has withdrawn itself.
            if (kept.has(key)) expect([key, before.get(key)]).not.toEqual([key, wanted.get(key)])
          }
          expect(await replayed(db)).toEqual(inFeed(after))
        }
        const { rows: over } = await sql`
          select tenant_id, change, count(*) from target_changes where not deliberate and change <> 'changed' and reason ->> 'by' <> 'moved'
          group by tenant_id, change having count(*) > ${small.holdMax}`.execute(db)
        expect(over).toEqual([])
      },
    ),
    { numRuns, endOnFailure: process.env['MODEL_SHRINK'] === undefined },
  )
  expect(held).toBeGreaterThan(0)
})

async function heldKeys(db: Kysely<Database>): Promise<Set<string>> {
  const { rows } = await sql<{ key: string }>`
    select i.key[1] || ' ' || i.key[2] as key from holds h join hold_items i using (hold_id)
    where h.kind = 'target' and h.status = 'open'`.execute(db)
  return new Set(rows.map(({ key }) => key))
}

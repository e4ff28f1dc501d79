import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { explain } from '../../src/targets/explain/explain.ts'
import { readSubject } from '../../src/targets/explain/subject.ts'
import { verdictText } from '../../src/targets/explain/texts.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { makeEstate, run } from './model/estate.ts'
import { deployed, directoryEvent } from './model/events.ts'
import { loadFacts, loadStanding } from './model/facts.ts'

const graceMs = 30 * 86_400_000
const numRuns = Number(process.env['MODEL_RUNS'] ?? 4)
const log = pino({ level: 'silent' })
const guard = { holdMin: 1_000_000, holdPercent: 100, holdMax: 1_000_000 }

const open: TestDatabase[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((database) => database.drop()))
})

test('whom explain calls the winner is whom the resolver has chosen, for everybody, and it writes nothing', async () => {
  let explained = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(deployed, { minLength: 12, maxLength: 20 }),
      fc.array(directoryEvent, { minLength: 30, maxLength: 50 }),
      async (deployments, events) => {
        const database = await testDatabase()
        open.push(database)
        const { db } = database
        await makeEstate(db)
        await run(
          db,
          [...deployments, ...events].flatMap((event) => event.run),
        )
        await resolveTargets({ db, guard, licenseGraceMs: graceMs, log }, { trigger: 'test' })
        const standing = await loadStanding(db)
        const { persons, computers } = await loadFacts(db)
        const ids = [...persons.map((one) => one.person_id), ...computers.map((one) => one.computer_id)]
        for (const id of ids) {
          const subject = await readSubject(db, id)
          if (subject === null) throw new Error(`${id} is not found`)
          const { items } = await explain({ db, licenseGraceMs: graceMs }, subject, null)
          const winners = items.flatMap(({ itemId, deployments: all }) =>
            all.filter(({ verdict }) => verdict.is === 'wins').map((one) => `${itemId} ${one.deploymentId}`),
          )
          const had = standing
            .filter((target) => target.subject_id === id)
            .map((target) => `${target.item_id} ${target.deployment_id}`)
          expect(new Set(winners)).toEqual(new Set(had))
          for (const one of items.flatMap(({ deployments: all }) => all))
            expect(verdictText(one)).not.toMatch(/undefined|unknown|\[object/)
          explained += winners.length
        }
        expect(await loadStanding(db)).toEqual(standing)
      },
    ),
    { numRuns },
  )
  expect(explained).toBeGreaterThan(0)
})

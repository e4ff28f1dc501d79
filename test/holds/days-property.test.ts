import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { GuardSettings } from '../../src/guard.ts'
import { approveHold } from '../../src/holds/decide.ts'
import { unfreezeFleet } from '../../src/holds/freeze.ts'
import { Days, type Standing } from './days.ts'
import { step, take, without } from './days-steps.ts'

const guard: GuardSettings = { holdMin: 2, holdPercent: 10, holdMax: 4 }
const numRuns = Number(process.env['DAYS_RUNS'] ?? 8)

/** What went without anybody's approval, to be judged over each day. */
class Removals {
  private readonly seen: { hours: number; count: number }[] = []
  private readonly holdMax: number

  constructor(factor: number) {
    this.holdMax = guard.holdMax * factor
  }

  judge(hours: number, count: number, total: number): void {
    const recent = this.seen
      .filter((each) => hours - each.hours < 24)
      .reduce((sum, each) => sum + each.count, 0)
    const sum = recent + count
    if (count > 0) {
      const share = (sum * 100) / (total + recent)
      expect({ sum, within: sum <= this.holdMax }).toEqual({ sum, within: true })
      expect({ sum, share, within: sum <= guard.holdMin || share <= guard.holdPercent }).toMatchObject({
        within: true,
      })
      expect(count).toBeLessThan(total)
    }
    this.seen.push({ hours, count })
  }
}

/** Takes the truth for what it is: all decided on, nothing is left that differs from it. */
async function settle(days: Days): Promise<Standing> {
  await unfreezeFleet(days.context, 'anna')
  for (let month = 0; month < 6; month++) {
    // Rejections are over, and so are the days that a drip is counted over.
    await days.pass(745)
    await days.readWhole()
    for (;;) {
      const [hold] = await days.openHolds()
      if (hold === undefined) break
      await approveHold(days.context, { holdId: hold.holdId, hash: hold.hash, by: 'anna' })
      await days.resolve()
    }
  }
  return days.standing()
}

test('over days of changes and decisions nothing goes but what is small or was approved, and all that was approved goes', async () => {
  const met = { approved: 0, held: 0, passed: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 30 }), async (steps) => {
      const days = await Days.begin(guard)
      const persons = new Removals(1)
      const edges = new Removals(10)
      try {
        for (const one of steps) {
          const before = await days.standing()
          const approved = await take(days, one)
          const after = await days.standing()
          const gone = without(before.persons, after.persons)
          const left = without(before.edges, after.edges).filter((n) => after.persons.has(n))
          const shown = (kind: string): number[] =>
            approved?.kind === kind ? [...approved.keys].toSorted((a, b) => a - b) : []
          if (approved === null) {
            persons.judge(days.hours, gone.length, before.persons.size)
            edges.judge(days.hours, left.length, before.edges.size)
            met.passed += gone.length + left.length
          } else {
            met.approved++
            // Exactly what was shown.
            const listed = (all: number[]) => all.toSorted((a, b) => a - b).join(' ')
            expect(listed(gone)).toBe(listed(shown('person').filter((n) => before.persons.has(n))))
            expect(listed(left)).toBe(
              listed(shown('membership').filter((n) => before.edges.has(n) && after.persons.has(n))),
            )
          }
          // Whoever is there in truth is there, and whoever is not is there for a reason that somebody can read.
          expect(without(days.users, after.persons)).toEqual([])
          const keptPersons = await days.kept('person')
          met.held += keptPersons.size
          expect(without(after.persons, days.users).filter((n) => !keptPersons.has(n))).toEqual([])
          const truth = new Set(days.edges())
          expect(without(truth, after.edges)).toEqual([])
          const keptEdges = await days.kept('membership')
          expect(without(after.edges, truth).filter((n) => days.users.has(n) && !keptEdges.has(n))).toEqual(
            [],
          )
          // Software stays with whom it is for; a hold of targets is a decision about targets.
          if (approved?.kind !== 'target') {
            expect(without(before.office, after.office).filter((n) => after.persons.has(n))).toEqual([])
            expect(
              without(before.autocad, after.autocad).filter(
                (n) => after.persons.has(n) && after.edges.has(n),
              ),
            ).toEqual([])
          }
        }
        const end = await settle(days)
        const sorted = (all: Iterable<number>) => [...all].toSorted((a, b) => a - b).join(' ')
        expect({
          persons: sorted(end.persons),
          edges: sorted([...end.edges].filter((n) => end.persons.has(n))),
          office: sorted(end.office),
          autocad: sorted(end.autocad),
        }).toEqual({
          persons: sorted(days.users),
          edges: sorted(days.edges()),
          office: sorted(days.users),
          autocad: sorted(days.edges()),
        })
      } finally {
        await days.drop()
      }
    }),
    { numRuns, endOnFailure: process.env['DAYS_SHRINK'] === undefined },
  )
  // Of each enough, or it would say nothing.
  expect({ approved: met.approved > 0, held: met.held > 0, passed: met.passed > 0 }).toEqual({
    approved: true,
    held: true,
    passed: true,
  })
})

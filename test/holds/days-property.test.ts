import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { GuardSettings } from '../../src/guard.ts'
import { approveHold, rejectHold } from '../../src/holds/decide.ts'
import { freezeFleet, unfreezeFleet } from '../../src/holds/freeze.ts'
import { guid, member, removed, user } from '../sync/scripted.ts'
import { Days, type HoldShown, type Standing } from './days.ts'

const guard: GuardSettings = { holdMin: 2, holdPercent: 10, holdMax: 4 }
const numRuns = Number(process.env['DAYS_RUNS'] ?? 8)

type Step =
  | { act: 'leave' | 'quit'; count: number; from: number; how: 'told' | 'absent' }
  | { act: 'return' | 'join'; count: number; from: number }
  | { act: 'rename'; from: number }
  | { act: 'pass'; hours: number }
  | { act: 'approve' | 'reject'; which: number }
  | { act: 'stale'; which: number }
  | { act: 'freeze' | 'unfreeze' | 'whole' }

const from = fc.nat(1000)
// Mostly a few, sometimes many: a drip is the more dangerous of the two.
const count = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 3 }) },
  { weight: 1, arbitrary: fc.integer({ min: 4, max: 40 }) },
)
const how = fc.constantFrom('told' as const, 'absent' as const)
const which = fc.nat(3)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ act: fc.constantFrom('leave' as const, 'quit' as const), count, from, how }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constantFrom('return' as const, 'join' as const), count, from }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('rename' as const), from }) },
  // Never a sum of exactly 24: what is a day old to the second may be counted or not.
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constant('pass' as const), hours: fc.constantFrom(5, 25, 35, 725) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constantFrom('approve' as const, 'approve' as const, 'reject' as const, 'stale' as const),
      which,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constantFrom('freeze' as const, 'unfreeze' as const, 'unfreeze' as const, 'whole' as const),
    }),
  },
)

/** `count` of a set, from a place on. */
function some(all: Iterable<number>, count: number, from: number): number[] {
  const list = [...all].toSorted((a, b) => a - b)
  return Array.from({ length: Math.min(count, list.length) }, (_, n) => list[(from + n) % list.length] ?? 0)
}
const without = (all: ReadonlySet<number>, others: ReadonlySet<number>) =>
  [...all].filter((n) => !others.has(n))
const outside = (all: ReadonlySet<number>, most: number) =>
  Array.from({ length: most }, (_, n) => n + 1).filter((n) => !all.has(n))

/** Does a step; answers the hold that was approved. */
async function take(days: Days, step: Step): Promise<HoldShown | null> {
  const { context, db } = days
  switch (step.act) {
    case 'leave':
    case 'quit': {
      const truth = step.act === 'leave' ? days.users : days.members
      const gone = some(step.act === 'leave' ? truth : days.edges(), step.count, step.from)
      for (const n of gone) truth.delete(n)
      if (step.how === 'absent') await days.readWhole()
      else if (step.act === 'leave') await days.readDelta({ users: gone.map((n) => removed(guid(n, 1))) })
      else await days.readDelta({ members: gone.map((n) => member(n, true)) })
      return null
    }
    case 'return': {
      const back = some(outside(days.users, 40), step.count, step.from)
      for (const n of back) days.users.add(n)
      // Who is restored is in the groups again that they were in, and that is told with the group.
      await days.readDelta({
        users: back.map((n) => user(n)),
        members: back.filter((n) => days.members.has(n)).map((n) => member(n)),
      })
      return null
    }
    case 'join': {
      const joined = some(
        outside(days.members, 40).filter((n) => days.users.has(n)),
        step.count,
        step.from,
      )
      for (const n of joined) days.members.add(n)
      await days.readDelta({ members: joined.map((n) => member(n)) })
      return null
    }
    case 'rename': {
      const [n] = some(days.users, 1, step.from)
      if (n !== undefined) await days.readDelta({ users: [user(n, { displayName: `Renamed ${step.from}` })] })
      return null
    }
    case 'whole':
      await days.readWhole()
      return null
    case 'pass':
      await days.pass(step.hours)
      return null
    case 'freeze':
    case 'unfreeze':
      if (step.act === 'unfreeze') await unfreezeFleet(context, 'anna')
      else
        await freezeFleet(db, { by: 'anna', reason: 'to be sure' }).catch((error: unknown) =>
          expect(error).toMatchObject({ code: 'fleet_frozen' }),
        )
      await days.resolve()
      return null
    case 'approve':
    case 'reject':
    case 'stale':
      return decide(days, step)
  }
}

async function decide(
  days: Days,
  { act, which }: { act: 'approve' | 'reject' | 'stale'; which: number },
): Promise<HoldShown | null> {
  const { context, db } = days
  const open = await days.openHolds()
  const hold = open[which % Math.max(1, open.length)]
  if (hold === undefined) return null
  const { holdId, hash } = hold
  if (act === 'reject') {
    await rejectHold(db, { holdId, by: 'anna', reason: 'they are there' })
    return null
  }
  if (act === 'stale') {
    const other = hash.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
    await expect(approveHold(context, { holdId, hash: other, by: 'anna' })).rejects.toMatchObject({
      code: expect.stringMatching(/^(hold_changed|fleet_frozen)$/),
    })
    return null
  }
  try {
    await approveHold(context, { holdId, hash, by: 'anna' })
  } catch (error) {
    expect(error).toMatchObject({ code: 'fleet_frozen' })
    return null
  }
  await expect(approveHold(context, { holdId, hash, by: 'otto' })).rejects.toMatchObject({
    code: 'hold_closed',
  })
  return hold
}

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
            expect(gone).toEqual(shown('person').filter((n) => before.persons.has(n)))
            expect(left).toEqual(
              shown('membership').filter((n) => before.edges.has(n) && after.persons.has(n)),
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

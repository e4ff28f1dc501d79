import fc from 'fast-check'
import { expect } from 'vitest'
import { approveHold, rejectHold } from '../../src/holds/decide.ts'
import { freezeFleet, unfreezeFleet } from '../../src/holds/freeze.ts'
import { guid, member, removed, user } from '../sync/scripted.ts'
import type { Days, HoldShown } from './days.ts'

/** What happens in the cloud, or is decided by an operator. */
export type Step =
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
export const step: fc.Arbitrary<Step> = fc.oneof(
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
/** Those of a set who are not in the other. */
export const without = (all: ReadonlySet<number>, others: ReadonlySet<number>) =>
  [...all].filter((n) => !others.has(n))
const outside = (all: ReadonlySet<number>, most: number) =>
  Array.from({ length: most }, (_, n) => n + 1).filter((n) => !all.has(n))

/** Does a step; answers the hold that was approved. */
export async function take(days: Days, step: Step): Promise<HoldShown | null> {
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

import { expect, test } from 'vitest'
import { isFleetFrozen } from '../../src/guard.ts'
import { judgeRemovals, type RemovalSet } from '../../src/sync/guard.ts'

const settings = { holdMin: 5, holdPercent: 10, holdMax: 500 }
const set = (more: Partial<RemovalSet>): RemovalSet => ({
  kind: 'person',
  count: 0,
  total: 1000,
  recent: 0,
  frozen: false,
  ...more,
})

test.each<[string, Partial<RemovalSet>, ReturnType<typeof judgeRemovals>]>([
  ['nothing', { count: 0, total: 0 }, null],
  ['five of ten are no more than HOLD_MIN', { count: 5, total: 10 }, null],
  ['six of 60 are exactly 10 %', { count: 6, total: 60 }, null],
  ['six of 59 are more', { count: 6, total: 59 }, 'over_percent'],
  ['100 of 1000 are exactly 10 %', { count: 100 }, null],
  ['101 of 1000 are more', { count: 101 }, 'over_percent'],
  ['500 of 100,000 are HOLD_MAX', { count: 500, total: 100_000 }, null],
  ['501 are more', { count: 501, total: 100_000 }, 'over_max'],
  ['memberships may be ten times as many', { kind: 'membership', count: 5000, total: 100_000 }, null],
  ['but not more', { kind: 'membership', count: 5001, total: 100_000 }, 'over_max'],
  ['licences likewise', { kind: 'license', count: 5001, total: 100_000 }, 'over_max'],
  ['devices not', { kind: 'device', count: 501, total: 100_000 }, 'over_max'],
  ['one of one empties', { count: 1, total: 1 }, 'empties_collection'],
  ['three of three empty', { count: 3, total: 3 }, 'empties_collection'],
  ['two of three do not', { count: 2, total: 3 }, null],
  ['60 now after 50 today are 110 of 1050', { count: 60, recent: 50 }, 'over_percent'],
  ['the same without those of today', { count: 60 }, null],
  ['a drip in a large tenant', { count: 10, recent: 495, total: 100_000 }, 'over_max'],
  ['a freeze holds even one', { count: 1, frozen: true }, 'fleet_frozen'],
  ['a freeze holds nothing of nothing', { count: 0, frozen: true }, null],
])('%s', (_name, facts, reason) => {
  expect(judgeRemovals(set(facts), settings)).toBe(reason)
})

test.each([
  [3, 10, false],
  [4, 10, true],
  [50, 1000, false],
  [51, 1000, true],
])('%i tenants held of %i: frozen %s', (held, tenants, frozen) => {
  expect(isFleetFrozen(held, tenants)).toBe(frozen)
})

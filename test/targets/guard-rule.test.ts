import { describe, expect, test } from 'vitest'
import { judgeTargets, type TargetSet } from '../../src/targets/resolve/guard.ts'

const guard = { holdMin: 5, holdPercent: 10, holdMax: 500 }

describe('the guard of targets', () => {
  const set = (more: Partial<TargetSet>): TargetSet => ({
    tenantId: '00000002-0000-4000-8000-000000000001',
    entraTenantId: null,
    deploymentId: null,
    direction: 'unassign',
    count: 0,
    total: 1000,
    recent: 0,
    ...more,
  })
  test.each<[string, Partial<TargetSet>, boolean, ReturnType<typeof judgeTargets>]>([
    ['nothing', {}, true, null],
    ['five of five', { count: 5, total: 5 }, false, null],
    ['six of six', { count: 6, total: 6 }, false, 'empties_deployment'],
    ['100 of 1,000', { count: 100 }, false, null],
    ['101 of 1,000', { count: 101 }, false, 'over_percent'],
    ['500 of 100,000', { count: 500, total: 100_000 }, false, null],
    ['501 of 100,000', { count: 501, total: 100_000 }, false, 'over_max'],
    ['60 after 50', { count: 60, recent: 50 }, false, 'over_percent'],
    ['one while the fleet is frozen', { count: 1 }, true, 'fleet_frozen'],
    ['given while the fleet is frozen', { count: 1, direction: 'assign' }, true, null],
    ['given to 101 of 1,000', { count: 101, direction: 'assign' }, false, 'over_percent'],
    ['given to everybody of a small tenant', { count: 5, total: 5, direction: 'assign' }, false, null],
  ])('%s', (_, facts, frozen, verdict) => {
    expect(judgeTargets(set(facts), guard, frozen)).toBe(verdict)
  })
})

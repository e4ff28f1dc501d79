import { expect, test } from 'vitest'
import type { Cursor } from '../../src/db/cursors.ts'
import { EntraSyncError, type ErrorKind } from '../../src/errors.ts'
import {
  canContinue,
  fateOfRun,
  implausibleColumns,
  roundMode,
  verdictOfError,
  type RoundFacts,
  type Verdict,
} from '../../src/sync/verdict.ts'

const day = 24 * 3_600_000
const now = new Date('2026-11-22T12:00:00Z')
const ago = (ms: number) => new Date(now.getTime() - ms)
const facts: RoundFacts = {
  delta: true,
  requested: 'delta',
  selectHash: 's1',
  appId: 'a1',
  permissionsHash: 'p1',
  reconcileMs: day,
  now,
}
const cursor: Cursor = {
  collection: 'users',
  start_link: 'https://graph.example/delta',
  next_link: null,
  round_id: null,
  round_mode: null,
  round_started_at: null,
  round_pages: 0,
  round_added: 0,
  round_changed: 0,
  round_removed: 0,
  round_unchanged: 0,
  round_linked: 0,
  round_sweeps: false,
  round_basis: 's1 a1 p1',
  restarts: 0,
  partial_rounds: 0,
  drift_rounds: 0,
  full_round_due: false,
  completed_at: ago(1000),
  last_full_at: ago(1000),
  served_seq: 1,
  select_hash: 's1',
  app_id: 'a1',
  permissions_hash: 'p1',
}

test.each<[string, Partial<Cursor>, Partial<RoundFacts>, 'delta' | 'full']>([
  ['a fresh cursor', {}, {}, 'delta'],
  ['a list', {}, { delta: false }, 'full'],
  ['asked for', {}, { requested: 'full' }, 'full'],
  ['never read to its end', { start_link: null }, {}, 'full'],
  ['due after failures', { full_round_due: true }, {}, 'full'],
  ['other properties', { select_hash: 's0' }, {}, 'full'],
  ['another app', { app_id: 'a0' }, {}, 'full'],
  ['an app nobody can name', { app_id: 'a0' }, { appId: null }, 'delta'],
  ['other permissions', { permissions_hash: 'p0' }, {}, 'full'],
  ['a token that cannot be decoded', { permissions_hash: 'p0' }, { permissionsHash: null }, 'delta'],
  ['permissions never known before', { permissions_hash: null }, {}, 'delta'],
  [
    'almost 6 days old',
    { completed_at: ago(6 * day), last_full_at: ago(6 * day) },
    { reconcileMs: 30 * day },
    'delta',
  ],
  ['older than 6 days', { completed_at: ago(6 * day + 1) }, { reconcileMs: 30 * day }, 'full'],
  ['reconcile interval not over', { last_full_at: ago(day - 1) }, {}, 'delta'],
  ['reconcile interval over', { last_full_at: ago(day) }, {}, 'full'],
])('the next round: %s', (_name, change, factsChange, mode) => {
  expect(roundMode({ ...cursor, ...change }, { ...facts, ...factsChange }).mode).toBe(mode)
})

const open = { round_id: 'r', next_link: 'n', round_mode: 'delta', round_started_at: ago(1000) } as const
test.each<[string, Partial<Cursor>, 'delta' | 'full', boolean]>([
  ['no open round', {}, 'delta', false],
  ['an open delta round', open, 'delta', true],
  ['an open delta round where a full one is wanted', open, 'full', false],
  ['an open full round', { ...open, round_mode: 'full' }, 'delta', true],
  [
    'an open full round begun with other permissions',
    { ...open, round_mode: 'full', round_basis: 's1 a1 p0' },
    'full',
    false,
  ],
  ['an open round older than its tokens may be', { ...open, round_started_at: ago(6 * day) }, 'delta', false],
])('going on: %s', (_name, change, mode, goesOn) => {
  expect(canContinue({ ...cursor, ...change }, mode, facts)).toBe(goesOn)
})

test.each<[ErrorKind, Verdict]>([
  ['malformed', 'partial'],
  ['foreign_origin', 'partial'],
  ['restart', 'restart'],
  ['reset', 'reset'],
  ['access_lost', 'access_lost'],
  ['not_permitted', 'not_permitted'],
  ['throttled', 'throttled'],
  ['transient', 'failed'],
  ['not_found', 'failed'],
  ['wrong_tenant', 'failed'],
  ['database', 'failed'],
  ['aborted', 'yielded'],
  ['fenced', 'fenced'],
])('an error of kind %s ends a round as %s', (kind, verdict) => {
  expect(verdictOfError(new EntraSyncError(kind, 'it', { code: 'it' }))).toBe(verdict)
})

test.each<[number, number, number, string[]]>([
  [19, 19, 19, []],
  [20, 4, 20, []],
  [30, 6, 30, []],
  [30, 7, 30, ['mail']],
  // Five are never too many: they stayed partial for ever.
  [100, 1, 1, []],
  [100, 5, 5, []],
  [100, 6, 6, ['mail']],
])('of %i seen, %i of %i filled cleared', (seen, cleared, filled, columns) => {
  const guard = { holdMin: 5, holdPercent: 10 }
  expect(implausibleColumns(seen, [{ column: 'mail', cleared, filled }], guard)).toEqual(columns)
})

const end = (verdict: Verdict, required = true, held = 0) => ({ verdict, required, held })
test.each([
  [[end('complete'), end('complete')], 'succeeded'],
  [[end('complete'), end('complete_empty', true, 3)], 'held'],
  [[end('complete'), end('partial')], 'partial'],
  [[end('complete'), end('partial', false)], 'succeeded'],
  [[end('complete'), end('not_permitted', false)], 'succeeded'],
  [[end('yielded'), end('complete')], 'yielded'],
  [[end('yielded'), end('throttled')], 'throttled'],
  [[end('yielded'), end('access_lost')], 'failed'],
  [[end('throttled'), end('failed')], 'failed'],
  [[end('failed'), end('fenced')], 'fenced'],
] as const)('fate of a run, case %#', (ends, fate) => {
  expect(fateOfRun(ends)).toBe(fate)
})

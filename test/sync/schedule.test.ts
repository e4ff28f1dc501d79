import { expect, test } from 'vitest'
import { EntraSyncError, type ErrorKind } from '../../src/errors.ts'
import { paceOf, retryAfterFailure } from '../../src/sync/schedule.ts'

const minute = 60_000
const tenant = '0f5a1d1c-3a41-4a7e-9d0e-5f8f4f3f2a10'

test.each<[ErrorKind, string, number]>([
  // After a minute without Postgres everybody has failed several times, and nothing is wrong with any of them.
  ['database', 'postgres_connection_lost', 1],
  ['database', 'postgres_econnrefused', 1],
  ['database', 'postgres_57p01', 1],
  ['database', 'postgres_53300', 1],
  ['database', 'postgres_25006', 1],
  // What Postgres refuses for what it says would be read from Microsoft again every minute.
  ['database', 'postgres_53100', 60],
  ['database', 'postgres_22021', 60],
  ['transient', 'graph_503', 60],
  ['access_lost', 'aadsts_700016', 24 * 60],
  // Whoever sets the clock right has mended it for everybody.
  ['access_lost', 'clock_skewed', 60],
])('after its tenth failure running, by %s %s, it is tried again within %i minutes', (kind, code, most) => {
  const now = new Date('2026-11-23T12:00:00Z')
  const error = new EntraSyncError(kind, 'it failed', { code })
  const wait = retryAfterFailure(now, 10, paceOf(error), tenant).getTime() - now.getTime()
  expect(wait).toBeLessThanOrEqual(most * minute)
  expect(wait).toBeGreaterThanOrEqual(0.75 * most * minute)
})

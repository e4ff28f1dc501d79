import { expect, it } from 'vitest'
import { discoveryRetryMs } from '../../src/scheduler/due.ts'

it('a failed discovery is tried again before its interval is over, and within 15 minutes', () => {
  expect(discoveryRetryMs(6 * 60 * 60_000)).toBe(15 * 60_000)
  expect(discoveryRetryMs(1000)).toBe(250)
})

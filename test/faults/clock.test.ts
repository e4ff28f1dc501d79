import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nextSync, retryAfterFailure } from '../../src/sync/schedule.ts'
import { clockFaults } from './clock.ts'
import { allWell } from './oracle.ts'
import { suffer } from './suffer.ts'
import { startWorld, type World } from './world.ts'

describe('the clock', () => {
  let world: World
  beforeAll(async () => void (world = await startWorld('redis')))
  afterAll(() => world.close())

  test.each(clockFaults)('$number: $name', async (fault) => {
    expect(await suffer(world, fault)).toEqual(allWell)
  })
})

describe('the calendar', () => {
  const zone = process.env['TZ']
  afterEach(() => {
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
  })

  test.each(['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC'])(
    'nothing is due twice, too early or too late where clocks change: %s',
    (timeZone) => {
      process.env['TZ'] = timeZone
      const interval = 30 * 60_000
      for (const day of [
        '2026-03-08',
        '2026-03-29',
        '2026-04-05',
        '2026-10-25',
        '2026-11-01',
        '2028-02-29',
        '2026-12-31',
      ]) {
        for (let minutes = 0; minutes < 24 * 60; minutes += 17) {
          const now = new Date(Date.parse(`${day}T00:00:00Z`) + minutes * 60_000)
          const wait = nextSync(now, interval, 'a tenant').getTime() - now.getTime()
          expect(wait).toBeGreaterThanOrEqual(interval)
          expect(wait).toBeLessThanOrEqual(1.1 * interval)
          const retry = retryAfterFailure(now, 1, 'usual', 'a tenant').getTime() - now.getTime()
          expect(retry).toBeLessThanOrEqual(30_000)
        }
      }
    },
  )
})

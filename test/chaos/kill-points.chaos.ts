import { expect, test } from 'vitest'
import { killAll } from '../crash/kill-run.ts'
import { chaosSeed, chaosShare, replay } from './seed.ts'

const lanes = Number(process.env['CHAOS_LANES'] ?? 3)

test.each(['redis', 'postgres'] as const)(
  'a worker killed at every point of a walk, and at a hundred random moments, with the queue in %s',
  async (backend) => {
    process.stdout.write(`kill points on ${backend}: ${replay(chaosSeed)}\n`)
    const points = chaosShare >= 1 ? 'all' : Math.round(400 * chaosShare)
    const moments = Math.round(100 * chaosShare)
    const started = Date.now()
    const killed = await killAll({ backend, seed: chaosSeed, lanes, points, moments })
    const seconds = Math.round((Date.now() - started) / 1000)
    process.stdout.write(
      `${backend}: killed ${killed.hits.length} workers in walks of ${killed.points} points, ${seconds} s\n`,
    )
    expect(killed.hits.length).toBeGreaterThanOrEqual(500 * chaosShare)
  },
)

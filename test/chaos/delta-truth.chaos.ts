import { expect, test } from 'vitest'
import { deltaRun } from '../delta/run.ts'
import { chaosSeed, chaosShare, replay } from './seed.ts'

const mutations = Math.round(10_000 * chaosShare)

test.each(Array.from({ length: 20 }, (_, index) => chaosSeed + index))(
  'ten thousand changes of a directory, read by a delta that misbehaves: seed %i',
  async (seed) => {
    process.stdout.write(`delta truth, seed ${seed}: ${replay(chaosSeed)} -- -t 'seed ${seed}$'\n`)
    const started = Date.now()
    const run = await deltaRun(seed, mutations)
    const seconds = Math.round((Date.now() - started) / 1000)
    process.stdout.write(
      `seed ${seed}: ${run.mutations} changes in ${run.cycles} cycles, ${run.removals} removals, ${seconds} s\n`,
    )
    expect(run.removals).toBeGreaterThan(mutations / 20)
  },
)

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { catalogue } from './catalogue.ts'
import { allWell } from './oracle.ts'
import { suffer } from './suffer.ts'
import { startWorld, type World } from './world.ts'

/** Pairs of the catalogue at random, half of them with the queue in Redis, half with it in Postgres. */
export function describeFaultPairs({
  pairs,
  seed,
  replay,
}: {
  pairs: number
  seed: number
  replay: string
}): void {
  describe.each(['redis', 'postgres'] as const)('two faults at once, with the queue in %s', (backend) => {
    let world: World
    beforeAll(async () => void (world = await startWorld(backend)))
    afterAll(() => world.close())

    const faults = Object.entries(catalogue)
      .filter(([family]) => backend === 'redis' || family !== 'redis')
      .flatMap(([, list]) => list.filter(({ alone }) => alone !== true))
    const pair = fc.uniqueArray(fc.constantFrom(...faults), {
      minLength: 2,
      maxLength: 2,
      selector: ({ name }) => name,
    })

    test(
      'remove nothing that is there, tell no secret, touch nobody else, and heal',
      { timeout: pairs * 120_000 },
      async () => {
        await fc.assert(
          fc.asyncProperty(pair, async (both) => {
            const names = both.map(({ number, name }) => `${number} ${name}`).join(' with ')
            expect({ names, replay, verdict: await suffer(world, ...both) }).toEqual({
              names,
              replay,
              verdict: allWell,
            })
          }),
          // A shrink would run against what the failure left: the pair itself is what helps.
          { numRuns: Math.ceil(pairs / 2), endOnFailure: true, seed },
        )
      },
    )
  })
}

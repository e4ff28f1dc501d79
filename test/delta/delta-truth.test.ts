import { expect, test } from 'vitest'
import { deltaRun } from './run.ts'

// A tenth of what `npm run test:chaos` does.
const [seeds, mutations] = [20, 1000]

test('however badly delta behaves, no target goes that the truth keeps, and all is equal in the end', async () => {
  let removals = 0
  for (let seed = 1; seed <= seeds; seed++) removals += (await deltaRun(seed, mutations)).removals
  // Enough of them that were right, so that one that was not would have stood out.
  expect(removals).toBeGreaterThan(seeds * 100)
}, 1_200_000)

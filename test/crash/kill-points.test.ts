import { expect, test } from 'vitest'
import { killAll, type Killed } from './kill-run.ts'

const seed = 1

test('wherever a worker is killed, all that is wanted is done by the next one, nothing is lost and nothing is doubled', async () => {
  const runs = await Promise.all(
    (['redis', 'postgres'] as const).map((backend) =>
      killAll({ backend, seed, lanes: 2, points: 80, moments: 10 }),
    ),
  )
  const hits = runs.flatMap((run) => run.hits)
  process.stdout.write(runs.map(told).join(''))
  expect(hits.length).toBeGreaterThanOrEqual(200)
  // Both sides of commits, the queue and Microsoft are among them.
  for (const kind of [/^before database: commit/, /^after database: commit/, /^after queue/, /cloud: GET/])
    expect(
      hits.filter((hit) => kind.test(hit)),
      `none of ${hits.length} hits is ${kind.source}`,
    ).not.toEqual([])
}, 1_200_000)

function told({ points, hits }: Killed): string {
  return `killed ${hits.length} workers in walks of ${points} points (seed ${seed})\n`
}

import { expect } from 'vitest'
import { between, seededRandom } from '../../simulator/random.ts'
import { openLane, type Kill, type Lane } from './lane.ts'

export interface KillRun {
  backend: 'redis' | 'postgres'
  seed: number
  /** Lanes side by side, each with a database, a queue and a worker process of its own. */
  lanes: number
  /** Points of the walk at which a worker is killed: all of them, or about so many, spread evenly. */
  points: number | 'all'
  /** Workers killed at random moments besides. */
  moments: number
}

export interface Killed {
  /** Points that a walk has. */
  points: number
  /** Where workers were killed while there was something to lose. */
  hits: string[]
}

/**
 * Kills workers at the points of a walk, and at random moments, and has each kill looked after: what it left undone is
 * done by the next worker by itself, and then tables, targets and feed are as they should be. Before and after each
 * commit and each request to Microsoft whatever `points` says: those are where one thing is so and the other is not yet.
 */
export async function killAll({ backend, seed, lanes, points, moments }: KillRun): Promise<Killed> {
  const hits: string[] = []
  const open = await Promise.all(
    Array.from({ length: lanes }, (_, index) => openLane(backend, seed * 1000 + index)),
  )
  const [first] = open
  if (first === undefined) throw new Error('there is a lane')
  // The shorter of two: one that brings a group back is followed by another walk.
  const walks = [await first.countPoints(), await first.countPoints()]
  const walk = walks.reduce((one, other) => (other.length < one.length ? other : one))
  const kills = plan(walk, points, moments, seed)
  try {
    await Promise.all(
      open.map(async (lane, index) => {
        for (let at = index; at < kills.length; at += lanes) {
          const kill = kills[at]
          if (kill === undefined) break
          const where = { backend, seed, lane: index, kill }
          const hit = await killOnce(lane, kill).catch((error: unknown) => error)
          const differences = await lane.differences().catch((error: unknown) => [String(error)])
          expect({ ...where, hit, differences }).toEqual({
            ...where,
            hit: typeof hit === 'string' ? hit : null,
            differences: [],
          })
          if (typeof hit === 'string') hits.push(hit)
        }
      }),
    )
  } finally {
    await Promise.all(open.map((lane) => lane.close()))
  }
  return { points: walk.length, hits }
}

/** Walks differ: where one ends before the point, an earlier one of the next walk stands for it. */
async function killOnce(lane: Lane, kill: Kill): Promise<string | null> {
  const hit = await lane.kill(kill)
  if (hit !== null || !('at' in kill) || kill.at === 1) return hit
  return killOnce(lane, { ...kill, at: Math.ceil(kill.at / 2) })
}

function plan(walk: readonly string[], points: number | 'all', moments: number, seed: number): Kill[] {
  const random = seededRandom(seed)
  const kills: Kill[] = []
  // Requests are few among some 470 points: left to chance, one run in some met none of them.
  for (const like of ['before database: commit', 'after database: commit', 'before cloud: ', 'after cloud: '])
    walk.filter((label) => label.startsWith(like)).forEach((_, index) => kills.push({ at: index + 1, like }))
  const step = points === 'all' ? 1 : walk.length / points
  const start = points === 'all' ? 1 : 1 + random() * step
  for (let at = start; at <= walk.length; at += step) kills.push({ at: Math.floor(at), like: '' })
  for (let count = 0; count < moments; count++) kills.push({ afterMs: between(random, 0, 900) })
  // The same kinds of points next to each other would all be one lane's.
  return kills
    .map((kill) => [random(), kill] as const)
    .sort(([a], [b]) => a - b)
    .map(([, kill]) => kill)
}

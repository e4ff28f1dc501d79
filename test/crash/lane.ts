import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { mutate } from '../../simulator/mutate.ts'
import { seededRandom } from '../../simulator/random.ts'
import { shortTimings, startFleet } from './fleet.ts'
import type { Target } from './kill-points.ts'
import { settled, somethingOpen } from './settled.ts'
import { targetDifferences } from '../targets/model/differences.ts'
import { spawnVictim } from './victim.ts'

/** Short enough that a dead worker's tenant is taken up again in a second or two. */
const timings = {
  ...shortTimings,
  sync: { leaseMs: 1000, renewMs: 250, sliceMs: 60_000 },
  worker: { lockDuration: 1000, stalledInterval: 300, maxStalledCount: 1000, drainDelay: 1 },
  scheduler: { tickMs: 500, assertMs: 1000, healAfterMs: 300 },
}

/** When a worker is killed: at a point, or so many milliseconds after its tenant was due. */
export type Kill = Target | { afterMs: number }

/**
 * One Entra tenant, one database, one queue and one worker process at a time, which is killed and replaced: so that a
 * point's number means much the same in each walk, and a difference is that kill's doing.
 */
export interface Lane {
  /** Points of a whole walk, from the tick that finds the tenant due to the last target, as one of them came by them. */
  countPoints(): Promise<string[]>
  /** A walk whose worker dies. Answers where; null = the walk had ended before, and nothing was killed. */
  kill(when: Kill): Promise<string | null>
  /** Waits until all that is wanted is served and resolved, and answers what is not as it should be. */
  differences(): Promise<string[]>
  close(): Promise<void>
}

/** Opens a lane whose cloud, and what happens in it, come out of `seed`. */
export async function openLane(backend: 'redis' | 'postgres', seed: number): Promise<Lane> {
  const options = { seed, sizes: [24], customers: 0, groupsPerTenant: 8, deployed: true, timings }
  const fleet = await startFleet(backend, 0, options)
  const { db } = fleet.database
  const [tenant] = fleet.cloud.tenants
  if (tenant === undefined) throw new Error('the cloud has a tenant')
  const { id } = tenant
  // Several pages a collection, so that there is something between them.
  fleet.cloud.faults.knobs(id, { pageSize: 12 })
  let walks = 0
  let victim = spawnVictim(fleet.env)
  // The next one is loaded while this one works.
  let standby = spawnVictim(fleet.env)
  await victim.loaded
  await victim.go()

  /** Something of each kind happens, and the tenant is due. */
  async function happen(): Promise<void> {
    mutate(fleet.cloud.tenant(id), 12, seededRandom(seed * 100_003 + ++walks))
    await sql`update entra_tenants set next_sync_at = now()`.execute(db)
  }
  await happen()
  await settled(db)

  return {
    async countPoints() {
      await victim.arm(null)
      await happen()
      await settled(db)
      return victim.disarm()
    },
    async kill(when) {
      await standby.loaded
      await victim.arm('at' in when ? when : null)
      await happen()
      let at: string | null | undefined
      if ('at' in when) {
        const walk = new AbortController()
        at = await Promise.race([victim.ended, settled(db, walk.signal).then(() => undefined)])
        walk.abort()
      } else {
        await sleep(when.afterMs)
        if (await somethingOpen(db)) {
          victim.child.kill('SIGKILL')
          await victim.ended
          at = `after ${when.afterMs} ms`
        }
      }
      // It may die after its last write, so that nothing is open any more.
      if (at === undefined && (await victim.disarm().catch(() => null)) !== null) return null
      at ??= await victim.ended
      victim = standby
      standby = spawnVictim(fleet.env)
      await victim.go()
      return at
    },
    async differences() {
      await settled(db)
      return [...(await fleet.differences()), ...(await targetDifferences(db))]
    },
    async close() {
      for (const { child } of [victim, standby]) child.kill('SIGKILL')
      await Promise.allSettled([victim.ended, standby.ended])
      await fleet.close()
    },
  }
}

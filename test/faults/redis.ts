import { ownRedis } from '../harness/redis.ts'
import { redisCommand } from '../jobs/support.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

const redisOf = ({ redis }: World) => {
  if (redis === null) throw new Error('the queue of this world is in Postgres')
  return redis
}

/** Numbers 51 to 53, for worlds with the queue in Redis. */
export const redisFaults: Fault[] = [
  {
    number: 51,
    name: 'FLUSHALL',
    tells: null,
    reach: 'all',
    inject: async (world) => void (await redisCommand(redisOf(world).url, 'FLUSHALL')),
    end: () => {},
  },
  {
    number: 51,
    name: 'out of memory under noeviction',
    tells: /OOM command not allowed/,
    reach: 'all',
    inject: async (world) => void (await redisCommand(redisOf(world).url, 'CONFIG', 'SET', 'maxmemory', '1')),
    end: async (world) => void (await redisCommand(redisOf(world).url, 'CONFIG', 'SET', 'maxmemory', '0')),
  },
  {
    number: 52,
    name: 'away, and back without what it knew',
    tells: /ECONNREFUSED|Connection is closed|queue_unreachable/,
    reach: 'all',
    inject: async (world) => redisOf(world).stop(),
    async end(world) {
      world.redis = await ownRedis(Number(new URL(redisOf(world).url).port))
    },
  },
  {
    number: 53,
    name: 'keys of another version lie about',
    tells: null,
    reach: 'all',
    async inject(world) {
      const { url } = redisOf(world)
      await redisCommand(url, 'HSET', 'bull:sync:meta', 'version', 'bullmq:99.0.0')
      await redisCommand(url, 'SET', 'bull:sync:of-the-future', 'x')
      await redisCommand(url, 'HSET', 'bull:sync:999999', 'name', 'sync-tenant', 'data', 'no JSON {')
    },
    async end(world) {
      await redisCommand(redisOf(world).url, 'DEL', 'bull:sync:of-the-future', 'bull:sync:999999')
    },
  },
]

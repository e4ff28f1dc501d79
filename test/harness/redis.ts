import { startRedis, type RedisServer } from '../../src/redis-server.ts'

/** The Redis that all tests share; each uses a key prefix of its own. */
export function redisUrl(): string {
  const url = process.env.ENTRA_SYNC_TEST_REDIS
  if (!url) throw new Error('Run the tests through vitest: its global setup starts Redis.')
  return url
}

/** A Redis of one test's own, to flush and to stop; the same port brings it back where it was. */
export async function ownRedis(port?: number): Promise<RedisServer> {
  return startRedis(process.env.ENTRA_SYNC_TEST_REDIS_SERVER ?? 'redis-server', port)
}

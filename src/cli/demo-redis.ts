import { EntraSyncError } from '../errors.ts'
import { findRedisServer, startRedis, type RedisServer } from '../redis-server.ts'

/**
 * The demo's Redis: null means BullMQ's Postgres backend, because it was asked for or there is no redis-server.
 * @throws kind `config` when Redis was asked for and is not there
 */
export async function startDemoRedis(asked: 'redis' | 'postgres' | undefined): Promise<RedisServer | null> {
  if (asked === 'postgres') return null
  const binary = await findRedisServer()
  if (binary) return startRedis(binary)
  if (asked === undefined) return null
  throw new EntraSyncError('config', 'There is no redis-server on PATH.', {
    code: 'redis_missing',
    remedy: 'Install it (Debian: apt-get install redis-server), or use `--queue postgres`.',
  })
}

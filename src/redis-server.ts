import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort } from './db/embedded-postgres.ts'
import { EntraSyncError } from './errors.ts'
import { releaseLifeline, spawnWithLifeline } from './lifeline.ts'

export interface RedisServer {
  url: string
  /** Process that holds the server; for tests that stop it. */
  pid: number
  stop(): Promise<void>
}

/** Path of `redis-server`, null where PATH has none. */
export async function findRedisServer(): Promise<string | null> {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin']) {
    const path = join(folder, 'redis-server')
    if (
      folder !== '' &&
      (await access(path, constants.X_OK).then(
        () => true,
        () => false,
      ))
    )
      return path
  }
  return null
}

/**
 * A Redis that keeps nothing on disk, on a free loopback port, gone with this process.
 * @throws kind `queue` when it does not answer
 */
export async function startRedis(binary: string, port?: number): Promise<RedisServer> {
  const chosen = port ?? (await freePort())
  const settings = ['--bind', '127.0.0.1', '--port', String(chosen), '--save', '', '--appendonly', 'no']
  const child = spawnWithLifeline(binary, [...settings, '--maxmemory-policy', 'noeviction'])
  const url = `redis://127.0.0.1:${chosen}`
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) break
    if (await answers(url)) return { url, pid: child.pid ?? 0, stop: () => releaseLifeline(child) }
    await sleep(25)
  }
  await releaseLifeline(child)
  throw new EntraSyncError('queue', `${binary} did not start on port ${chosen}.`, {
    code: 'redis_failed',
    remedy: 'Run it by hand to see why, or use the Postgres queue.',
  })
}

async function answers(url: string): Promise<boolean> {
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: 1000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.ping()) === 'PONG'
  } catch {
    return false
  } finally {
    client.disconnect()
  }
}

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts'
import { migrate } from '../../src/db/migrate.ts'
import { findRedisServer, startRedis } from '../../src/redis-server.ts'
import { createAuthority } from '../../simulator/certificates.ts'

const run = promisify(execFile)

/**
 * One Postgres, one Redis and one CA for the whole run, told to the test processes by their environment. All of them
 * end with this process, even when it is killed.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'entra-sync-test-'))
  const binary = await redisServer()
  const [postgres, redis] = await Promise.all([
    startEmbeddedPostgres({ dataDir: folder, ephemeral: true }),
    startRedis(binary),
    writeAuthority(folder),
  ])
  await makeTemplate(postgres.url)
  process.env.ENTRA_SYNC_TEST_POSTGRES = postgres.url
  process.env.ENTRA_SYNC_TEST_REDIS = redis.url
  process.env.ENTRA_SYNC_TEST_REDIS_SERVER = binary
  return async () => {
    await Promise.all([postgres.stop(), redis.stop()])
    await rm(folder, { recursive: true, force: true })
  }
}

async function writeAuthority(folder: string): Promise<void> {
  const authority = await createAuthority('entra-sync tests')
  const certFile = join(folder, 'ca.pem')
  const keyFile = join(folder, 'ca-key.pem')
  await writeFile(certFile, authority.certificatePem)
  await writeFile(keyFile, authority.privateKeyPem, { mode: 0o600 })
  // Node reads it when a process starts, so it is set before the test processes are.
  process.env.NODE_EXTRA_CA_CERTS = certFile
  process.env.ENTRA_SYNC_TEST_CA_KEY = keyFile
}

/** Copying a migrated database is cheap; migrating one takes several hundred milliseconds. */
async function makeTemplate(url: string): Promise<void> {
  const template = new URL(url)
  template.pathname = '/entra_sync_template'
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('create database entra_sync_template')
  await client.end()
  await migrate(template.href)
}

async function redisServer(): Promise<string> {
  const found = await findRedisServer()
  if (found) return found
  const asRoot = process.getuid?.() === 0
  if (asRoot) {
    process.stderr.write('redis-server is not there: installing it with apt-get\n')
    try {
      // Debian starts the packaged server on its fixed port otherwise.
      const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
      await run('apt-get', ['update', '-qq'], { env })
      await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'], { env })
    } catch (cause) {
      throw new Error(
        'redis-server could not be installed by apt-get; install it, then run the tests again.',
        { cause },
      )
    }
    const installed = await findRedisServer()
    if (installed) return installed
  }
  throw new Error(
    'The tests need redis-server on PATH. Debian: sudo apt-get install redis-server. macOS: brew install redis.',
  )
}

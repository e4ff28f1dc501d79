import { Redis } from 'ioredis'
import { assertSchemaCompatibility, runMigrations, SchemaMigrationRequiredError } from 'bullmq'
import pg from 'pg'
import { EntraSyncError } from '../errors.ts'
import type { Log } from '../log.ts'

export type Backend = 'redis' | 'postgres'

/** Which backend a QUEUE_URL means. Throws kind `config` for any other scheme. */
export function backendOf(queueUrl: string): Backend {
  const scheme = queueUrl.slice(0, queueUrl.indexOf(':'))
  if (scheme === 'redis' || scheme === 'rediss') return 'redis'
  if (scheme === 'postgres' || scheme === 'postgresql') return 'postgres'
  throw new EntraSyncError('config', 'QUEUE_URL is neither a Redis nor a Postgres address.', {
    code: 'queue_url_invalid',
    remedy: 'Set QUEUE_URL to redis://, rediss:// or postgres://, or unset it to use the database.',
  })
}

/** `host:port` of a URL, for messages: a URL itself may hold a password. */
export function addressOf(queueUrl: string): string {
  const { hostname, port, protocol } = new URL(queueUrl)
  return `${hostname || 'localhost'}:${port || (protocol.startsWith('redis') ? '6379' : '5432')}`
}

/**
 * Proves that Redis answers before anything is opened on it, because BullMQ itself waits for ever. Warns when the
 * server may evict keys: BullMQ loses jobs then, and only `noeviction` is correct for it.
 */
export async function checkRedis(queueUrl: string, log: Log): Promise<void> {
  const client = new Redis(queueUrl, {
    lazyConnect: true,
    connectTimeout: 5000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  // ioredis reports the true cause here only; connect() rejects with "Connection is closed."
  let cause: unknown
  client.on('error', (error) => (cause = error))
  try {
    await client.connect()
    const policy = /maxmemory_policy:(\S+)/.exec(await client.info('memory'))?.[1]
    if (policy !== undefined && policy !== 'noeviction') {
      log.warn({ policy }, 'Redis may evict jobs: set maxmemory-policy noeviction')
    }
  } catch (error) {
    throw queueError(
      `Redis at ${addressOf(queueUrl)} does not answer`,
      cause ?? error,
      'Start Redis, or correct QUEUE_URL.',
    )
  } finally {
    client.disconnect()
  }
}

/**
 * Proves that Postgres answers and holds BullMQ's schema; makes the schema when it is missing. It is BullMQ's own,
 * apart from ours: its migrations and its search_path must never meet ours.
 */
export async function preparePostgres(queueUrl: string, schema: string, log: Log): Promise<void> {
  const client = new pg.Client({ connectionString: queueUrl, connectionTimeoutMillis: 5000 })
  client.on('error', (error) => log.debug({ err: error }, 'queue connection lost while preparing'))
  try {
    await client.connect()
    try {
      await assertSchemaCompatibility(client, schema)
    } catch (error) {
      if (!(error instanceof SchemaMigrationRequiredError)) throw error
      const version = await runMigrations(client, schema)
      log.info({ schema, version }, 'queue schema made')
    }
  } catch (error) {
    throw queueError(
      `The queue in Postgres at ${addressOf(queueUrl)} cannot be used`,
      error,
      `Start Postgres or correct QUEUE_URL; where the role may not make the schema ${schema}, \`entra-sync migrate\` makes it.`,
    )
  } finally {
    await client
      .end()
      .catch((error: unknown) => log.debug({ err: error }, 'queue connection did not end well'))
  }
}

/** An EntraSyncError of kind `queue` around what a driver threw. */
export function queueError(what: string, cause: unknown, remedy: string): EntraSyncError {
  return new EntraSyncError('queue', `${what}: ${reasonOf(cause)}.`, {
    code: 'queue_unreachable',
    remedy,
    cause,
  })
}

function reasonOf(cause: unknown): string {
  // A refused connection to "localhost" comes as an AggregateError without a message.
  if (cause instanceof AggregateError) return cause.errors.map(reasonOf).join(', ')
  const text = cause instanceof Error ? cause.message : String(cause)
  return text.replace(/\.$/, '')
}

import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { watchHungConnections, type HungTimings } from './hung-connections.ts'
import type { Database } from './tables.ts'

export interface DatabaseOptions {
  /** Connections at most. */
  max?: number
  applicationName?: string
  /** A connection lost while idle: pg emits it on the pool, and an unheard 'error' event would end the process. */
  onError?: (error: Error) => void
  /** How soon connections are ended whose answer was lost on the way. */
  hung?: HungTimings
}

const int8 = 20
const types = new pg.TypeOverrides()
types.setTypeParser(int8, Number)

/**
 * Opens the database; connects on first use. bigint columns come as number (all of ours count rows or runs), uuid[] as
 * string[]. A transaction left idle for 15 s is ended by the server: a frozen worker must not keep its row locks.
 */
export function openDatabase(url: string, options: DatabaseOptions = {}): Kysely<Database> {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max ?? 10,
    application_name: options.applicationName ?? 'entra-sync',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    idle_in_transaction_session_timeout: 15_000,
    statement_timeout: 120_000,
    lock_timeout: 30_000,
    options: '-c search_path=entra_sync',
    types,
  })
  pool.on('error', (error) => options.onError?.(error))
  // The pool hears idle connections only. One that the server ends in the middle of a transaction (a worker woken from
  // SIGSTOP meets idle_in_transaction_session_timeout) would end the process; its query rejects anyway.
  pool.on('connect', (client) => client.on('error', (error) => options.onError?.(error)))
  watchHungConnections(pool, url, (error) => options.onError?.(error), options.hung)
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}

import pg from 'pg'
import { EntraSyncError } from '../errors.ts'

// What pg and its pool throw without any code when a connection goes or none is to be had.
const withoutCode =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|Connection ended|timeout exceeded when trying to connect|Query read timeout)/i
const network = /^E(AI_AGAIN|CONN|HOSTUNREACH|NETUNREACH|NOTFOUND|PIPE|TIMEDOUT)/

/** The error of kind `database` that something thrown by a query is; null = it did not come from Postgres. */
export function databaseError(thrown: unknown): EntraSyncError | null {
  if (!(thrown instanceof Error)) return null
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : ''
  if (!(thrown instanceof pg.DatabaseError) && !network.test(code) && !withoutCode.test(thrown.message))
    return null
  const what = thrown.message === '' ? code : thrown.message
  return new EntraSyncError('database', `Postgres: ${what}`, {
    code: code === '' ? 'postgres_connection_lost' : `postgres_${code.toLowerCase()}`,
    remedy: 'It is tried again by itself. If it persists, look at the log of Postgres.',
    cause: thrown,
  })
}

// Connection exceptions, no free connection, shutdown and start, and a replica before it is promoted.
const away = /^postgres_(connection_lost|e[a-z_]+|08\w{3}|53300|57p0\d|25006)$/

/** Whether Postgres was not there at all, or not yet: nothing is wrong with what was asked of it. */
export function isPostgresAway(error: EntraSyncError): boolean {
  return error.kind === 'database' && away.test(error.code)
}

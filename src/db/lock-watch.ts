import pg from 'pg'
import { EntraSyncError } from '../errors.ts'

/** A session that another one waits for. */
export interface LockHolder {
  pid: number
  application: string
  user: string
  state: string
  /** Seconds that its transaction is open. */
  seconds: number
  /** The beginning of its last statement. */
  query: string
}

export interface LockWatch {
  /** Who held what the watched session waited for last. */
  holders(): LockHolder[]
  stop(): Promise<void>
}

const lookEveryMs = 500

/**
 * Watches from a connection of its own for whom a session waits: after a lock timeout nobody can tell any more. Another
 * user's session shows its id only, unless ours may read all of them (pg_read_all_stats).
 */
export async function watchLocks(url: string, watched: pg.Client): Promise<LockWatch> {
  const { rows } = await watched.query<{ pid: number }>('select pg_backend_pid() as pid')
  const pid = rows[0]?.pid ?? 0
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'entra-sync migrate: who holds locks',
  })
  client.on('error', () => {})
  await client.connect()
  let last: LockHolder[] = []
  let looking: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    looking = looking.then(look, look)
  }, lookEveryMs)

  async function look(): Promise<void> {
    const { rows: found } = await client.query<LockHolder>(
      `select a.pid, a.application_name as application, coalesce(a.usename, '') as "user", coalesce(a.state, 'not visible') as state,
         extract(epoch from now() - coalesce(a.xact_start, a.state_change, now()))::int as seconds,
         left(regexp_replace(coalesce(a.query, ''), '\\s+', ' ', 'g'), 120) as query
       from unnest(pg_blocking_pids($1)) as b (pid) join pg_stat_activity a using (pid) order by a.pid`,
      [pid],
    )
    if (found.length > 0) last = found
  }
  return {
    holders: () => last,
    async stop() {
      clearInterval(timer)
      await looking.catch(() => {})
      await client.end().catch(() => {})
    },
  }
}

export function isLockTimeout(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '55P03'
}

/** The error of a migrator that has given up, with who was in its way. */
export function locked(cause: unknown, holders: readonly LockHolder[], tries: number): EntraSyncError {
  const who = holders.map(
    ({ pid, application, user, state, seconds, query }) =>
      `session ${pid} (${[application, user].filter((part) => part !== '').join(', ') || 'unnamed'}; ${state}, its transaction open for ${seconds} s): ${query}`,
  )
  return new EntraSyncError(
    'database',
    `A lock in the database was not free in ${tries} tries, so this migration was not applied. ${
      who.length === 0 ? 'Who holds it could not be seen.' : `It is held by ${who.join('; ')}`
    }`,
    {
      code: 'migration_locked',
      remedy:
        who.length === 0
          ? 'Find the holder in pg_stat_activity, let it end, and run `entra-sync migrate` again.'
          : `Let it end (or end it: select pg_terminate_backend(${holders[0]?.pid})), and run \`entra-sync migrate\` again.`,
      cause,
    },
  )
}

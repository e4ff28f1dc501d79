import { Socket } from 'node:net'
import pg from 'pg'

export interface HungTimings {
  lookMs: number
  /** How long a connection may be in use before it is looked at, and its server process idle, to count as hung. */
  hungMs: number
}

export const hungTimings: HungTimings = { lookMs: 10_000, hungMs: 20_000 }

interface Activity {
  pid: number
  idle: boolean
}

/**
 * Ends the connections of a pool that wait for an answer which nobody will give: a pulled cable or a forgetful firewall
 * tells no end, and TCP gives up on a query under way after a quarter of an hour only. One that has been in use for long
 * is hung when Postgres, asked on a new connection, has no process of it any more or one that is idle; a long statement
 * is not. Behind a pooler, whose process numbers are its own, nothing can be told, and nothing is ended.
 */
export function watchHungConnections(
  pool: pg.Pool,
  url: string,
  onError: (error: Error) => void,
  { lookMs, hungMs }: HungTimings = hungTimings,
): void {
  const inUse = new Map<pg.PoolClient, number>()
  pool.on('acquire', (client) => inUse.set(client, performance.now()))
  pool.on('release', (_error, client) => inUse.delete(client))
  pool.on('remove', (client) => inUse.delete(client))
  let looking = false

  async function look(): Promise<void> {
    const suspects = [...inUse].flatMap(([client, since]) =>
      performance.now() - since > hungMs ? [{ client, since }] : [],
    )
    if (suspects.length === 0) return
    const activity = await readActivity(url, hungMs)
    if (activity === null) return
    for (const { client, since } of suspects) {
      // Given back and taken anew while we asked.
      if (inUse.get(client) !== since) continue
      const pid = processOf(client)
      if (pid === null || activity.some((one) => one.pid === pid && !one.idle)) continue
      onError(new Error('a connection whose answer was lost on the way is ended'))
      socketOf(client)?.destroy()
    }
  }

  const timer = setInterval(() => {
    if (pool.ended) clearInterval(timer)
    else if (!looking) {
      looking = true
      look()
        .catch((error: unknown) => onError(error instanceof Error ? error : new Error(String(error))))
        .finally(() => (looking = false))
    }
  }, lookMs)
  timer.unref()
}

/** What Postgres knows of our processes; null = it is not Postgres itself that answers. */
async function readActivity(url: string, idleMs: number): Promise<Activity[] | null> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'entra-sync watch',
    connectionTimeoutMillis: 5000,
    query_timeout: 5000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<Activity & { own: boolean }>(
      `select pid, pid = pg_backend_pid() as own,
        coalesce(state = 'idle' and state_change < clock_timestamp() - make_interval(secs => $1), false) as idle
      from pg_stat_activity where datname = current_database()`,
      [idleMs / 1000],
    )
    return rows.some(({ pid, own }) => own && pid === processOf(client)) ? rows : null
  } finally {
    socketOf(client)?.destroy()
  }
}

// pg has both, its types do not.
function processOf(client: object): number | null {
  return 'processID' in client && typeof client.processID === 'number' ? client.processID : null
}

function socketOf(client: object): Socket | null {
  if (!('connection' in client) || typeof client.connection !== 'object' || client.connection === null)
    return null
  const { connection } = client
  return 'stream' in connection && connection.stream instanceof Socket ? connection.stream : null
}

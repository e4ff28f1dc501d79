import type { Kysely } from 'kysely'
import pg from 'pg'
import type { Database } from '../db/tables.ts'
import { readChanges, type TargetChange } from '../db/target-feed.ts'
import type { Log } from '../log.ts'

/** A NOTIFY may be lost with its connection; by this often the feed is read all the same. */
const pollMs = 3000
const page = 1000

/**
 * Yields every change after `after`, in order, as pages: what is there, then what comes, until `signal` ends it. Woken by
 * NOTIFY where the listening connection holds, and by the clock always.
 * @throws kind `input`, code `feed_truncated` or `feed_rewound`
 */
export async function* followChanges(
  db: Kysely<Database>,
  source: { url: string; after: number; signal: AbortSignal; log: Log; pollMs?: number },
): AsyncGenerator<TargetChange[]> {
  const { url, signal, log } = source
  const bell = createBell()
  const stop = listen(url, bell.ring, log, signal)
  signal.addEventListener('abort', bell.ring)
  try {
    let after = source.after
    while (!signal.aborted) {
      const heard = bell.wait(source.pollMs ?? pollMs)
      const changes = await readChanges(db, after, page)
      const last = changes.at(-1)
      if (last === undefined) await heard
      else {
        after = last.seq
        yield changes
      }
    }
  } finally {
    signal.removeEventListener('abort', bell.ring)
    await stop()
  }
}

/** Wakes whoever waits; a ring before the wait that follows it is not lost, since the wait begins before the read. */
function createBell() {
  let waiting: (() => void)[] = []
  return {
    ring: (): void => {
      for (const wake of waiting.splice(0)) wake()
    },
    wait: (ms: number): Promise<void> =>
      new Promise((resolve) => {
        const timer = setTimeout(wake, ms)
        function wake(): void {
          clearTimeout(timer)
          waiting = waiting.filter((one) => one !== wake)
          resolve()
        }
        waiting.push(wake)
      }),
  }
}

/** Listens on a connection of its own, and on a new one when that ends. Answers how to stop. */
function listen(url: string, ring: () => void, log: Log, signal: AbortSignal): () => Promise<void> {
  let client: pg.Client | null = null
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  const again = (error: unknown): void => {
    client = null
    if (stopped || signal.aborted) return
    log.debug({ err: error }, 'the feed is polled until it can be listened to again')
    timer = setTimeout(() => void open(), 1000)
  }
  const open = async (): Promise<void> => {
    const opened = new pg.Client({
      connectionString: url,
      application_name: 'entra-sync feed',
      keepAlive: true,
    })
    opened.on('notification', ring)
    opened.on('error', again)
    try {
      await opened.connect()
      await opened.query('listen entra_sync_target_changes')
      if (stopped) await opened.end()
      else {
        client = opened
        ring()
      }
    } catch (error) {
      again(error)
    }
  }
  void open()
  return async () => {
    stopped = true
    clearTimeout(timer)
    await client?.end()
  }
}

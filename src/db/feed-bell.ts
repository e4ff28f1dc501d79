import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Log } from '../log.ts'

/** Rings when the change feed may have grown. It may ring in vain, and a ring may be lost: readers look by the clock too. */
export interface FeedBell {
  /** Calls `ring` until the function that is returned is called. */
  subscribe(ring: () => void): () => void
  /** Lets go of the connection; resolves when it is gone. */
  close(): Promise<void>
}

const channel = 'entra_sync_target_changes'
const reconnectMs = 1000

/** Listens to the feed on a connection of its own, shared by all who subscribe and open only as long as somebody does. */
export function openFeedBell(url: string, log: Log): FeedBell {
  const rings = new Set<() => void>()
  const ringAll = (): void => {
    for (const ring of rings) ring()
  }
  let listening: { stop: AbortController; ended: Promise<void> } | null = null
  /** All connections that are ending; there may be several when subscribers come and go. */
  const ending = new Set<Promise<void>>()

  const stop = (): void => {
    listening?.stop.abort()
    listening = null
  }
  return {
    subscribe(ring) {
      rings.add(ring)
      if (listening === null) {
        const controller = new AbortController()
        const ended = listen(url, ringAll, log, controller.signal).finally(() => ending.delete(ended))
        ending.add(ended)
        listening = { stop: controller, ended }
      }
      return () => {
        rings.delete(ring)
        if (rings.size === 0) stop()
      }
    },
    async close() {
      rings.clear()
      stop()
      await Promise.all(ending)
    },
  }
}

/** Listens until the signal, on a new connection whenever one is lost. */
async function listen(url: string, ring: () => void, log: Log, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await listenOnce(url, ring, signal)
    } catch (error) {
      log.debug({ err: error }, 'the feed is polled until it can be listened to again')
    }
    await sleep(reconnectMs, undefined, { signal }).catch(() => {})
  }
}

/** One connection's life; ends with the signal, rejects when the connection is lost or can't be had. */
async function listenOnce(url: string, ring: () => void, signal: AbortSignal): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'entra-sync feed',
    keepAlive: true,
  })
  let stop = (): void => {}
  const over = new Promise<void>((resolve, reject) => {
    stop = resolve
    client.on('error', reject)
    client.on('end', resolve)
    signal.addEventListener('abort', stop, { once: true })
  })
  over.catch(() => {})
  client.on('notification', ring)
  try {
    await Promise.race([client.connect(), over])
    if (signal.aborted) return
    await client.query(`listen ${channel}`)
    // What was committed before the LISTEN has rung for nobody here.
    ring()
    await over
  } finally {
    signal.removeEventListener('abort', stop)
    await client.end().catch(() => {})
  }
}

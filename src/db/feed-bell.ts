import { randomBytes } from 'node:crypto'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Log } from '../log.ts'

/** Rings when the change feed may have grown. It may ring in vain, and a ring may be lost: readers look by the clock too. */
export interface FeedBell {
  /** Calls `ring` until the function that is returned is called. */
  subscribe(ring: () => void): () => void
  /** False = somebody subscribes, and nothing could be heard for a minute: readers look by the clock only. */
  ok(): boolean
  /** Lets go of the connection; resolves when it is gone. */
  close(): Promise<void>
}

export interface BellTimings {
  /** How often it rings itself, to know that it hears. */
  echoMs: number
  /** How long the echo may take. */
  echoWaitMs: number
  reconnectMs: number
  /** Silence that is a fault. */
  deafMs: number
}

const defaults: BellTimings = { echoMs: 20_000, echoWaitMs: 10_000, reconnectMs: 1000, deafMs: 60_000 }

const channel = 'entra_sync_target_changes'
/**
 * Listens to the feed on a connection of its own, shared by all who subscribe and open only as long as somebody does. It
 * rings itself now and then on a channel of its own: a connection that is half open, or a pooler that has forgotten the
 * LISTEN, is silent like a feed without changes.
 */
export function openFeedBell(url: string, log: Log, timings: Partial<BellTimings> = {}): FeedBell {
  const bell: BellTimings = { ...defaults, ...timings }
  const rings = new Set<() => void>()
  const ringAll = (): void => {
    for (const ring of rings) ring()
  }
  let listening: { stop: AbortController; ended: Promise<void> } | null = null
  let heardAt = performance.now()
  const onHeard = (): void => {
    heardAt = performance.now()
  }
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
        onHeard()
        const ended = listen(url, { ring: ringAll, onHeard, bell }, log, controller.signal).finally(() =>
          ending.delete(ended),
        )
        ending.add(ended)
        listening = { stop: controller, ended }
      }
      return () => {
        rings.delete(ring)
        if (rings.size === 0) stop()
      }
    },
    ok: () => listening === null || performance.now() - heardAt < bell.deafMs,
    async close() {
      rings.clear()
      stop()
      await Promise.all(ending)
    },
  }
}

interface Listener {
  ring: () => void
  /** The bell has heard itself. */
  onHeard: () => void
  bell: BellTimings
}

/** Listens until the signal, on a new connection whenever one is lost. */
async function listen(url: string, listener: Listener, log: Log, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await listenOnce(url, listener, signal)
    } catch (error) {
      log.debug({ err: error }, 'the feed is polled until it can be listened to again')
    }
    await sleep(listener.bell.reconnectMs, undefined, { signal }).catch(() => {})
  }
}

/** One connection's life; ends with the signal, rejects when the connection is lost, deaf or can't be had. */
async function listenOnce(
  url: string,
  { ring, onHeard, bell }: Listener,
  signal: AbortSignal,
): Promise<void> {
  const own = `entra_sync_echo_${randomBytes(8).toString('hex')}`
  const socket = new Socket()
  const client = new pg.Client({
    connectionString: url,
    stream: () => socket,
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
  let heard = (): void => {}
  client.on('notification', ({ channel: from }) => {
    onHeard()
    if (from === own) heard()
    else ring()
  })
  const echo = async (): Promise<void> => {
    const echoed = new Promise<void>((resolve) => (heard = resolve))
    await client.query('select pg_notify($1, $2)', [own, ''])
    await echoed
  }
  try {
    await Promise.race([client.connect(), over])
    if (signal.aborted) return
    await client.query(`listen ${channel}; listen ${own}`)
    // What was committed before the LISTEN has rung for nobody here.
    ring()
    for (;;) {
      const waited = await Promise.race([over.then(() => 'over'), sleep(bell.echoMs, 'echo', { ref: false })])
      if (waited === 'over') return
      const answer = await Promise.race([
        echo().then(() => 'heard'),
        over.then(() => 'over'),
        sleep(bell.echoWaitMs, 'deaf', { ref: false }),
      ])
      if (answer === 'deaf') throw new Error('the bell of the feed does not hear itself')
    }
  } finally {
    signal.removeEventListener('abort', stop)
    // A connection that is half open never says that it has ended.
    await Promise.race([client.end().catch(() => {}), sleep(1000, undefined, { ref: false })])
    socket.destroy()
  }
}

import type { z } from 'zod'
import { isEntraSyncError } from '../../errors.ts'
import type { Log } from '../../log.ts'

/** One server-sent event: `id` comes back as Last-Event-ID when the reader reconnects. */
export interface ServerSentEvent {
  id: string
  data: unknown
}

/** Begins the events; they end with the signal. */
export type EventSource = (signal: AbortSignal) => AsyncIterable<ServerSentEvent>

/** Proxies end connections on which nothing comes, mostly after 30 or 60 s. */
const heartbeatMs = 15_000

/**
 * An answer of server-sent events, each parsed by `schema`. It ends with them, and they end when the reader goes away.
 * An error comes as a last event named `error`, with what the answer of an error has.
 */
export function eventStream(source: EventSource, schema: z.ZodType, log: Log): Response {
  const encoder = new TextEncoder()
  const stop = new AbortController()
  const iterator = source(stop.signal)[Symbol.asyncIterator]()
  let heartbeat: NodeJS.Timeout | undefined
  let gone = false
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      // Until the first bytes come, clients see no answer at all.
      controller.enqueue(encoder.encode(': follows\n\n'))
      heartbeat = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(': still here\n\n'))
      }, heartbeatMs)
    },
    async pull(controller) {
      let text: string | null
      try {
        const { done, value } = await iterator.next()
        text = done === true ? null : eventText(value, schema)
      } catch (error) {
        if (!isEntraSyncError(error)) log.error({ err: error }, 'a stream of events failed')
        text = `event: error\ndata: ${JSON.stringify(told(error))}\n\n`
        stop.abort()
      }
      if (stop.signal.aborted || text === null) clearInterval(heartbeat)
      if (gone) return
      if (text !== null) controller.enqueue(encoder.encode(text))
      if (stop.signal.aborted || text === null) controller.close()
    },
    async cancel() {
      gone = true
      clearInterval(heartbeat)
      stop.abort()
      await iterator.return?.()
    },
  })
  return new Response(body, {
    headers: { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' },
  })
}

const eventText = ({ id, data }: ServerSentEvent, schema: z.ZodType): string =>
  `id: ${id}\ndata: ${JSON.stringify(schema.parse(data))}\n\n`

function told(error: unknown) {
  if (!isEntraSyncError(error))
    return { error: 'failed', message: 'The daemon failed.', remedy: 'See its log.' }
  return { error: error.code, message: error.message, remedy: error.remedy ?? null }
}

import type { Context, Middleware } from '@microsoft/microsoft-graph-client'
import type { Log } from '../log.ts'
import type { Circuit, RetryBudget } from './circuit.ts'
import { isApplicationWide, type Gates } from './gates.ts'
import type { GraphLimits, GraphTimings } from './timings.ts'
import type { Tokens } from './tokens.ts'
import type { Units } from './units.ts'

/** What one run has cost so far. */
export interface GraphUsage {
  /** HTTP requests sent to Graph, retries included. */
  requests: number
  /** Sum of `x-ms-resource-unit`. */
  resourceUnits: number
  /** Time spent waiting because Microsoft asked for it. */
  throttledMs: number
  retries: number
}

/** What the middleware of one client share. */
export interface ClientContext {
  entraTenantId: string
  graphUrl: string
  tokens: Tokens
  gates: Gates
  units: Units
  circuit: Circuit
  retries: RetryBudget
  timings: GraphTimings
  limits: GraphLimits
  usage: GraphUsage
  log: Log
}

/** An answer that was read to its end. */
export interface Answer {
  status: number
  headers: Headers
  text: string
}

/**
 * One call on its way through the SDK's middleware. It travels as a middleware option, because the SDK takes links
 * apart and wraps errors: link, answer and error are carried beside it untouched.
 */
export class Call {
  readonly link: string
  /** `change`: JSON, or nothing at all with 204, where there is nothing to tell. */
  readonly accept: 'json' | 'text' | 'change'
  readonly signal: AbortSignal | undefined
  /** Parsed JSON or text of the 2xx answer. */
  result: unknown
  answer: Answer | undefined
  error: unknown

  constructor(link: string, accept: 'json' | 'text' | 'change', signal: AbortSignal | undefined) {
    this.link = link
    this.accept = accept
    this.signal = signal
  }
}

/** The call that a middleware context belongs to. */
export function callOf(context: Context): Call {
  const call: unknown = context.middlewareControl?.getMiddlewareOptions(Call)
  if (!(call instanceof Call)) throw new TypeError('This Graph client takes calls through GraphClient only.')
  return call
}

/** A link of the chain from a function; the SDK wires `next` by setNext. */
export function middleware(
  execute: (context: Context, next: (context: Context) => Promise<void>) => Promise<void>,
): Middleware {
  let following: Middleware | undefined
  return {
    setNext(next) {
      following = next
    },
    execute: (context) =>
      execute(context, (passed) => {
        if (!following) throw new TypeError('The last Graph middleware must not call next.')
        return following.execute(passed)
      }),
  }
}

/** Counts what an answer has cost, by its `x-ms-resource-unit`. */
export function countUnits(client: ClientContext, header: string | null): void {
  const units = Number(header)
  if (!Number.isFinite(units) || units <= 0) return
  client.usage.resourceUnits += units
  client.units.spent(client.entraTenantId, units)
}

/** Holds whomever a 429 is about, by its `x-ms-throttle-scope`: the tenant, or the app in all tenants and processes. */
export function throttle(client: ClientContext, scope: string | null, milliseconds: number): void {
  const wide = isApplicationWide(scope)
  client.gates.hold(wide ? null : client.entraTenantId, milliseconds)
  if (wide) client.units.holdApp(client.entraTenantId, milliseconds)
}

/** Sets one header of a request, whatever form the SDK gave the others. */
export function setHeader(context: Context, name: string, value: string): void {
  const headers = new Headers(context.options?.headers)
  headers.set(name, value)
  context.options = { ...context.options, headers }
}

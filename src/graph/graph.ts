import { steadyNow } from '../clock.ts'
import type { Log } from '../log.ts'
import { createClient, type GraphClient, type GraphWriter } from './client.ts'
import { tenantIdOf } from './discovery.ts'
import { createCircuit, createRetryBudget, type CircuitSettings } from './circuit.ts'
import { createGates } from './gates.ts'
import { defaultLimits, defaultTimings, type GraphLimits, type GraphTimings } from './timings.ts'
import { createTokens, type AppCredentials, type Token, type Tokens } from './tokens.ts'
import { createUnits, type Units } from './units.ts'

export interface Graph {
  /** A client of one tenant for one run. Tokens and throttling are shared by all of a process. */
  forTenant(entraTenantId: string): GraphClient
  /** The tenant id of a verified domain or of itself. Throws kind input if there is no such tenant in this cloud. */
  tenantIdOf(domainOrId: string, options?: { signal?: AbortSignal }): Promise<string>
  /** To be called when consent, app or credential of a tenant has changed. */
  forgetTokens(entraTenantId: string): void
  /** Services that answer nobody, as this process sees it, and since when (milliseconds since 1970). */
  away(): { service: Service; since: number }[]
  close(): void
}

export type Service = 'graph' | 'login'

export interface GraphOptions {
  cloud: { loginUrl: string; graphUrl: string }
  appFor(entraTenantId: string): Promise<AppCredentials>
  log: Log
  timings?: Partial<GraphTimings>
  limits?: Partial<GraphLimits>
  /** Keeps the budgets: one for all ways to Graph that a process opens, or each would take blocks of its own. */
  units?: Units
  circuit?: Partial<CircuitSettings>
}

/** A client that acts as a signed-in user, whose token `tokenFor` brings; it is kept for this client alone. */
export type UserGraph = (
  entraTenantId: string,
  tokenFor: (signal?: AbortSignal) => Promise<{ value: string; expiresAt: number }>,
) => GraphClient & GraphWriter

/** What a person does in the partner's tenant for two hundred customers is one burst; Microsoft's own 429 is limit enough. */
const unlimited: Units = { waitMs: () => Promise.resolve(0), spent() {}, holdApp() {} }

/** Opens Graph for signed-in users. What holds one of them (throttling) holds all of the process in that tenant. */
export function createUserGraph(options: Omit<GraphOptions, 'appFor'>): UserGraph {
  const timings = { ...defaultTimings, ...options.timings }
  const limits = { ...defaultLimits, ...options.limits }
  const shared = {
    gates: createGates(),
    units: unlimited,
    circuit: createCircuit(),
    retries: createRetryBudget(),
  }
  return (entraTenantId, tokenFor) =>
    createClient({
      entraTenantId,
      graphUrl: new URL(options.cloud.graphUrl).origin,
      tokens: userTokens(tokenFor),
      ...shared,
      timings,
      limits,
      usage: { requests: 0, resourceUnits: 0, throttledMs: 0, retries: 0 },
      log: options.log,
    })
}

function userTokens(
  tokenFor: (signal?: AbortSignal) => Promise<{ value: string; expiresAt: number }>,
): Tokens {
  let kept: Token | null = null
  const forget = () => void (kept = null)
  return {
    async get(_, signal) {
      if (kept !== null && steadyNow() < kept.expiresAt - 60_000) return kept
      const { value, expiresAt } = await tokenFor(signal)
      kept = { value, expiresAt, renewAt: expiresAt, obtainedAt: steadyNow() }
      return kept
    },
    drop: (_, token) => void (kept === token && forget()),
    forget,
    clear: forget,
  }
}

/** Opens the way to one Microsoft cloud. URLs are https origins without a path. */
export function createGraph(options: GraphOptions): Graph {
  const timings = { ...defaultTimings, ...options.timings }
  const limits = { ...defaultLimits, ...options.limits }
  const loginUrl = new URL(options.cloud.loginUrl).origin
  const graphUrl = new URL(options.cloud.graphUrl).origin
  const circuitOf = (name: string) =>
    createCircuit({
      ...options.circuit,
      onChange: (open) =>
        open
          ? options.log.error(`${name} answers nobody: one call in a few seconds asks whether it is back`)
          : options.log.warn(`${name} answers again`),
    })
  const circuits = { graph: circuitOf('Graph'), login: circuitOf('The login service') }
  const tokens = createTokens({
    loginUrl,
    graphUrl,
    appFor: (entraTenantId) => options.appFor(entraTenantId),
    timings,
    maxTokens: limits.maxTokens,
    circuit: circuits.login,
  })
  const shared = {
    gates: createGates(),
    units: options.units ?? createUnits(),
    circuit: circuits.graph,
    retries: createRetryBudget(),
  }
  return {
    forTenant: (entraTenantId) =>
      createClient({
        entraTenantId,
        graphUrl,
        tokens,
        ...shared,
        timings,
        limits,
        usage: { requests: 0, resourceUnits: 0, throttledMs: 0, retries: 0 },
        log: options.log,
      }),
    tenantIdOf: (domainOrId, { signal } = {}) =>
      tenantIdOf({ loginUrl, graphUrl }, timings, domainOrId, signal),
    forgetTokens: (entraTenantId) => tokens.forget(entraTenantId),
    away: () =>
      (['graph', 'login'] as const).flatMap((service) => {
        const since = circuits[service].awaySince()
        return since === null ? [] : [{ service, since }]
      }),
    close: () => tokens.clear(),
  }
}

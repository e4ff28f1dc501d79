import { sleep } from './abort.ts'
import { lruMap } from './lru-map.ts'

/**
 * Notices that a service (Graph, login) is away for everybody: then asking on, tenant by tenant and attempt by attempt,
 * helps nobody and comes back as a herd. Open, it lets one call through every few seconds, and the first answer closes it.
 */
export interface Circuit {
  /**
   * 0 = go on; else so many milliseconds to leave the tenant alone, a different number for each. While a call is out
   * asking, the others wait a moment for its answer: the service may be back long since.
   */
  restMs(signal?: AbortSignal): Promise<number>
  /** As `restMs`, of a call that has failed already: it is never let through, and waits for nobody. */
  restAfterFailureMs(): number
  /** The service has answered: with whatever but a 5xx. */
  answered(): void
  /** A 5xx, or no answer. */
  failed(entraTenantId: string): void
  /** Since when it is away, in milliseconds since 1970; null = it answers. */
  awaySince(): number | null
}

export interface CircuitSettings {
  /** Failures running, without any answer between them, */
  failures: number
  /** of so many tenants: what one alone suffers is its own. */
  tenants: number
  /** Between calls that are let through; and how long the others wait for what becomes of one. */
  probeMs: number
  /** Tenants come back spread over twice this long, after this long. */
  restMs: number
  onChange?: (open: boolean) => void
}

export const defaultCircuit: CircuitSettings = { failures: 20, tenants: 3, probeMs: 5000, restMs: 30_000 }

export function createCircuit(settings: Partial<CircuitSettings> = {}): Circuit {
  const { failures, tenants, probeMs, restMs, onChange } = { ...defaultCircuit, ...settings }
  let running = 0
  let who = new Set<string>()
  let openedAt: number | null = null
  let probeAt = 0
  let probe: PromiseWithResolvers<void> | null = null

  const settleProbe = () => {
    probe?.resolve()
    probe = null
  }

  return {
    async restMs(signal) {
      if (openedAt === null) return 0
      const now = performance.now()
      if (now >= probeAt) {
        probeAt = now + probeMs
        settleProbe()
        probe = Promise.withResolvers()
        return 0
      }
      if (probe !== null) {
        const over = new AbortController()
        const patience = sleep(probeMs, signal ? AbortSignal.any([signal, over.signal]) : over.signal)
        await Promise.race([probe.promise, patience]).finally(() => {
          over.abort()
          patience.catch(() => {})
        })
        if (isClosed()) return 0
      }
      return rest()
    },
    restAfterFailureMs: () => (openedAt === null ? 0 : rest()),
    answered() {
      running = 0
      if (who.size > 0) who = new Set()
      if (openedAt === null) return
      openedAt = null
      settleProbe()
      onChange?.(false)
    },
    failed(entraTenantId) {
      running += 1
      who.add(entraTenantId)
      settleProbe()
      if (openedAt !== null || running < failures || who.size < tenants) return
      openedAt = Date.now()
      probeAt = performance.now() + probeMs
      onChange?.(true)
    },
    awaySince: () => openedAt,
  }

  function rest(): number {
    return Math.ceil(restMs + Math.random() * 2 * restMs)
  }

  /** Asked after a wait: the compiler believes that nothing has changed meanwhile. */
  function isClosed(): boolean {
    return openedAt === null
  }
}

/**
 * No more retries than a tenth of all requests (Google SRE), of a process and of each Entra tenant over all its runs: an
 * outage is not answered with more load, and one that always fails does not use up what the others need once in a while.
 */
export interface RetryBudget {
  sent(entraTenantId: string): void
  /** False = none is left. */
  take(entraTenantId: string): boolean
}

interface Bucket {
  left: number
  most: number
}

export interface RetryBudgetSettings {
  share: number
  /** What a process begins with, and the most that it saves up. */
  floor: number
  most: number
  /** What a tenant begins with, and the most that it saves up. */
  tenant: number
}

export const defaultRetryBudget: RetryBudgetSettings = { share: 0.1, floor: 20, most: 100, tenant: 10 }

export function createRetryBudget(settings: Partial<RetryBudgetSettings> = {}): RetryBudget {
  const { share, floor, most, tenant } = { ...defaultRetryBudget, ...settings }
  const all: Bucket = { left: floor, most }
  const tenants = lruMap<string, Bucket>(2000)
  const bucketOf = (entraTenantId: string): Bucket => {
    const bucket = tenants.get(entraTenantId) ?? { left: tenant, most: tenant }
    tenants.set(entraTenantId, bucket)
    return bucket
  }
  return {
    sent(entraTenantId) {
      for (const bucket of [all, bucketOf(entraTenantId)]) {
        bucket.left = Math.min(bucket.most, bucket.left + share)
      }
    },
    take(entraTenantId) {
      const own = bucketOf(entraTenantId)
      if (all.left < 1 || own.left < 1) return false
      all.left -= 1
      own.left -= 1
      return true
    },
  }
}

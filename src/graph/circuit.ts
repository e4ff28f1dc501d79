/**
 * Notices that Graph (or login) is away for everybody: then asking on, tenant by tenant and attempt by attempt, helps
 * nobody and comes back as a herd. Open, it lets one call through every few seconds, and the first answer closes it.
 */
export interface Circuit {
  /** 0 = go on; else so many milliseconds to leave the tenant alone, a different number for each. */
  restMs(): number
  /** Graph has answered: with whatever but a 5xx. */
  answered(): void
  /** A 5xx, or no answer. */
  failed(entraTenantId: string): void
}

export interface CircuitSettings {
  /** Failures running, without any answer between them, */
  failures: number
  /** of so many tenants: what one alone suffers is its own. */
  tenants: number
  /** Between calls that are let through. */
  probeMs: number
  /** Tenants come back spread over this long after as long again. */
  restMs: number
  onChange?: (open: boolean) => void
}

export const defaultCircuit: CircuitSettings = { failures: 20, tenants: 3, probeMs: 5000, restMs: 30_000 }

export function createCircuit(settings: Partial<CircuitSettings> = {}): Circuit {
  const { failures, tenants, probeMs, restMs, onChange } = { ...defaultCircuit, ...settings }
  let running = 0
  let who = new Set<string>()
  let open = false
  let probeAt = 0

  return {
    restMs() {
      if (!open) return 0
      const now = performance.now()
      if (now >= probeAt) {
        probeAt = now + probeMs
        return 0
      }
      return Math.ceil(restMs + Math.random() * 2 * restMs)
    },
    answered() {
      running = 0
      if (who.size > 0) who = new Set()
      if (!open) return
      open = false
      onChange?.(false)
    },
    failed(entraTenantId) {
      running += 1
      who.add(entraTenantId)
      if (open || running < failures || who.size < tenants) return
      open = true
      probeAt = performance.now() + probeMs
      onChange?.(true)
    },
  }
}

/** No more retries than a tenth of all requests of a process (Google SRE): an outage is not answered with more load. */
export interface RetryBudget {
  sent(): void
  /** False = none is left. */
  take(): boolean
}

export function createRetryBudget(share = 0.1, floor = 20, most = 100): RetryBudget {
  let left = floor
  return {
    sent() {
      left = Math.min(most, left + share)
    },
    take() {
      if (left < 1) return false
      left -= 1
      return true
    },
  }
}

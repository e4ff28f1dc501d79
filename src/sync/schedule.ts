import { hash } from 'node:crypto'

const hour = 3_600_000

/** A number in [0, 1) that is always the same for the same id: spreads Entra tenants without luck. */
export function spread(id: string): number {
  return Number.parseInt(hash('sha256', id, 'hex').slice(0, 8), 16) / 2 ** 32
}

/** When an Entra tenant is due again after a success: its interval, and up to a tenth more by its id. */
export function nextSync(now: Date, intervalMs: number, entraTenantId: string): Date {
  return new Date(now.getTime() + intervalMs * (1 + 0.1 * spread(entraTenantId)))
}

/**
 * When it is tried again after `failures` failures running. Doubles from 30 s to 1 h; where somebody has to act first
 * (access lost, wrong tenant, poison) from 1 h to 24 h. The jitter is up to a quarter.
 */
export function retryAfterFailure(now: Date, failures: number, slow: boolean, entraTenantId: string): Date {
  const [first, most] = slow ? [hour, 24 * hour] : [30_000, hour]
  const delay = Math.min(most, first * 2 ** Math.min(20, Math.max(0, failures - 1)))
  return new Date(now.getTime() + delay * (0.75 + 0.25 * spread(`${entraTenantId}/${failures}`)))
}

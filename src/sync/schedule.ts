import { hash } from 'node:crypto'
import { isPostgresAway } from '../db/errors.ts'
import type { EntraSyncError } from '../errors.ts'

const hour = 3_600_000

/** A number in [0, 1) that is always the same for the same id: spreads Entra tenants without luck. */
export function spread(id: string): number {
  return Number.parseInt(hash('sha256', id, 'hex').slice(0, 8), 16) / 2 ** 32
}

/** When an Entra tenant is due again after a success: its interval, and up to a tenth more by its id. */
export function nextSync(now: Date, intervalMs: number, entraTenantId: string): Date {
  return new Date(now.getTime() + intervalMs * (1 + 0.1 * spread(entraTenantId)))
}

/** Who has to do something before another try can help: nobody, a person, or our own Postgres. */
export type Pace = 'usual' | 'slow' | 'ours'

const paces: Record<Pace, [firstMs: number, mostMs: number]> = {
  usual: [30_000, hour],
  slow: [hour, 24 * hour],
  // Nobody at Microsoft is asked more often than every minute, and the tenant is not at fault: after an outage of
  // Postgres that failed six runs it would have rested for a quarter of an hour while everything was well again.
  ours: [30_000, 60_000],
}

/** How soon it is tried again after this. */
export function paceOf(error: EntraSyncError): Pace {
  // A clock is set by a daemon of the machine's as a rule, and then all Entra tenants are well at once.
  if (error.code === 'clock_skewed') return 'usual'
  if (['access_lost', 'wrong_tenant', 'not_permitted'].includes(error.kind) || error.code === 'poison')
    return 'slow'
  return isPostgresAway(error) ? 'ours' : 'usual'
}

/**
 * When it is tried again after `failures` failures running. Doubles from 30 s to 1 h; where somebody has to act first
 * (access lost, wrong tenant, poison) from 1 h to 24 h; where Postgres was away, to 1 min. The jitter is up to a quarter.
 */
export function retryAfterFailure(now: Date, failures: number, pace: Pace, entraTenantId: string): Date {
  const [first, most] = paces[pace]
  const delay = Math.min(most, first * 2 ** Math.min(20, Math.max(0, failures - 1)))
  return new Date(now.getTime() + delay * (0.75 + 0.25 * spread(`${entraTenantId}/${failures}`)))
}

import { createHash } from 'node:crypto'
import type { ErrorKind } from '../errors.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** How often the tick runs: what is due waits for at most this long. */
export const tickMs = 5 * second

/** A request without a worker for this long lost its wake-up; younger ones are just on their way. */
export const healAfterMs = 10 * second

/** Number in [0, 1) that is always the same for one key: spreads tenants without luck, and every process agrees. */
export function fractionOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt32BE(0) / 2 ** 32
}

/**
 * When an Entra tenant is due next: each has its own phase within the interval, so a thousand tenants imported at once
 * don't stay one wave. Between one half and one and a half intervals from now; one interval from then on.
 */
export function nextSyncAt(now: Date, intervalMs: number, entraTenantId: string): Date {
  const phase = fractionOf(entraTenantId) * intervalMs
  const earliest = now.getTime() + intervalMs / 2
  return new Date(Math.ceil((earliest - phase) / intervalMs) * intervalMs + phase)
}

/**
 * How long a failed Entra tenant waits before its next attempt, in milliseconds. Doubles with every consecutive
 * failure, from 15 s to 30 min; where a person must act (lost access, wrong tenant) it is a slow probe from 10 min to
 * 6 h, since hammering a tenant that refused us serves nobody. Jitter of ±20 % by hash of tenant and count: tenants that
 * failed together (an outage) don't come back together.
 */
export function backOffMs(entraTenantId: string, failures: number, kind: ErrorKind): number {
  const slow =
    kind === 'access_lost' || kind === 'wrong_tenant' || kind === 'foreign_origin' || kind === 'config'
  const [first, most] = slow ? [10 * minute, 6 * hour] : [15 * second, 30 * minute]
  const wait = Math.min(most, first * 2 ** Math.min(Math.max(failures, 1) - 1, 20))
  return Math.round(wait * (0.8 + 0.4 * fractionOf(`${entraTenantId} ${failures}`)))
}

/** How long a partner waits after a failed discovery, in milliseconds: a quarter of its interval, at most 15 min. */
export function discoveryRetryMs(intervalMs: number): number {
  return Math.min(15 * minute, intervalMs / 4)
}

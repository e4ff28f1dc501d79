import { steadyNow } from '../clock.ts'

/**
 * Until when Microsoft wants no calls. A call that comes too early counts against the quota again, so one 429 holds
 * every call of that tenant, and one of scope Application every call of the app.
 * @see https://learn.microsoft.com/graph/throttling
 */
export interface Gates {
  /** Milliseconds until the tenant may be called; 0 = now. */
  waitMs(entraTenantId: string): number
  /** Holds the tenant (or, with null, all) for at least that long from now. */
  hold(entraTenantId: string | null, milliseconds: number): void
}

export function createGates(): Gates {
  const openAt = new Map<string | null, number>()
  const remaining = (key: string | null, now: number) => {
    const at = openAt.get(key)
    if (at === undefined) return 0
    if (at <= now) openAt.delete(key)
    return Math.max(at - now, 0)
  }
  return {
    waitMs(entraTenantId) {
      const now = steadyNow()
      return Math.max(remaining(entraTenantId, now), remaining(null, now))
    },
    hold(entraTenantId, milliseconds) {
      openAt.set(entraTenantId, Math.max(openAt.get(entraTenantId) ?? 0, steadyNow() + milliseconds))
    },
  }
}

/** Whether `x-ms-throttle-scope` (`Tenant_Application/Read/{app}/{tenant}`) names the app as a whole. */
export function isApplicationWide(throttleScope: string | null): boolean {
  return throttleScope !== null && /^application(\/|$)/i.test(throttleScope.trim())
}

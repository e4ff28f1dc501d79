/** Where a process takes its shares of an app's budget from: all processes take from the same. */
export interface UnitSource {
  /** What stands for the app that reads an Entra tenant. */
  appOf(entraTenantId: string): string
  /** Takes a block of units (0: only asks); answers 0, or in how many milliseconds to ask again. */
  take(app: string, block: number): Promise<number>
  /** Tells the others that Microsoft wants no calls of this app for so long. */
  hold(app: string, milliseconds: number): Promise<void>
}

/** Keeps within the resource units that Graph gives a tenant and an app. */
export interface Units {
  /** Milliseconds until the tenant may be called; 0 = now. */
  waitMs(entraTenantId: string): Promise<number>
  /** What an answer has cost (`x-ms-resource-unit`). */
  spent(entraTenantId: string, units: number): void
  /** Microsoft has throttled the app as a whole. */
  holdApp(entraTenantId: string, milliseconds: number): void
}

export interface UnitLimits {
  /** Per tenant and 10 s. */
  tenant: number
  /** What a process takes of an app's budget at once. */
  block: number
  /** What a process has taken it may spend without asking, for so long: another may have been told to wait. */
  askMs: number
}

/**
 * Half of what Graph gives the smallest tenants (3,500 units in 10 s); the MSP has other apps, too. No tenant is read so
 * fast that it would need more: a page costs 2 to 5 units and some hundred milliseconds.
 * @see https://learn.microsoft.com/graph/throttling-limits#identity-and-access-service-limits
 */
export const defaultUnitLimits: UnitLimits = { tenant: 1750, block: 1000, askMs: 2000 }

const windowMs = 10_000

/** A process's share of an app's budget; times as `performance.now()` has them. */
interface Share {
  left: number
  openAt: number
  askedAt: number
  asking: Promise<void> | null
}

const noShare = (): Share => ({ left: 0, openAt: 0, askedAt: -Infinity, asking: null })

/** Without a source only tenants have a budget: a process that is alone, as a command is, stays far below an app's. */
export function createUnits(source?: UnitSource, limits: Partial<UnitLimits> = {}): Units {
  const { tenant: perTenant, block, askMs } = { ...defaultUnitLimits, ...limits }
  const tenants = new Map<string, { left: number; at: number }>()
  const apps = new Map<string, Share>()

  function tenantWaitMs(entraTenantId: string): number {
    const bucket = tenants.get(entraTenantId)
    if (bucket === undefined) return 0
    const now = performance.now()
    bucket.left = Math.min(perTenant, bucket.left + ((now - bucket.at) * perTenant) / windowMs)
    bucket.at = now
    // Full buckets are those of tenants that nobody reads now.
    if (bucket.left >= perTenant) tenants.delete(entraTenantId)
    return bucket.left > 0 ? 0 : Math.ceil(((1 - bucket.left) * windowMs) / perTenant)
  }

  async function appWaitMs(entraTenantId: string): Promise<number> {
    if (source === undefined) return 0
    const app = source.appOf(entraTenantId)
    const share = apps.get(app) ?? noShare()
    apps.set(app, share)
    const closed = share.openAt - performance.now()
    if (closed > 0) return Math.ceil(closed)
    if (share.left > 0 && performance.now() - share.askedAt < askMs) return 0
    // One question for all who wait. A source that cannot be asked refuses nobody: without Postgres nothing is read anyway.
    share.asking ??= ask(source, app, share).finally(() => (share.asking = null))
    await share.asking
    return Math.max(0, Math.ceil(share.openAt - performance.now()))
  }

  async function ask(from: UnitSource, app: string, share: Share): Promise<void> {
    const wanted = share.left > 0 ? 0 : block
    const wait = await from.take(app, wanted).catch(() => 0)
    share.askedAt = performance.now()
    if (wait === 0) share.left += wanted
    else share.openAt = performance.now() + wait
  }

  return {
    async waitMs(entraTenantId) {
      return Math.max(tenantWaitMs(entraTenantId), await appWaitMs(entraTenantId))
    },
    spent(entraTenantId, units) {
      const bucket = tenants.get(entraTenantId) ?? { left: perTenant, at: performance.now() }
      bucket.left -= units
      tenants.set(entraTenantId, bucket)
      if (source === undefined) return
      const share = apps.get(source.appOf(entraTenantId))
      if (share !== undefined) share.left -= units
    },
    holdApp(entraTenantId, milliseconds) {
      if (source === undefined) return
      const app = source.appOf(entraTenantId)
      const share = apps.get(app) ?? noShare()
      share.openAt = Math.max(share.openAt, performance.now() + milliseconds)
      // What is left was taken before: the next question hears of the hold.
      share.left = 0
      apps.set(app, share)
      source.hold(app, milliseconds).catch(() => {})
    },
  }
}

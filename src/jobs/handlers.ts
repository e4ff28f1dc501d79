import type { AppCheckContext } from '../consent/apps/check-app.ts'
import type { Handlers } from './catalog.ts'
import { discoverCustomersJob, type DiscoveryJobContext } from './discover-customers.ts'
import { housekeeping } from './housekeeping.ts'
import { preconsentCustomerJob, type PreconsentJobContext } from './preconsent-customer.ts'
import { resolveTargetsJob, type ResolveJobContext } from './resolve-targets.ts'
import { syncTenant, type SyncJobContext } from './sync-tenant.ts'
import { verifyConsent, type ProofJobContext } from './verify-consent.ts'
import { tickJob, type TickResult } from './tick.ts'

export interface HandlerContext {
  sync: SyncJobContext
  discovery: DiscoveryJobContext
  consent: ProofJobContext
  preconsent: PreconsentJobContext
  targets: ResolveJobContext
  apps?: AppCheckContext
  tick(): Promise<TickResult>
}

/** The handlers of all jobs, bound to what they need. */
export function createHandlers({
  sync,
  discovery,
  consent,
  preconsent,
  targets,
  apps,
  tick,
}: HandlerContext): Handlers {
  return {
    'sync-tenant': (payload, job) => syncTenant(sync, payload, job),
    'discover-customers': (payload, job) => discoverCustomersJob(discovery, payload, job),
    'verify-consent': (payload, job) => verifyConsent(consent, payload, job),
    'preconsent-customer': (payload, job) => preconsentCustomerJob(preconsent, payload, job),
    'resolve-targets': (payload, job) => resolveTargetsJob(targets, payload, job),
    tick: () => tickJob(tick),
    housekeeping: (_, job) =>
      housekeeping(
        {
          db: sync.sync.db,
          apps,
          licenseGraceMs: targets.targets.licenseGraceMs,
          preconsent: preconsent.preconsent,
        },
        job,
      ),
  }
}

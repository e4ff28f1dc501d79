import { sql } from 'kysely'

/** How long a relationship counts after it was found missing or past its end: as the view `gdap_status` has it. */
export const graceHours = 24

/** Statuses as documented; what else a list says leaves the one known before. */
export const knownStatuses = [
  'created',
  'approvalPending',
  'approved',
  'activating',
  'active',
  'expiring',
  'terminationRequested',
  'terminating',
  'expired',
  'terminated',
] as const

/**
 * True for a row `r` of gdap_relationships that lets a partner in, by the rule of the view `gdap_status`: active, no
 * Microsoft-led transition (MLT_), neither missing nor past its end for longer than the grace.
 */
export const counts = sql<boolean>`(r.status = 'active' and coalesce(r.display_name, '') not like 'MLT\\_%'
  and (r.missing_since is null or r.missing_since > now() - interval '24 hours')
  and (r.auto_extends or r.ends_at is null or r.ends_at > now() - interval '24 hours'))`

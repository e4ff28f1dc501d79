import type { EntraSyncError } from '../errors.ts'

/** Something is as it is, and the act does not go together with it: 409, not 400. */
const conflicts = new Set([
  'follows_partner',
  'credential_last',
  'level_default',
  'gdap_not_active',
  'entra_tenant_linked',
  'msp_exists',
  'no_partner',
  'no_customer',
  'preconsent_no_customer',
  'preconsent_stopped',
  'preconsent_no_relationship',
  'not_a_customer',
  'not_a_partner',
  'customer_is_partner',
  'tenant_matches',
  'needs_confirmation',
  'domain_of_default',
  'default_with_domains',
  'tenant_cycle',
  'tenant_not_linked',
  'domain_not_linked',
  'slug_taken',
  'offboard_msp',
  'offboard_partner',
  'tenant_linked',
  'tenant_is_msp',
  'tenant_gone',
  'tenant_not_scheduled',
  'tenant_offboarded',
  'hold_closed',
  'hold_changed',
  'fleet_frozen',
  'feed_truncated',
  'feed_rewound',
])

/** The HTTP status that says of an error whose turn it is: the caller's, somebody else's, or later ours. */
export function statusOf({ kind, code }: EntraSyncError): 400 | 403 | 404 | 409 | 503 {
  switch (kind) {
    case 'input':
      if (conflicts.has(code)) return 409
      return code.endsWith('_unknown') ? 404 : 400
    case 'not_found':
      return 404
    case 'access_lost':
    case 'not_permitted':
    case 'wrong_tenant':
      return code === 'forbidden' ? 403 : 409
    case 'config':
    case 'throttled':
    case 'transient':
    case 'reset':
    case 'restart':
    case 'malformed':
    case 'foreign_origin':
    case 'fenced':
    case 'aborted':
    case 'database':
    case 'queue':
      return 503
  }
}

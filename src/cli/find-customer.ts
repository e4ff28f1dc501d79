import type { CustomerRow } from '../consent/customers/customers.ts'
import { slugOf } from '../consent/links/slug.ts'
import { EntraSyncError } from '../errors.ts'
import { printable } from './text.ts'

const guid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

/**
 * Id of the customer that an operator means by id, name, name with dashes (as the slug of its tenant will be) or domain;
 * letter case does not count. An id that no list names passes as it is, for the caller to say so. Throws kind `input` when
 * a name means none or several.
 */
export function customerIdOf(customers: readonly CustomerRow[], text: string): string {
  const wanted = text.trim().toLowerCase()
  const found = customers.filter(
    ({ displayName, domains }) =>
      domains.includes(wanted) ||
      (displayName !== null && [displayName.trim().toLowerCase(), slugOf(displayName)].includes(wanted)),
  )
  const ids = [...new Set(found.map(({ entraTenantId }) => entraTenantId))]
  if (guid.test(wanted)) return wanted
  if (ids.length === 1 && ids[0] !== undefined) return ids[0]
  const message = `"${printable(text)}" means ${ids.length === 0 ? 'no customer that was found' : ids.join(' or ')}.`
  throw new EntraSyncError('input', message, {
    code: ids.length === 0 ? 'customer_unknown' : 'customer_ambiguous',
    remedy:
      'Use a name that entra-sync customers list shows, or an id; entra-sync customers discover reads the list anew.',
  })
}

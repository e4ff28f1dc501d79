import { domainToASCII } from 'node:url'
import { EntraSyncError } from '../../errors.ts'

const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?'
const dnsName = new RegExp(`^(?=.{1,253}$)${label}(?:\\.${label})+$`)

/**
 * A UPN suffix as Entra stores it: lower case, in the ASCII form of IDNA, without a trailing dot.
 * @throws kind `input`, code `domain_invalid`, for what is no domain
 */
export function normalizeDomain(text: string): string {
  const trimmed = text.trim().replace(/^@/, '').replace(/\.$/, '')
  const domain = domainToASCII(trimmed).toLowerCase()
  if (dnsName.test(domain)) return domain
  throw new EntraSyncError('input', `${JSON.stringify(text.slice(0, 100))} is no domain.`, {
    code: 'domain_invalid',
    remedy: 'Give the part of the user principal names after the @, as fabrikam.com.',
  })
}

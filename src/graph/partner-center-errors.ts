import { z } from 'zod'
import { entryOfCode, fillRemedy } from '../error-catalogue/catalogue.ts'
import { EntraSyncError } from '../errors.ts'

const ownShape = z.object({ code: z.unknown().optional(), description: z.string() })
const graphShape = z.object({ error: z.object({ code: z.string().optional(), message: z.string() }) })

/** What an error body says, in either of the shapes that Partner Center's gateways use; '' where it is neither. */
function readText(text: string): string {
  const value = json(text)
  const own = ownShape.safeParse(value)
  if (own.success) return own.data.description
  const graph = graphShape.safeParse(value)
  return graph.success ? graph.data.error.message : ''
}

/**
 * The error of an answer of Partner Center that is not 2xx. It has hardly any codes, so that its English text decides
 * between meanings of 400 and 404, letter case aside; the text itself is repeated shortened, for people.
 */
export function partnerCenterError(answer: {
  method: 'POST' | 'DELETE'
  status: number
  text: string
  customer: string
  clientId: string
  requestId: string
  retryAt?: Date
}): EntraSyncError {
  const { status, customer, clientId } = answer
  const said = readText(answer.text)
  const code = codeOf(answer.method, status, said)
  const entry = entryOfCode(code)
  const words = said === '' ? '.' : `: ${said.slice(0, 300)}`
  return new EntraSyncError(
    entry?.kind ?? 'malformed',
    `Partner Center answered ${status} about customer ${customer}${words}`,
    {
      code,
      tenant: customer,
      status,
      requestId: answer.requestId,
      remedy: entry ? fillRemedy(entry, { tenant: customer, clientId }) : 'Report it with the request id.',
      ...(answer.retryAt !== undefined && { retryAt: answer.retryAt }),
    },
  )
}

function codeOf(method: string, status: number, said: string): string {
  if (status >= 300 && status < 400) return 'partner_redirected'
  if ((status === 400 || status === 409) && /already exists?/i.test(said)) return 'partner_consent_exists'
  if (/lacks a service principal/i.test(said)) return 'partner_api_missing'
  if (status === 401) return 'partner_sign_in_refused'
  if (status === 403) return 'partner_access_denied'
  // A DELETE meets 404 for a consent that is not there, and for a tenant that is no customer.
  if (status === 404 && method === 'DELETE' && !/customer/i.test(said)) return 'partner_consent_absent'
  if (status === 404) return 'partner_customer_unknown'
  if (status === 429) return 'partner_throttled'
  if (status === 408 || status >= 500) return 'partner_transient'
  return 'partner_consent_invalid'
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

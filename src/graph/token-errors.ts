import { z } from 'zod'
import {
  entryOfAadsts,
  entryOfCode,
  entryOfTokenError,
  fillRemedy,
  type CatalogueEntry,
} from '../error-catalogue/catalogue.ts'
import { EntraSyncError } from '../errors.ts'
import { tokenResource } from './errors.ts'

const bodySchema = z.object({
  error: z.string().catch(''),
  error_codes: z.array(z.number()).catch([]),
  correlation_id: z.string().optional().catch(undefined),
})

const credentialCodes = [
  'client_secret_invalid',
  'client_secret_expired',
  'certificate_invalid',
  'credential_missing',
  'client_credential_refused',
  'client_credential_unusable',
]

/** Whether another credential of the same app may do better. 7000229 is an `invalid_client` too, and not of them. */
export function isCredentialError(error: unknown): error is EntraSyncError {
  return error instanceof EntraSyncError && credentialCodes.includes(error.code)
}

/** AADSTS numbers in an answer of the token endpoint. */
export function aadstsCodes(body: unknown): number[] {
  return bodySchema.safeParse(body).data?.error_codes ?? []
}

/**
 * The error of an answer of the token endpoint that brought no token. The text of `error_description` is never
 * parsed and not repeated: the correlation id finds it in Microsoft's logs.
 * `clientId` is put into the remedy.
 * @param retryAt from Retry-After, where the endpoint throttles.
 */
export function tokenError(
  answer: { status: number; body: unknown; tenant: string; correlationId: string; clientId?: string },
  retryAt?: Date,
): EntraSyncError {
  const parsed = bodySchema.safeParse(answer.body)
  const { error, error_codes, correlation_id } = parsed.data ?? {
    error: '',
    error_codes: [],
    correlation_id: undefined,
  }
  const number = error_codes.find((code) => entryOfAadsts(code)) ?? error_codes[0]
  const meaning = meaningOf(answer.status, error, number)
  const facts = [number === undefined ? '' : `AADSTS${number}`, error].filter(Boolean).join(' ')
  return new EntraSyncError(
    meaning.kind,
    `No token for tenant ${answer.tenant}: ${meaning.what}${facts ? ` (${facts})` : ` (HTTP ${answer.status})`}.`,
    {
      code: meaning.code,
      remedy: fillRemedy(meaning, { tenant: answer.tenant, clientId: answer.clientId }),
      tenant: answer.tenant,
      resource: tokenResource,
      status: answer.status,
      requestId: correlation_id ?? answer.correlationId,
      ...(retryAt === undefined ? {} : { retryAt }),
    },
  )
}

type Meaning = Pick<CatalogueEntry, 'kind' | 'code' | 'what' | 'remedy'>

/** The number decides where it is known, then the status, then the OAuth `error`. */
function meaningOf(status: number, oauth: string, number: number | undefined): Meaning {
  const throttled = status === 429 ? entryOfCode('login_throttled') : undefined
  const known = throttled ?? (number === undefined ? undefined : entryOfAadsts(number))
  const transient = status >= 500 ? entryOfCode('login_transient') : undefined
  return (
    known ??
    transient ??
    entryOfTokenError(oauth) ?? {
      kind: 'transient',
      code: `login_${status}`,
      what: "Microsoft's login service answered something unknown",
      remedy: 'It is tried again later; if it persists, report it with the correlation id.',
    }
  )
}

/** Whoever used it would read, and store, another tenant's directory. A token that cannot be decoded is no fault. */
export function otherTenant(tenant: string, tid: string, requestId: string): EntraSyncError {
  return new EntraSyncError(
    'wrong_tenant',
    `The token that was asked for tenant ${tenant} is one of tenant ${tid.slice(0, 36)}. It was not used.`,
    {
      code: 'wrong_tenant',
      remedy: 'Check the id of this Entra tenant, LOGIN_URL and what stands between here and Microsoft.',
      tenant,
      resource: tokenResource,
      requestId,
    },
  )
}

/** The credential itself is none that can be used: no request was made. */
export function unusableCredential(tenant: string, requestId: string, cause: unknown): EntraSyncError {
  return new EntraSyncError(
    'access_lost',
    `No token for tenant ${tenant}: the app's credential cannot be used.`,
    {
      code: 'client_credential_unusable',
      remedy: "Store the app's secret, or its unencrypted PEM key and certificate, again.",
      tenant,
      requestId,
      cause,
    },
  )
}

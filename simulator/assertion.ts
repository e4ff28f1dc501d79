import { constants, verify, X509Certificate } from 'node:crypto'
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { loginError } from './login-errors.ts'
import type { SimResponse } from './types.ts'

const headerSchema = z.object({
  alg: z.enum(['PS256', 'RS256']),
  x5t: z.string().optional(),
  'x5t#S256': z.string().optional(),
})
const claimsSchema = z.object({
  aud: z.string(),
  iss: z.string(),
  sub: z.string(),
  exp: z.number(),
  nbf: z.number().optional(),
  jti: z.string().optional(),
})

export interface AssertionRules {
  clientId: string
  certificates: X509Certificate[]
  /** Any of these is the tenant that was asked. */
  audiences: string[]
}

/**
 * Checks a client assertion as Entra does: key by thumbprint, signature, audience, issuer, subject, times (with five
 * minutes for clocks). null = accepted. `jti` is wanted by the documentation, but Entra takes assertions without.
 */
export function checkAssertion(assertion: string, rules: AssertionRules): SimResponse | null {
  const [head, payload, signature, ...more] = assertion.split('.')
  const header = headerSchema.safeParse(json(head))
  const claims = claimsSchema.safeParse(json(payload))
  if (!head || !payload || !signature || more.length > 0 || !header.success || !claims.success) {
    return loginError(50027, 'JWT token is invalid or malformed.')
  }
  const { alg, x5t, 'x5t#S256': x5tS256 } = header.data
  const thumbprint = x5tS256 ?? x5t
  const certificate = rules.certificates.find(
    ({ raw }) =>
      thumbprint !== undefined &&
      createHash(x5tS256 === undefined ? 'sha1' : 'sha256')
        .update(raw)
        .digest('base64url') === thumbprint.replace(/=+$/, ''),
  )
  const told = `Thumbprint of key used by client: '${hex(thumbprint)}'`
  if (certificate === undefined) {
    return loginError(
      700027,
      `Client assertion contains an invalid signature. [Reason - The key was not found., ${told}]`,
    )
  }
  if (Date.parse(certificate.validTo) < Date.now()) {
    return loginError(
      700027,
      `Client assertion contains an invalid signature. [Reason - The key used is expired., ${told}]`,
    )
  }
  const padding =
    alg === 'PS256'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : { padding: constants.RSA_PKCS1_PADDING }
  const proved = verify(
    'sha256',
    Buffer.from(`${head}.${payload}`),
    { key: certificate.publicKey, ...padding },
    Buffer.from(signature, 'base64url'),
  )
  if (!proved) {
    return loginError(
      700027,
      `Client assertion contains an invalid signature. [Reason - The provided signature value did not match the expected signature value., ${told}]`,
    )
  }
  const { aud, iss, sub, exp, nbf } = claims.data
  if (iss !== rules.clientId) {
    return loginError(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
  }
  if (sub !== iss)
    return loginError(
      50048,
      'SubjectMismatchesIssuer - Subject mismatches Issuer claim in the client assertion.',
    )
  if (!rules.audiences.includes(aud)) {
    return loginError(700023, 'Client assertion audience claim does not match Realm issuer.')
  }
  const now = Date.now() / 1000
  if (exp < now - 300 || (nbf !== undefined && nbf > now + 300)) {
    return loginError(700024, 'Client assertion is not within its valid time range.')
  }
  return null
}

function json(part: string | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(part ?? '', 'base64url').toString())
  } catch {
    // Not JSON at all: the schema says so in Entra's words.
    return null
  }
}

function hex(thumbprint: string | undefined): string {
  return Buffer.from(thumbprint ?? '', 'base64url')
    .toString('hex')
    .toUpperCase()
}

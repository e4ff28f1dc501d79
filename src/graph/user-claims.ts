import { z } from 'zod'

/** What a user's token says. */
export interface UserClaims {
  tid?: string | undefined
  oid?: string | undefined
  aud?: string | undefined
  /** User principal name; for messages. */
  name?: string | undefined
  nonce?: string | undefined
  /** Delegated scopes. */
  scopes?: string[] | undefined
  /** How the user proved who they are: `mfa` where with a second factor. */
  methods?: string[] | undefined
}

const text = z.string().max(500).optional().catch(undefined)
const schema = z.object({
  tid: text,
  oid: text,
  aud: text,
  upn: text,
  preferred_username: text,
  nonce: text,
  scp: z.string().optional().catch(undefined),
  amr: z.array(z.string()).optional().catch(undefined),
})

/**
 * Claims of a JWT without checking its signature: null where it can't be decoded (access tokens are opaque to clients
 * by contract). Of an id_token this is enough, since it came from the token endpoint over TLS, not through a browser.
 * @see https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation (3.1.3.7, 6)
 */
export function readUserClaims(token: string): UserClaims | null {
  const payload = token.split('.')[1]
  if (!payload) return null
  try {
    const parsed = schema.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')))
    if (!parsed.success) return null
    const { tid, oid, aud, upn, preferred_username, nonce, scp, amr } = parsed.data
    return {
      tid: tid?.toLowerCase(),
      oid: oid?.toLowerCase(),
      aud: aud?.toLowerCase(),
      name: preferred_username ?? upn,
      nonce,
      scopes: scp?.split(' ').filter(Boolean),
      methods: amr,
    }
  } catch {
    return null
  }
}

import { z } from 'zod'

/** What a token says of itself. */
export interface TokenClaims {
  tid?: string | undefined
  appId?: string | undefined
  roles?: string[] | undefined
}

const claimsSchema = z.object({
  tid: z.string().optional().catch(undefined),
  appid: z.string().optional().catch(undefined),
  roles: z.array(z.string()).optional().catch(undefined),
})

/** Claims of a JWT without checking its signature: for messages, never for a decision on trust. */
export function decodeClaims(token: string): TokenClaims | null {
  const payload = token.split('.')[1]
  if (!payload) return null
  try {
    const parsed = claimsSchema.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')))
    if (!parsed.success) return null
    const { tid, appid, roles } = parsed.data
    return { tid, appId: appid, roles }
  } catch {
    return null
  }
}

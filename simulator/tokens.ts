import { createHash, generateKeyPair, randomBytes, randomUUID, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { z } from 'zod'
import { shownRoles } from './tenant-apps.ts'
import type { TenantHandle } from './types.ts'

/** Microsoft Graph's own app id, the same in every tenant. */
export const graphAppId = '00000003-0000-0000-c000-000000000000'

const claimsSchema = z.object({
  aud: z.string(),
  iss: z.string(),
  appid: z.string(),
  tid: z.string(),
  /** Of the tenant that whoever is signed in belongs to. */
  idp: z.string(),
  exp: z.number(),
  nbf: z.number(),
  oid: z.string(),
  roles: z.array(z.string()).optional(),
  /** Space separated; there in a user's token only. */
  scp: z.string().optional(),
  amr: z.array(z.string()).optional(),
  uti: z.string(),
})
export type AccessClaims = z.infer<typeof claimsSchema>

/** Issues and checks the simulator's access tokens. */
export interface TokenIssuer {
  /** The public key as Entra publishes it at `jwks_uri`. */
  jwks: { keys: object[] }
  issue(request: { tenant: TenantHandle; appId: string; audience: string; lifetimeSeconds: number }): string
  /** An access token of a user for a resource, in their own tenant or in a customer's. */
  issueUser(request: UserTokenRequest): string
  /** A token that says who signed in, of the v2 form. */
  issueId(request: IdTokenRequest): string
  /** The claims of a token that Graph would take, or Graph's words for why not. */
  check(token: string, audiences: string[]): AccessClaims | string
  /** From now on refuses what was issued until now, to one tenant or to all. */
  revoke(tenantId: string | null): void
}

export interface UserTokenRequest {
  tenantId: string
  appId: string
  audience: string
  lifetimeSeconds: number
  userId: string
  userName: string
  homeTenantId: string
  scopes: string[]
  mfa: boolean
  /** Role template ids. */
  directoryRoles: string[]
}

export interface IdTokenRequest {
  origin: string
  tenantId: string
  appId: string
  userId: string
  userName: string
  displayName: string
  nonce: string | null
}

/** Makes an issuer with a key of its own. */
export async function createTokenIssuer(): Promise<TokenIssuer> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const keyId = createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
  const checked = new Map<string, AccessClaims>()
  const revokedUpTo = new Map<string | null, number>()
  let issued = 0
  /** Tokens are told apart from those that were revoked by the order of their making. */
  const nextSerial = (): string => {
    issued += 1
    const serial = Buffer.alloc(6)
    serial.writeUIntBE(issued, 0, 6)
    return Buffer.concat([serial, randomBytes(10)]).toString('base64url')
  }

  return {
    jwks: {
      keys: [{ ...publicKey.export({ format: 'jwk' }), kty: 'RSA', use: 'sig', kid: keyId, x5t: keyId }],
    },

    issue({ tenant, appId, audience, lifetimeSeconds }) {
      const now = Math.floor(Date.now() / 1000)
      const app = tenant.appOf(appId)
      const { servicePrincipalId } = app
      const roles = shownRoles(app)
      return encode(privateKey, keyId, {
        aud: audience,
        iss: `https://sts.windows.net/${tenant.id}/`,
        iat: now,
        nbf: now,
        exp: now + lifetimeSeconds,
        aio: randomBytes(24).toString('base64'),
        app_displayname: 'ImmyBot',
        appid: appId,
        appidacr: '1',
        idp: `https://sts.windows.net/${tenant.id}/`,
        idtyp: 'app',
        oid: servicePrincipalId,
        // A token without any grant carries no `roles` at all, not an empty list.
        ...(roles.length > 0 && { roles: [...roles] }),
        sub: servicePrincipalId,
        tenant_region_scope: 'NA',
        tid: tenant.id,
        uti: nextSerial(),
        ver: '1.0',
        xms_tcdt: 1_577_836_800,
      })
    },

    issueUser({ tenantId, appId, audience, lifetimeSeconds, homeTenantId, ...user }) {
      const now = Math.floor(Date.now() / 1000)
      return encode(privateKey, keyId, {
        aud: audience,
        iss: `https://sts.windows.net/${tenantId}/`,
        iat: now,
        nbf: now,
        exp: now + lifetimeSeconds,
        amr: user.mfa ? ['pwd', 'mfa'] : ['pwd'],
        appid: appId,
        appidacr: '1',
        idp: `https://sts.windows.net/${homeTenantId}/`,
        idtyp: 'user',
        oid: user.userId,
        scp: user.scopes.join(' '),
        tid: tenantId,
        upn: user.userName,
        unique_name: user.userName,
        uti: nextSerial(),
        ver: '1.0',
        wids: user.directoryRoles,
      })
    },

    issueId({ origin, tenantId, appId, userId, userName, displayName, nonce }) {
      const now = Math.floor(Date.now() / 1000)
      return encode(privateKey, keyId, {
        aud: appId,
        iss: `${origin}/${tenantId}/v2.0`,
        iat: now,
        nbf: now,
        exp: now + 3600,
        name: displayName,
        ...(nonce !== null && { nonce }),
        oid: userId,
        preferred_username: userName,
        sub: userId,
        tid: tenantId,
        ver: '2.0',
      })
    },

    check(token, audiences) {
      let claims = checked.get(token)
      if (claims === undefined) {
        const read = decode(token, publicKey)
        if (typeof read === 'string') return read
        claims = read
        // Checking one RSA signature a request would cost the benchmark more than answering it.
        if (checked.size >= 10_000) checked.clear()
        checked.set(token, claims)
      }
      if (!audiences.includes(claims.aud)) return 'Access token validation failure. Invalid audience.'
      if (claims.iss !== `https://sts.windows.net/${claims.tid}/`) {
        return 'Access token validation failure. Invalid issuer.'
      }
      if (claims.exp * 1000 <= Date.now()) return 'Lifetime validation failed, the token is expired.'
      const serial = Buffer.from(claims.uti, 'base64url').readUIntBE(0, 6)
      const revoked = Math.max(revokedUpTo.get(claims.tid) ?? 0, revokedUpTo.get(null) ?? 0)
      if (serial <= revoked) return 'Lifetime validation failed, the token is expired.'
      return claims
    },

    revoke(tenantId) {
      revokedUpTo.set(tenantId, issued)
    },
  }
}

function encode(key: KeyObject, keyId: string, claims: object): string {
  const header = { typ: 'JWT', nonce: randomUUID(), alg: 'RS256', x5t: keyId, kid: keyId }
  const signed = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}

function decode(token: string, key: KeyObject): AccessClaims | string {
  const [header, payload, signature, ...more] = token.split('.')
  if (!header || !payload || !signature || more.length > 0) {
    return 'IDX14100: JWT is not well formed, there are no dots (.).'
  }
  if (!verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))) {
    return 'Access token validation failure. Invalid signature.'
  }
  return claimsSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
}

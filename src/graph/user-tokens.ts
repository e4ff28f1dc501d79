import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'
import { inMs, steadyNow } from '../clock.ts'
import { EntraSyncError, isEntraSyncError } from '../errors.ts'
import { sleep } from './abort.ts'
import { clientProof } from './client-assertion.ts'
import { loginFetch, type LoginAnswer } from './login-transport.ts'
import { retryAfterMs } from './retry-after.ts'
import { defaultTimings, type GraphTimings } from './timings.ts'
import { isCredentialError, tokenError } from './token-errors.ts'
import { readUserClaims, type UserClaims } from './user-claims.ts'
import type { AppCredential } from './tokens.ts'

/** What a sign-in of a user, or a refresh, brings. */
export interface UserToken {
  accessToken: string
  /** Milliseconds since 1970. */
  expiresAt: number
  /** The newest; null = the answer had none, and the one before stays in use. */
  refreshToken: string | null
  /** Of the id_token; null = none was asked for. */
  identity: UserClaims | null
}

/** Whose app asks, at which tenant's authority. Of several credentials each is tried, as for app-only tokens. */
export interface UserTokenRequest {
  entraTenantId: string
  clientId: string
  credentials: readonly AppCredential[]
  signal?: AbortSignal | undefined
}

export interface DeviceCode {
  deviceCode: string
  /** What the user types at `verificationUri`. */
  userCode: string
  verificationUri: string
  /** Milliseconds since 1970. */
  expiresAt: number
  intervalMs: number
}

/** Delegated tokens of a user: what the app may do as that user. */
export interface UserTokens {
  /** Where the browser goes; PKCE S256 (RFC 7636). */
  authorizeUrl(request: {
    entraTenantId: string
    clientId: string
    redirectUri: string
    scope: string
    state: string
    nonce: string
    verifier: string
  }): string
  redeemCode(
    request: UserTokenRequest & { code: string; redirectUri: string; verifier: string; scope: string },
  ): Promise<UserToken>
  startDeviceCode(request: {
    entraTenantId: string
    clientId: string
    scope: string
    signal?: AbortSignal | undefined
  }): Promise<DeviceCode>
  /** Waits until the user has signed in (RFC 8628). Throws `consent_declined`, `device_code_expired`. */
  awaitDeviceCode(request: UserTokenRequest & { device: DeviceCode }): Promise<UserToken>
  /** A token of the user for `scope` in any tenant that lets them in. */
  refresh(request: UserTokenRequest & { refreshToken: string; scope: string }): Promise<UserToken>
}

const tokenSchema = z.object({
  access_token: z.string().min(1),
  expires_in: z.coerce.number().positive(),
  refresh_token: z.string().min(1).optional(),
  id_token: z.string().min(1).optional(),
})

const deviceSchema = z.object({
  device_code: z.string().min(1),
  user_code: z.string().min(1).max(50),
  verification_uri: z.url().optional(),
  verification_url: z.url().optional(),
  expires_in: z.coerce.number().nonnegative(),
  interval: z.coerce.number().positive().default(5),
})

/** RFC 8628: `slow_down` adds this to the interval, for good. */
const slowDownMs = 5000

/** 256 random bits, a code verifier as RFC 7636 wants it. */
export function newVerifier(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * Plain OAuth over `loginFetch`, not MSAL, for three reasons: MSAL keeps refresh tokens in a cache of its own and hands
 * them out only by writing that cache out whole; its device code flow is for public clients, which the app need not
 * allow (Entra takes the code of a confidential one, with its credential); and it caches per user what is to be asked
 * anew for each customer. The origin guard, the refused redirects and the errors are those of app-only tokens.
 */
export function createUserTokens(loginUrl: string, given: Partial<GraphTimings> = {}): UserTokens {
  const timings = { ...defaultTimings, ...given }
  const at = (entraTenantId: string, path: string): string =>
    `${loginUrl}/${encodeURIComponent(entraTenantId)}/oauth2/v2.0/${path}`

  function post(url: string, form: Record<string, string>, signal?: AbortSignal): Promise<LoginAnswer> {
    return loginFetch(
      loginUrl,
      url,
      timings.tokenMs,
      {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'application/json' },
        body: new URLSearchParams(form).toString(),
      },
      signal,
    )
  }

  function errorOf(entraTenantId: string, answer: LoginAnswer, correlationId: string): EntraSyncError {
    const wait =
      retryAfterMs(answer.retryAfter, timings.maxRetryAfterMs) ?? (answer.status === 429 ? 60_000 : null)
    const status = answer.status < 300 ? 502 : answer.status
    return tokenError(
      { status, body: answer.body, tenant: entraTenantId, correlationId },
      wait === null ? undefined : inMs(wait),
    )
  }

  async function askOnce(
    { entraTenantId, clientId, signal }: UserTokenRequest,
    credential: AppCredential,
    form: Record<string, string>,
  ): Promise<UserToken> {
    const url = at(entraTenantId, 'token')
    const correlationId = randomUUID()
    const askedAt = steadyNow()
    const fields = { ...form, client_id: clientId, 'client-request-id': correlationId }
    const answer = await post(url, { ...fields, ...clientProof(credential, url) }, signal)
    const parsed = tokenSchema.safeParse(answer.body)
    if (answer.status !== 200 || !parsed.success) throw errorOf(entraTenantId, answer, correlationId)
    const { access_token, expires_in, refresh_token, id_token } = parsed.data
    return {
      accessToken: access_token,
      expiresAt: askedAt + expires_in * 1000,
      refreshToken: refresh_token ?? null,
      identity: id_token === undefined ? null : readUserClaims(id_token),
    }
  }

  async function ask(request: UserTokenRequest, form: Record<string, string>): Promise<UserToken> {
    let refusal: EntraSyncError | undefined
    for (const credential of request.credentials) {
      try {
        return await askOnce(request, credential, form)
      } catch (error) {
        if (!isCredentialError(error)) throw error
        refusal ??= error
      }
    }
    throw refusal ?? noCredential(request)
  }

  return {
    authorizeUrl({ entraTenantId, clientId, redirectUri, scope, state, nonce, verifier }) {
      const query = new URLSearchParams({
        client_id: clientId,
        response_type: 'code',
        response_mode: 'query',
        redirect_uri: redirectUri,
        scope,
        state,
        nonce,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        prompt: 'select_account',
      })
      return `${at(entraTenantId, 'authorize')}?${query.toString()}`
    },
    redeemCode: ({ code, redirectUri, verifier, scope, ...request }) =>
      ask(request, {
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        code_verifier: verifier,
        scope,
      }),
    async startDeviceCode({ entraTenantId, clientId, scope, signal }) {
      const askedAt = steadyNow()
      const answer = await post(at(entraTenantId, 'devicecode'), { client_id: clientId, scope }, signal)
      const parsed = deviceSchema.safeParse(answer.body)
      const verificationUri = parsed.data?.verification_uri ?? parsed.data?.verification_url
      if (answer.status !== 200 || !parsed.success || verificationUri === undefined)
        throw errorOf(entraTenantId, answer, '')
      return {
        deviceCode: parsed.data.device_code,
        userCode: parsed.data.user_code,
        verificationUri,
        expiresAt: askedAt + parsed.data.expires_in * 1000,
        intervalMs: parsed.data.interval * 1000,
      }
    },
    async awaitDeviceCode({ device, ...request }) {
      let { intervalMs } = device
      for (;;) {
        await sleep(intervalMs, request.signal)
        try {
          return await ask(request, {
            grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
            device_code: device.deviceCode,
          })
        } catch (error) {
          if (!isEntraSyncError(error)) throw error
          if (error.code === 'device_code_slow_down') intervalMs += slowDownMs
          else if (error.code !== 'device_code_pending' && error.kind !== 'transient') throw error
          if (steadyNow() > device.expiresAt) throw expired(request.entraTenantId)
        }
      }
    },
    refresh: ({ refreshToken, scope, ...request }) =>
      ask(request, { grant_type: 'refresh_token', refresh_token: refreshToken, scope }),
  }
}

function expired(tenant: string): EntraSyncError {
  return tokenError({ status: 400, body: { error: 'expired_token' }, tenant, correlationId: '' })
}

function noCredential({ clientId, entraTenantId }: UserTokenRequest): EntraSyncError {
  return new EntraSyncError('access_lost', `The app ${clientId} has no credential.`, {
    code: 'app_credential_missing',
    remedy: 'Add one: entra-sync permission-level ID custom --client-secret-file FILE.',
    tenant: entraTenantId,
  })
}

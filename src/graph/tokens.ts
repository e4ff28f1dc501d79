import { ConfidentialClientApplication } from '@azure/msal-node'
import { createHash, randomUUID, X509Certificate } from 'node:crypto'
import { inMs, steadyNow } from '../clock.ts'
import { EntraSyncError } from '../errors.ts'
import { sleep, unlessAborted } from './abort.ts'
import type { Circuit } from './circuit.ts'
import { decodeClaims } from './claims.ts'
import { whileThere } from './login-circuit.ts'
import { createLoginTransport } from './login-transport.ts'
import { lruMap } from './lru-map.ts'
import { retryAfterMs } from './retry-after.ts'
import type { GraphTimings } from './timings.ts'
import {
  aadstsCodes,
  isCredentialError,
  otherTenant,
  tokenError,
  unusableCredential,
} from './token-errors.ts'

/** Credentials in the order in which they are tried; several while one replaces the other. */
export type AppCredentials = AppCredential | readonly AppCredential[]

/** An app registration's client id with the secret or certificate that proves us to be that app. */
export type AppCredential = { clientId: string } & (
  { secret: string } | { certificate: { privateKeyPem: string; certificatePem: string } }
)

export interface Token {
  value: string
  /** Milliseconds since 1970, by the steady clock. */
  obtainedAt: number
  renewAt: number
  expiresAt: number
}

export interface Tokens {
  /** A valid token for the tenant. Throws access_lost, throttled or transient as the login service says. */
  get(entraTenantId: string, signal?: AbortSignal): Promise<Token>
  /** Drops `token` if it is still the one in use; another caller may have renewed it meanwhile. */
  drop(entraTenantId: string, token: Token): void
  forget(entraTenantId: string): void
  clear(): void
}

// Microsoft's nodes answer 700027 for a short while after a certificate was registered.
const certificateNotYetKnown = 700027
const certificateAttempts = 3

/**
 * App-only tokens of Graph, one an Entra tenant. MSAL is asked once however many callers wait (alone it would send
 * one request per caller), and its own cache, which has no bound and no way to drop one token, is emptied after each.
 * `appFor` is asked for each token request, so that a changed credential is used after `forget`. Of several credentials
 * each is tried once, and only when the one before was refused; when all are, the first one's refusal is the error.
 */
export function createTokens(context: {
  loginUrl: string
  graphUrl: string
  appFor(entraTenantId: string): Promise<AppCredentials>
  timings: GraphTimings
  maxTokens: number
  circuit: Circuit
}): Tokens {
  const { loginUrl, graphUrl, timings, circuit } = context
  const tokens = lruMap<string, Token>(context.maxTokens)
  const requests = new Map<string, Promise<Token>>()
  const apps = lruMap<string, ConfidentialClientApplication>(256)
  const transport = createLoginTransport(loginUrl, timings.tokenMs)

  function request(entraTenantId: string): Promise<Token> {
    const running = requests.get(entraTenantId)
    if (running) return running
    const started: Promise<Token> = whileThere(circuit, entraTenantId, () => acquire(entraTenantId)).then(
      (token) => {
        // Forgotten meanwhile: whoever waits may use it, later callers ask again.
        if (requests.get(entraTenantId) === started) tokens.set(entraTenantId, token)
        return token
      },
    )
    requests.set(entraTenantId, started)
    const settle = () => {
      if (requests.get(entraTenantId) === started) requests.delete(entraTenantId)
    }
    started.then(settle, settle)
    return started
  }

  async function acquire(entraTenantId: string): Promise<Token> {
    const credentials = [await context.appFor(entraTenantId)].flat()
    const refusals: EntraSyncError[] = []
    for (const [index, credential] of credentials.entries()) {
      try {
        return await acquireWith(entraTenantId, credential, index < credentials.length - 1)
      } catch (error) {
        if (!isCredentialError(error)) throw error
        refusals.push(error)
      }
    }
    throw refusals[0] ?? unusableCredential(entraTenantId, randomUUID(), undefined)
  }

  async function acquireWith(
    entraTenantId: string,
    credential: AppCredential,
    isAnotherThere: boolean,
  ): Promise<Token> {
    for (let attempt = 1; ; attempt++) {
      const result = await ask(entraTenantId, credential)
      if ('token' in result) return result.token
      if (!result.retry || isAnotherThere || attempt >= certificateAttempts) throw result.error
      await sleep(timings.certificateRetryMs, undefined)
    }
  }

  async function ask(
    entraTenantId: string,
    credential: AppCredential,
  ): Promise<{ token: Token } | { error: EntraSyncError; retry: boolean }> {
    const correlationId = randomUUID()
    const askedAt = steadyNow()
    const askedByTheClock = Date.now()
    let app: ConfidentialClientApplication | undefined
    try {
      app = appOf(credential)
      const result = await app.acquireTokenByClientCredential({
        authority: `${loginUrl}/${entraTenantId}`,
        scopes: [`${graphUrl}/.default`],
        skipCache: true,
        correlationId,
        azureRegion: 'DisableMsalForceRegion',
      })
      // MSAL counts a token's life by the machine's clock, from when it asks: it may have been set since.
      const lifeMs = (result?.expiresOn?.getTime() ?? 0) - askedByTheClock
      if (!result?.accessToken || lifeMs <= 0) throw new Error('The answer holds no token that is valid now.')
      const expiresAt = askedAt + lifeMs
      const lead = Math.min(timings.renewBeforeMs, (expiresAt - askedAt) / 2)
      transport.outcome(correlationId)
      const tid = decodeClaims(result.accessToken)?.tid
      if (tid !== undefined && tid.toLowerCase() !== entraTenantId.toLowerCase())
        return { error: otherTenant(entraTenantId, tid, correlationId), retry: false }
      return {
        token: { value: result.accessToken, obtainedAt: askedAt, renewAt: expiresAt - lead, expiresAt },
      }
    } catch (cause) {
      const outcome = transport.outcome(correlationId)
      if (outcome instanceof EntraSyncError) return { error: outcome, retry: false }
      if (!outcome) return { error: unusableCredential(entraTenantId, correlationId, cause), retry: false }
      const { status, body } = outcome
      const wait =
        retryAfterMs(outcome.retryAfter, timings.maxRetryAfterMs) ?? (status === 429 ? 60_000 : null)
      const retryAt = wait === null ? undefined : inMs(wait)
      const error = tokenError(
        {
          status: status < 300 ? 502 : status,
          body,
          tenant: entraTenantId,
          correlationId,
          clientId: credential.clientId,
        },
        retryAt,
      )
      return { error, retry: aadstsCodes(body).includes(certificateNotYetKnown) }
    } finally {
      // Also drops MSAL's own memory of a 429 or 5xx, in which it would refuse this tenant for a minute.
      app?.clearCache()
    }
  }

  function appOf(credential: AppCredential): ConfidentialClientApplication {
    const key = createHash('sha256').update(JSON.stringify(credential)).digest('base64')
    const known = apps.get(key)
    if (known) return known
    const app = createApp(credential, loginUrl, transport)
    apps.set(key, app)
    return app
  }

  return {
    async get(entraTenantId, signal) {
      const token = tokens.get(entraTenantId)
      const now = steadyNow()
      if (token && now < token.renewAt) return token
      const renewal = request(entraTenantId)
      // Early renewal goes on beside the work; only a token about to end is waited for.
      if (token && now < token.expiresAt - (token.expiresAt - token.renewAt) / 5) {
        renewal.catch(() => undefined)
        return token
      }
      return unlessAborted(renewal, signal)
    },
    drop(entraTenantId, token) {
      if (tokens.get(entraTenantId) === token) tokens.delete(entraTenantId)
    },
    forget(entraTenantId) {
      tokens.delete(entraTenantId)
      requests.delete(entraTenantId)
    },
    clear() {
      tokens.clear()
      requests.clear()
      apps.clear()
    },
  }
}

/**
 * MSAL with every address given: without it, it would ask login.microsoftonline.com whether our host is one of
 * Microsoft's, and spend a second request on OIDC metadata for each tenant.
 */
function createApp(
  credential: AppCredential,
  loginUrl: string,
  networkClient: ReturnType<typeof createLoginTransport>,
): ConfidentialClientApplication {
  return new ConfidentialClientApplication({
    auth: {
      clientId: credential.clientId,
      authority: `${loginUrl}/organizations`,
      knownAuthorities: [new URL(loginUrl).host],
      authorityMetadata: JSON.stringify({
        authorization_endpoint: `${loginUrl}/{tenantid}/oauth2/v2.0/authorize`,
        token_endpoint: `${loginUrl}/{tenantid}/oauth2/v2.0/token`,
        issuer: `${loginUrl}/{tenantid}/v2.0`,
        jwks_uri: `${loginUrl}/{tenantid}/discovery/v2.0/keys`,
      }),
      ...('secret' in credential
        ? { clientSecret: credential.secret }
        : {
            clientCertificate: {
              privateKey: credential.certificate.privateKeyPem,
              thumbprintSha256: new X509Certificate(
                credential.certificate.certificatePem,
              ).fingerprint256.replaceAll(':', ''),
            },
          }),
    },
    system: { networkClient, disableInternalRetries: true },
  })
}

import { createHash } from 'node:crypto'
import { loginError, loginRefusal } from './login-errors.ts'
import type { LoginErrorResponse } from './login-errors.ts'
import { checkCredential, findTenant } from './login-context.ts'
import type { LoginContext } from './login-context.ts'
import { findRegistration, mayServe } from './registrations.ts'
import type { AppRegistration } from './registrations.ts'
import { readScopes } from './resources.ts'
import { findPerson, opaque, rolesThroughGdap } from './sign-ins.ts'
import type { SignedIn } from './sign-ins.ts'
import type { SimResponse, TenantHandle } from './types.ts'

type Grant = (tenantName: string, form: URLSearchParams, context: LoginContext) => SimResponse

/** The token endpoint's grants that a user stands behind, by `grant_type`. */
export const userGrants: Partial<Record<string, Grant>> = {
  authorization_code: redeemCode,
  refresh_token: refresh,
  // MSAL says it by the draft's name.
  device_code: pollDeviceCode,
  'urn:ietf:params:oauth:grant-type:device_code': pollDeviceCode,
}

const inactivityMs = 90 * 86_400_000

function redeemCode(name: string, form: URLSearchParams, context: LoginContext): SimResponse {
  const ready = prepare(name, form, context, ['code', 'redirect_uri'])
  if ('status' in ready) return ready
  const wrong = prove(form, ready, context)
  if (wrong !== null) return wrong
  const code = context.signIns.codes.get(form.get('code') ?? '')
  if (code?.clientId !== ready.registration.clientId) return loginRefusal(70000, {})
  if (code.used) return loginError(54005, 'OAuth2 Authorization code was already redeemed.')
  if (code.expiresAt <= Date.now()) return loginError(70008, 'The provided authorization code has expired.')
  if (code.redirectUri !== form.get('redirect_uri')) {
    return loginError(
      500112,
      'The reply address does not match the reply address provided when requesting the code.',
    )
  }
  const verifier = form.get('code_verifier') ?? ''
  if (
    code.challenge !== null &&
    createHash('sha256').update(verifier).digest('base64url') !== code.challenge
  ) {
    return loginError(
      501481,
      'The Code_Verifier does not match the code_challenge supplied in the authorization request.',
    )
  }
  code.used = true
  return issue(ready, code, form.get('scope') ?? code.scope, code.nonce, context, code.scope)
}

function refresh(name: string, form: URLSearchParams, context: LoginContext): SimResponse {
  const ready = prepare(name, form, context, ['refresh_token'])
  if ('status' in ready) return ready
  const wrong = prove(form, ready, context, 'or public')
  if (wrong !== null) return wrong
  const { signIns } = context
  const token = signIns.refreshTokens.get(form.get('refresh_token') ?? '')
  if (token?.clientId !== ready.registration.clientId) return loginRefusal(70000, {})
  const refused = signIns.refused.get(token.userId)
  if (refused !== undefined) return loginRefusal(refused, {})
  if (Date.now() - token.lastUsedAt > inactivityMs) return loginRefusal(700082, {})
  const scope = form.get('scope') ?? 'https://graph.microsoft.com/.default'
  const answer = issue(ready, token, `${scope} offline_access`, null, context)
  // An answer rotates the token; the one before stays good until it has been left alone for its 90 days.
  if (answer.status === 200) token.lastUsedAt = Date.now()
  return answer
}

function pollDeviceCode(name: string, form: URLSearchParams, context: LoginContext): SimResponse {
  const ready = prepare(name, form, context, ['device_code'])
  if ('status' in ready) return ready
  const wrong = prove(form, ready, context, 'or public')
  if (wrong !== null) return wrong
  const device = context.signIns.deviceCodes.get(form.get('device_code') ?? '')
  if (device?.clientId !== ready.registration.clientId || device.state === 'used')
    return loginError(70018, 'Bad verification code.')
  if (device.state === 'declined') return loginRefusal(65004, {})
  if (device.expiresAt <= Date.now()) return loginRefusal(70020, {})
  const now = Date.now()
  const early =
    device.polledAt !== null &&
    now - device.polledAt < (context.signIns.settings.deviceIntervalSeconds - 0.5) * 1000
  device.polledAt = now
  if (device.state === 'pending') {
    const pending = loginRefusal(70016, {})
    return early ? { ...pending, body: { ...pending.body, error: 'slow_down' } } : pending
  }
  const answer = issue(ready, device.state, device.scope, null, context)
  if (answer.status === 200) device.state = 'used'
  return answer
}

interface Ready {
  registration: AppRegistration
  /** null: the home of whoever signed in. */
  tenant: TenantHandle | null
}

function prepare(
  name: string,
  form: URLSearchParams,
  context: LoginContext,
  wanted: string[],
): Ready | LoginErrorResponse {
  for (const each of ['client_id', ...wanted]) {
    if (!form.get(each))
      return loginError(900144, `The request body must contain the following parameter: '${each}'.`)
  }
  const shared = /^(common|organizations)$/i.test(name)
  const tenant = shared ? null : findTenant(name, context)
  if (tenant !== null && 'status' in tenant) return tenant
  const app = (form.get('client_id') ?? '').toLowerCase()
  const words = { app, tenant: tenant?.id ?? name, tenantName: tenant?.displayName ?? name }
  const registration = findRegistration(context.registrations, app)
  if (registration === null || (tenant !== null && !mayServe(registration, tenant.id))) {
    return loginRefusal(700016, words)
  }
  const refused = context.refusalFor(tenant ?? context.partners[0])
  return refused === null ? { registration, tenant } : loginRefusal(refused, words)
}

/** null where the app proved itself, or need not: public clients have nothing to prove it with. */
function prove(
  form: URLSearchParams,
  { registration, tenant }: Ready,
  { origin, partners }: LoginContext,
  how: 'by credential' | 'or public' = 'by credential',
): SimResponse | null {
  const bare = !form.has('client_secret') && !form.has('client_assertion')
  if (how === 'or public' && registration.allowPublicClient && bare) return null
  return checkCredential(form, tenant ?? partners[0], { registration, origin })
}

/** The tokens of a user in a tenant: their own, or a customer's whom GDAP lets them into and who knows the app. */
function issue(
  ready: Ready,
  who: SignedIn,
  scope: string,
  nonce: string | null,
  context: LoginContext,
  firstScope = scope,
): SimResponse {
  const { issuer, signIns, origin } = context
  const { clientId } = ready.registration
  const home = context.partners.find(({ id }) => id === who.tenantId) ?? context.partners[0]
  const tenant = ready.tenant ?? home
  const words = { app: clientId, tenant: tenant.id, tenantName: tenant.displayName }
  const user = findPerson(home, who.userId)
  if (user === null) return loginRefusal(50173, words)
  const roles = tenant.id === home.id ? [] : rolesThroughGdap(home, user.id, tenant)
  if (!Array.isArray(roles)) return loginRefusal(roles, words)
  const app = tenant.appOf(clientId)
  if (app.state === 'disabled') return loginRefusal(7000112, words)
  if (app.state === 'no-service-principal') {
    return loginRefusal(tenant.id === home.id ? 65001 : 90099, words)
  }
  const asked = readScopes(scope, origin)
  if (asked === null) return loginRefusal(28002, { scope })
  const consented = app.delegated.find(({ resourceAppId }) => resourceAppId === asked.appId)?.scopes ?? []
  const all = asked.scopes.includes('.default')
  if (consented.length === 0 || (!all && asked.scopes.some((each) => !consented.includes(each)))) {
    return loginRefusal(65001, words)
  }
  const userName = String(user.properties['userPrincipalName'])
  const { displayName } = user.properties
  const offline = asked.offline || (readScopes(firstScope, origin)?.offline ?? false)
  const refreshToken = opaque('1.refresh')
  if (offline) signIns.refreshTokens.set(refreshToken, { ...pick(who), lastUsedAt: Date.now() })
  const person = { userId: user.id, userName, tenantId: tenant.id, appId: clientId }
  return {
    status: 200,
    headers: {},
    body: {
      token_type: 'Bearer',
      scope: consented.map((each) => `${asked.audience}/${each}`).join(' '),
      expires_in: context.tokenLifetimeSeconds,
      ext_expires_in: context.tokenLifetimeSeconds,
      access_token: issuer.issueUser({
        ...person,
        audience: asked.audience,
        lifetimeSeconds: context.tokenLifetimeSeconds,
        homeTenantId: home.id,
        scopes: consented,
        mfa: signIns.settings.mfa,
        directoryRoles: roles,
      }),
      ...(offline && { refresh_token: refreshToken }),
      ...(asked.openid && {
        id_token: issuer.issueId({
          ...person,
          origin,
          displayName: typeof displayName === 'string' ? displayName : userName,
          nonce,
        }),
      }),
      client_info: Buffer.from(JSON.stringify({ uid: user.id, utid: home.id })).toString('base64url'),
    },
  }
}

function pick({ userId, tenantId, clientId }: SignedIn): SignedIn {
  return { userId, tenantId, clientId }
}

import { randomInt } from 'node:crypto'
import { signInForm } from './authorize.ts'
import { hidden, page } from './html.ts'
import { loginRefusal } from './login-errors.ts'
import { findTenant } from './login-context.ts'
import type { LoginContext } from './login-context.ts'
import { findRegistration } from './registrations.ts'
import { readScopes } from './resources.ts'
import { findTechnician, opaque } from './sign-ins.ts'
import type { SimRequest, SimResponse } from './types.ts'

/** Starts a device code flow. */
export function startDeviceCode(name: string, request: SimRequest, context: LoginContext): SimResponse {
  const { signIns, registrations, origin } = context
  const form = request.body === '' ? request.query : new URLSearchParams(request.body)
  const clientId = (form.get('client_id') ?? '').toLowerCase()
  const scope = form.get('scope') ?? ''
  if (findRegistration(registrations, clientId) === null)
    return loginRefusal(700016, { app: clientId, tenantName: name })
  if (scope === '' || readScopes(scope, origin) === null) return loginRefusal(70011, { scope })
  if (!/^(common|organizations)$/i.test(name)) {
    const tenant = findTenant(name, context)
    if ('status' in tenant) return tenant
  }
  const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
  const userCode = Array.from({ length: 9 }, () => letters[randomInt(letters.length)]).join('')
  const deviceCode = opaque('device')
  const { deviceLifetimeSeconds, deviceIntervalSeconds } = signIns.settings
  signIns.deviceCodes.set(deviceCode, {
    userCode,
    clientId,
    scope,
    expiresAt: Date.now() + deviceLifetimeSeconds * 1000,
    polledAt: null,
    state: 'pending',
  })
  const verification = `${origin}/common/oauth2/v2.0/deviceauth`
  return {
    status: 200,
    headers: {},
    body: {
      user_code: userCode,
      device_code: deviceCode,
      verification_uri: verification,
      expires_in: deviceLifetimeSeconds,
      interval: deviceIntervalSeconds,
      message: `To sign in, use a web browser to open the page ${verification} and enter the code ${userCode} to authenticate.`,
    },
  }
}

/** The page on which the code is entered (`otc`) and one of the partner's users is signed in for it. */
export function enterDeviceCode(request: SimRequest, context: LoginContext): SimResponse {
  const { signIns, partners } = context
  const { query } = request
  const title = 'Enter code'
  const entered = query.get('otc')
  if (entered === null) {
    return page(
      200,
      title,
      '<form method="get"><label>Code <input name="otc"></label> <button>Next</button></form>',
    )
  }
  const pending = [...signIns.deviceCodes.values()].find(
    ({ userCode, state, expiresAt }) =>
      userCode === entered.trim().toUpperCase() && state === 'pending' && expiresAt > Date.now(),
  )
  if (pending === undefined)
    return page(400, title, '<p>That code did not work. Check the code and try again.</p>')
  if (query.get('decision') === 'cancel') {
    pending.state = 'declined'
    return page(200, title, '<p>You declined. You may close this window.</p>')
  }
  const chosen = query.get('user')
  if (chosen === null) return page(200, title, signInForm(hidden('otc', entered), partners))
  const found = findTechnician(partners, chosen)
  if (found === null) return page(400, title, '<p>AADSTS50034: The user account does not exist.</p>')
  const { user, home } = found
  signIns.refused.delete(user.id)
  pending.state = { userId: user.id, tenantId: home.id, clientId: pending.clientId }
  return page(200, title, '<p>You have signed in. You may close this window.</p>')
}

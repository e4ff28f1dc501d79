import { escapeHtml, hidden, option, page } from './html.ts'
import { findTenant } from './login-context.ts'
import type { LoginContext } from './login-context.ts'
import { badRedirect } from './redirects.ts'
import { readScopes } from './resources.ts'
import { findPerson, groupsAbove, opaque } from './sign-ins.ts'
import { partnerGroups } from './tenants.ts'
import type { SimRequest, SimResponse } from './types.ts'

const title = 'Sign in'

/** The page that signs in one of the partner's users without a password, and sends a code back to the app. */
export function authorize(name: string, request: SimRequest, context: LoginContext): SimResponse {
  const { query } = request
  const { registration, partner, signIns } = context
  const refusal = (words: string): SimResponse => page(400, title, `<p>${words}</p>`)
  if (query.get('client_id')?.toLowerCase() !== registration.clientId) {
    return refusal('AADSTS700016: Application was not found in the directory.')
  }
  const back = query.get('redirect_uri') ?? ''
  const bad = badRedirect(back, registration.redirectUris)
  if (bad !== null) return refusal(bad)
  if (!/^(common|organizations)$/i.test(name)) {
    const tenant = findTenant(name, context)
    if ('status' in tenant) return refusal(escapeHtml(tenant.body.error_description))
  }
  const answer = (values: Record<string, string>): SimResponse => {
    const url = new URL(back)
    for (const [key, value] of Object.entries(values)) url.searchParams.set(key, value)
    const state = query.get('state')
    if (state !== null) url.searchParams.set('state', state)
    return { status: 302, headers: { location: url.href }, body: undefined }
  }
  const error = (error: string, error_description: string): SimResponse =>
    answer({ error, error_description })
  if (query.get('response_type') !== 'code') {
    return error('unsupported_response_type', 'AADSTS700054: Only response_type code is enabled here.')
  }
  const scope = query.get('scope') ?? ''
  if (scope === '' || readScopes(scope, context.origin) === null) {
    return error('invalid_scope', `AADSTS70011: The scope ${scope} is not valid.`)
  }
  const challenge = query.get('code_challenge')
  if (challenge !== null && query.get('code_challenge_method') !== 'S256') {
    return error('invalid_request', 'AADSTS501491: Invalid code challenge method; S256 is taken.')
  }
  if (query.get('decision') === 'cancel') {
    return answer({
      error: 'access_denied',
      error_subcode: 'cancel',
      error_description: 'AADSTS65004: User declined to consent to access the app.',
    })
  }
  const chosen = query.get('user')
  if (chosen === null) {
    const kept = [...query].map(([key, value]) => hidden(key, value)).join('')
    return page(200, title, signInForm(kept, context))
  }
  const user = findPerson(partner, chosen)
  if (user === null) {
    return refusal(`AADSTS50034: The user account ${escapeHtml(chosen)} does not exist in the directory.`)
  }
  const code = opaque('1.code')
  signIns.refused.delete(user.id)
  signIns.codes.set(code, {
    userId: user.id,
    tenantId: partner.id,
    clientId: registration.clientId,
    redirectUri: back,
    challenge,
    nonce: query.get('nonce'),
    scope,
    expiresAt: Date.now() + 600_000,
    used: false,
  })
  return answer({ code, session_state: opaque('session') })
}

/** A choice of the partner's people, those who may use Partner Center first. */
export function signInForm(kept: string, { partner }: LoginContext): string {
  const people = partner.directory.users.order
    .filter(({ id }) => findPerson(partner, id) !== null)
    .map((user) => ({ user, agent: groupsAbove(partner, user.id).has(partnerGroups.adminAgents) }))
    .sort((left, right) => Number(right.agent) - Number(left.agent))
    .slice(0, 200)
  const choices = people.map(({ user, agent }) =>
    option(user.id, `${String(user.properties['userPrincipalName'])}${agent ? ' (AdminAgents)' : ''}`),
  )
  return `<form method="get">${kept}<p><label>Account <select name="user">${choices.join('')}</select></label></p>
<button name="decision" value="accept">Sign in</button> <button name="decision" value="cancel">Cancel</button></form>`
}

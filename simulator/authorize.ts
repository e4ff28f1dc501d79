import { escapeHtml, hidden, option, page } from './html.ts'
import { findTenant } from './login-context.ts'
import type { LoginContext } from './login-context.ts'
import { badRedirect } from './redirects.ts'
import { findRegistration, mayServe } from './registrations.ts'
import { readScopes } from './resources.ts'
import { findPerson, findTechnician, groupsAbove, opaque } from './sign-ins.ts'
import type { SimRequest, SimResponse } from './types.ts'

const title = 'Sign in'

/** The page that signs in one of the partner's users without a password, and sends a code back to the app. */
export function authorize(name: string, request: SimRequest, context: LoginContext): SimResponse {
  const { query } = request
  const { signIns } = context
  const refusal = (words: string): SimResponse => page(400, title, `<p>${words}</p>`)
  const registration = findRegistration(context.registrations, query.get('client_id'))
  if (registration === null) {
    return refusal('AADSTS700016: Application was not found in the directory.')
  }
  const back = query.get('redirect_uri') ?? ''
  const bad = badRedirect(back, registration.redirectUris)
  if (bad !== null) return refusal(bad)
  let { partners } = context
  if (!/^(common|organizations)$/i.test(name)) {
    const tenant = findTenant(name, context)
    if ('status' in tenant) return refusal(escapeHtml(tenant.body.error_description))
    if (!mayServe(registration, tenant.id)) {
      return refusal('AADSTS700016: Application was not found in the directory.')
    }
    // Who signs in at a partner's own address belongs to that partner.
    if (tenant.partnerGroups !== null) partners = [tenant]
  } else if (registration.singleTenant) {
    return refusal('AADSTS50194: The application is not configured as a multi-tenant application.')
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
    return page(200, title, signInForm(kept, partners))
  }
  const found = findTechnician(partners, chosen)
  if (found === null) {
    return refusal(`AADSTS50034: The user account ${escapeHtml(chosen)} does not exist in the directory.`)
  }
  const code = opaque('1.code')
  const { user, home } = found
  signIns.refused.delete(user.id)
  signIns.codes.set(code, {
    userId: user.id,
    tenantId: home.id,
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

/** A choice of the partners' people, those who may use Partner Center first. */
export function signInForm(kept: string, partners: LoginContext['partners']): string {
  const people = partners
    .flatMap((home) =>
      home.directory.users.order
        .filter(({ id }) => findPerson(home, id) !== null)
        .map((user) => ({
          user,
          agent: groupsAbove(home, user.id).has(home.partnerGroups?.adminAgents ?? ''),
        })),
    )
    .sort((left, right) => Number(right.agent) - Number(left.agent))
    .slice(0, 200)
  const choices = people.map(({ user, agent }) =>
    option(user.id, `${String(user.properties['userPrincipalName'])}${agent ? ' (AdminAgents)' : ''}`),
  )
  return `<form method="get">${kept}<p><label>Account <select name="user">${choices.join('')}</select></label></p>
<button name="decision" value="accept">Sign in</button> <button name="decision" value="cancel">Cancel</button></form>`
}

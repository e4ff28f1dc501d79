import { escapeHtml, hidden, option, page } from './html.ts'
import { badRedirect } from './redirects.ts'
import { findRegistration, mayServe } from './registrations.ts'
import type { AppRegistration } from './registrations.ts'
import { readScopes } from './resources.ts'
import type { SignIns } from './sign-ins.ts'
import { grantRoles, grantScopes } from './tenant-apps.ts'
import type { SimRequest, SimResponse, TenantHandle } from './types.ts'

export interface ConsentContext {
  origin: string
  registrations: readonly AppRegistration[]
  signIns: SignIns
  tenants: readonly TenantHandle[]
  findTenant: (idOrDomain: string) => TenantHandle | null
}

/**
 * The page on which a tenant's admin accepts or declines what an app asks for, and what the two buttons do: the
 * service principal with its app roles, and the redirect back to the app. Whoever opens the page is that admin.
 * The v1 form has no scope and takes `common`; the v2 form wants a scope and refuses `common`.
 */
export function handleConsent(request: SimRequest, context: ConsentContext): SimResponse | null {
  const form = /^\/([^/]+)(\/v2\.0)?\/adminconsent$/.exec(request.path)
  if (form === null) return null
  const [, name = '', version] = form
  const { query } = request
  const { settings } = context.signIns
  const registration = findRegistration(context.registrations, query.get('client_id'))
  if (registration === null) return refusal(unknownApp)
  const back = query.get('redirect_uri') ?? ''
  const bad = badRedirect(back, registration.redirectUris)
  if (bad !== null && !settings.checksRedirectLate) return refusal(bad)
  const scope = query.get('scope') ?? ''
  if (version !== undefined && !scope.endsWith('/.default')) {
    return refusal("AADSTS900144: The request body must contain the following parameter: 'scope'.")
  }
  if (version !== undefined && name === 'common') {
    return refusal('AADSTS90130: The application is not supported over the /common endpoint.')
  }
  const anyTenant = name === 'organizations' || name === 'common'
  if (anyTenant && registration.singleTenant) return refusal(singleTenant)
  const chosen = anyTenant ? (query.get('tenant') ?? '') : name
  const tenant = context.findTenant(chosen)
  if (chosen !== '' && (tenant === null || tenant.app.state === 'tenant-gone')) {
    return refusal(`AADSTS90002: Tenant '${escapeHtml(chosen)}' not found.`)
  }
  if (tenant !== null && !mayServe(registration, tenant.id)) return refusal(unknownApp)
  if (!settings.mayConsent) {
    return refusal('AADSTS90094: An administrator must consent to the permissions; your account may not.')
  }
  const decision = query.get('decision')
  if (decision === null || tenant === null)
    return page(200, title, question(request, registration, tenant, context))

  const signer = context.findTenant(settings.answersAsTenant ?? tenant.id) ?? tenant
  const answer =
    decision === 'accept'
      ? accept(signer, version === undefined ? null : scope, registration, context)
      : version === undefined
        ? declinedV1
        : declined
  // What was accepted stays so, though nobody is sent back to hear of it.
  if (bad !== null) return refusal(bad)
  const url = new URL(back)
  for (const [key, value] of Object.entries(answer)) url.searchParams.set(key, value)
  const state = query.get('state')
  if (state !== null) url.searchParams.set('state', state)
  return { status: 302, headers: { location: url.href }, body: undefined }
}

const refusal = (words: string): SimResponse => page(400, title, `<p>${words}</p>`)

const unknownApp = 'AADSTS700016: Application was not found in the directory.'
const singleTenant =
  'AADSTS50194: The application is not configured as a multi-tenant application. Usage of the /common endpoint is not supported for such applications.'

const title = 'Permissions requested'

// `admin_consent=True` stands there on a refusal too: whoever reads it first is fooled.
const declined = {
  error: 'consent_required',
  error_description: 'AADSTS65004: User declined to consent to access the app.',
  admin_consent: 'True',
}
const declinedV1 = {
  error: 'permission_denied',
  error_description: 'The admin canceled the request',
  admin_consent: 'True',
}

function accept(
  tenant: TenantHandle,
  scope: string | null,
  { clientId, requiredRoles, requiredScopes }: AppRegistration,
  { origin, signIns: { settings } }: ConsentContext,
): Record<string, string> {
  const app = tenant.appOf(clientId)
  const { grantOnly } = settings
  const roles = requiredRoles.filter((role) => grantOnly === null || grantOnly.includes(role))
  grantRoles(app, roles, settings.rolesDelayMs)
  for (const each of requiredScopes) {
    const read = readScopes(each, origin)
    if (read !== null) grantScopes(app, read.appId, read.scopes)
  }
  return { admin_consent: 'True', tenant: tenant.id, ...(scope !== null && { scope }) }
}

function question(
  request: SimRequest,
  { displayName, requiredRoles, requiredScopes }: AppRegistration,
  tenant: TenantHandle | null,
  { tenants }: ConsentContext,
): string {
  const kept = [...request.query].map(([key, value]) => hidden(key, value)).join('')
  const choice =
    tenant === null
      ? `<p><label>Organisation <select name="tenant">${tenants.map(({ id, displayName }) => option(id, displayName)).join('')}</select></label></p>`
      : `<p>For <b>${escapeHtml(tenant.displayName)}</b> (${escapeHtml(tenant.defaultDomain)})</p>`
  return `<form method="get">${kept}${choice}<p>${escapeHtml(displayName)} would like to:</p>
<ul>${[...requiredRoles, ...requiredScopes].map((role) => `<li>${escapeHtml(role)}</li>`).join('')}</ul>
<button name="decision" value="accept">Accept</button> <button name="decision" value="cancel">Cancel</button></form>`
}

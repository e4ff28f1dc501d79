import { escapeHtml, hidden, option, page } from './html.ts'
import type { AppRegistration } from './login-context.ts'
import { badRedirect } from './redirects.ts'
import type { SignIns } from './sign-ins.ts'
import { graphAppId } from './tokens.ts'
import { grantRoles, grantScopes } from './tenants.ts'
import type { SimRequest, SimResponse, TenantHandle } from './types.ts'

export interface ConsentContext {
  registration: AppRegistration
  signIns: SignIns
  tenants: readonly TenantHandle[]
  findTenant: (idOrDomain: string) => TenantHandle | null
}

/**
 * The page on which a tenant's admin accepts or declines what the app asks for, and what the two buttons do: the
 * service principal with its app roles, and the redirect back to the app. Whoever opens the page is that admin.
 * The v1 form has no scope and takes `common`; the v2 form wants a scope and refuses `common`.
 */
export function handleConsent(request: SimRequest, context: ConsentContext): SimResponse | null {
  const form = /^\/([^/]+)(\/v2\.0)?\/adminconsent$/.exec(request.path)
  if (form === null) return null
  const [, name = '', version] = form
  const { query } = request
  const refusal = (words: string): SimResponse => page(400, title, `<p>${words}</p>`)
  const { registration } = context
  if (query.get('client_id')?.toLowerCase() !== registration.clientId) {
    return refusal('AADSTS700016: Application was not found in the directory.')
  }
  const back = query.get('redirect_uri') ?? ''
  const bad = badRedirect(back, registration.redirectUris)
  if (bad !== null) return refusal(bad)
  const scope = query.get('scope') ?? ''
  if (version !== undefined && !scope.endsWith('/.default')) {
    return refusal("AADSTS900144: The request body must contain the following parameter: 'scope'.")
  }
  if (version !== undefined && name === 'common') {
    return refusal('AADSTS90130: The application is not supported over the /common endpoint.')
  }
  const chosen = name === 'organizations' || name === 'common' ? (query.get('tenant') ?? '') : name
  const tenant = context.findTenant(chosen)
  if (chosen !== '' && (tenant === null || tenant.app.state === 'tenant-gone')) {
    return refusal(`AADSTS90002: Tenant '${escapeHtml(chosen)}' not found.`)
  }
  if (!context.signIns.settings.mayConsent) {
    return refusal('AADSTS90094: An administrator must consent to the permissions; your account may not.')
  }
  const decision = query.get('decision')
  if (decision === null || tenant === null) return page(200, title, question(request, context, tenant))

  const url = new URL(back)
  const answer =
    decision === 'accept'
      ? accept(tenant, version === undefined ? null : scope, context)
      : version === undefined
        ? declinedV1
        : declined
  for (const [key, value] of Object.entries(answer)) url.searchParams.set(key, value)
  const state = query.get('state')
  if (state !== null) url.searchParams.set('state', state)
  return { status: 302, headers: { location: url.href }, body: undefined }
}

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
  { registration, signIns }: ConsentContext,
): Record<string, string> {
  grantRoles(tenant.app, registration.requiredRoles, signIns.settings.rolesDelayMs)
  if (registration.requiredScopes.length > 0) grantScopes(tenant, graphAppId, registration.requiredScopes)
  return { admin_consent: 'True', tenant: tenant.id, ...(scope !== null && { scope }) }
}

function question(request: SimRequest, context: ConsentContext, tenant: TenantHandle | null): string {
  const kept = [...request.query].map(([key, value]) => hidden(key, value)).join('')
  const choice =
    tenant === null
      ? `<p><label>Organisation <select name="tenant">${context.tenants.map(({ id, displayName }) => option(id, displayName)).join('')}</select></label></p>`
      : `<p>For <b>${escapeHtml(tenant.displayName)}</b> (${escapeHtml(tenant.defaultDomain)})</p>`
  const asked = [...context.registration.requiredRoles, ...context.registration.requiredScopes]
  return `<form method="get">${kept}${choice}<p>ImmyBot would like to:</p>
<ul>${asked.map((role) => `<li>${escapeHtml(role)}</li>`).join('')}</ul>
<button name="decision" value="accept">Accept</button> <button name="decision" value="cancel">Cancel</button></form>`
}

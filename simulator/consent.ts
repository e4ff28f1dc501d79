import { customerRoles } from './tenants.ts'
import type { SimRequest, SimResponse, TenantHandle } from './types.ts'

export interface ConsentContext {
  clientId: string
  tenants: readonly TenantHandle[]
  findTenant: (idOrDomain: string) => TenantHandle | null
}

/**
 * The page on which a tenant's admin accepts or declines what the app asks for, and what the two buttons do: the
 * service principal with its app roles, and the redirect back to the app. Whoever opens the page is that admin.
 */
export function handleConsent(request: SimRequest, context: ConsentContext): SimResponse | null {
  const name = /^\/([^/]+)\/v2\.0\/adminconsent$/.exec(request.path)?.[1]
  if (name === undefined) return null
  const { query } = request
  if (query.get('client_id')?.toLowerCase() !== context.clientId) {
    return page(400, '<p>AADSTS700016: Application was not found in the directory.</p>')
  }
  const back = query.get('redirect_uri') ?? ''
  if (!URL.canParse(back) || !/^(https:|http:\/\/(localhost|127\.0\.0\.1)[:/])/.test(back)) {
    return page(
      400,
      '<p>AADSTS50011: The redirect URI does not match the redirect URIs of the application.</p>',
    )
  }
  const scope = query.get('scope') ?? ''
  if (!scope.endsWith('/.default')) {
    return page(400, "<p>AADSTS900144: The request body must contain the following parameter: 'scope'.</p>")
  }
  const chosen = name === 'organizations' ? (query.get('tenant') ?? '') : name
  const tenant = context.findTenant(chosen)
  if (chosen !== '' && tenant === null)
    return page(400, `<p>AADSTS90002: Tenant '${escape(chosen)}' not found.</p>`)
  const decision = query.get('decision')
  if (decision === null || tenant === null) return page(200, form(request, context, tenant))

  const url = new URL(back)
  const answer = decision === 'accept' ? accept(tenant, scope) : declined
  for (const [key, value] of Object.entries(answer)) url.searchParams.set(key, value)
  const state = query.get('state')
  if (state !== null) url.searchParams.set('state', state)
  return { status: 302, headers: { location: url.href }, body: undefined }
}

// `admin_consent=True` stands there on a refusal too: whoever reads it first is fooled.
const declined = {
  error: 'consent_required',
  error_description: 'AADSTS65004: User declined to consent to access the app.',
  admin_consent: 'True',
}

function accept(tenant: TenantHandle, scope: string): Record<string, string> {
  tenant.app.state = 'ready'
  tenant.app.roles = [...new Set([...tenant.app.roles, ...customerRoles])]
  return { admin_consent: 'True', tenant: tenant.id, scope }
}

function form(request: SimRequest, context: ConsentContext, tenant: TenantHandle | null): string {
  const kept = [...request.query].map(([key, value]) => hidden(key, value)).join('')
  const choice =
    tenant === null
      ? `<p><label>Organisation <select name="tenant">${context.tenants.map(option).join('')}</select></label></p>`
      : `<p>For <b>${escape(tenant.displayName)}</b> (${escape(tenant.defaultDomain)})</p>`
  return `<form method="get">${kept}${choice}<p>ImmyBot would like to:</p>
<ul>${customerRoles.map((role) => `<li>${escape(role)}</li>`).join('')}</ul>
<button name="decision" value="accept">Accept</button> <button name="decision" value="cancel">Cancel</button></form>`
}

function hidden(name: string, value: string): string {
  return `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`
}

function option(tenant: TenantHandle): string {
  return `<option value="${tenant.id}">${escape(tenant.displayName)}</option>`
}

function page(status: number, content: string): SimResponse {
  return {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: `<!DOCTYPE html><html lang="en"><head><title>Permissions requested</title></head><body><h1>Permissions requested</h1><p>This is the simulated Microsoft cloud.</p>${content}</body></html>`,
  }
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

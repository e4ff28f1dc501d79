import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { looksLikeKey, newKey } from '../../consent/grants/one-time.ts'
import { openRequest } from '../../consent/grants/requests.ts'
import { readTicket } from '../../consent/grants/tickets.ts'
import type { HttpEnv } from '../access.ts'
import { consentCookie, type ConsentContext } from './deps.ts'
import { pages, type Told } from './pages.ts'

const tenMinutes = 600

/**
 * `/consent/start?ticket=…`: begins an admin consent and goes to Microsoft. The link stays good, so that a scanner that
 * opens it first takes nothing away. Whatever is wrong with a ticket, the page says the same.
 */
export async function answerStart(
  context: Context<HttpEnv>,
  { db, graph, cloud, http, secure, log }: ConsentContext,
): Promise<Response | Told> {
  const [text = '', ...others] = context.req.queries('ticket') ?? []
  const ticket = others.length > 0 ? null : await readTicket(db, text)
  if (ticket === null || (await graph.wantedAppFor(ticket.entraTenantId)) !== ticket.clientId) {
    return pages.linkOver
  }
  const name = consentCookie(secure)
  const given = getCookie(context, name)
  // Kept where there is one: links of several organizations may be open in one browser.
  const browserKey = looksLikeKey(given) ? given : newKey()
  const state = await openRequest(db, ticket, browserKey)
  setCookie(context, name, browserKey, {
    path: '/',
    httpOnly: true,
    // Lax: Microsoft's answer comes from another site, as a link that is followed.
    sameSite: 'Lax',
    secure,
    maxAge: tenMinutes,
  })
  const { entraTenantId, clientId } = ticket
  log.info({ entraTenantId, clientId }, 'an admin goes to Microsoft for consent')
  const url = new URL(`${cloud.loginUrl}/${entraTenantId}/v2.0/adminconsent`)
  url.search = new URLSearchParams({
    client_id: clientId,
    scope: `${cloud.graphUrl}/.default`,
    redirect_uri: `${http.publicUrl}/consent-callback`,
    state,
  }).toString()
  return context.redirect(url.href, 302)
}

import type { Context, Hono } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { html } from 'hono/html'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { z } from 'zod'
import type { PreconsentContext } from '../../consent/preconsent/context.ts'
import { readPartnerApp } from '../../consent/preconsent/partner-app.ts'
import { beginSignIn, finishSignIn } from '../../consent/preconsent/sign-in.ts'
import { entryOfAadsts, fillRemedy, redirectUriOf } from '../../error-catalogue/catalogue.ts'
import { isEntraSyncError, type EntraSyncError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { HttpEnv } from '../access.ts'
import { formOf } from '../body.ts'
import { page, type Markup } from '../page.ts'

export interface PartnerSignInDeps {
  preconsent: PreconsentContext
  http: { publicUrl: string }
  log: Log
}

export const partnerSignInPath = '/partner-sign-in'

/** The cookie that binds a sign-in to the browser that began it. */
const cookieFor = (secure: boolean): string => (secure ? '__Host-entra-sync-partner' : 'entra-sync-partner')

const tenMinutes = 600
/** Shorter than what proxies allow an answer to take. */
const patienceMs = 25_000

const partnerSchema = z.object({ partner: z.guid().toLowerCase() })
const answerSchema = z.object({
  state: z.string().max(200),
  code: z.string().min(1).max(8000).optional(),
  error: z.string().max(200).optional(),
  error_description: z.string().max(4000).optional(),
})

/**
 * `/partner-sign-in?partner=ID`: an operator sends a partner user to Microsoft, in this browser. Only the form begins
 * it, which the guard takes from our own pages alone: a link can't.
 */
export function addPartnerSignIn(app: Hono<HttpEnv>, deps: PartnerSignInDeps, secure: boolean): void {
  app.get(partnerSignInPath, (context) =>
    answering(context, deps, async () => {
      if (context.get('signedIn').role !== 'operator') return told(context, 'bad', viewer, onlyOperators, 403)
      const asked = partnerSchema.safeParse({ partner: context.req.query('partner') })
      if (!asked.success) return told(context, 'bad', 'No such partner', noPartner, 400)
      const { name, partnerEntraTenantId } = await readPartnerApp(deps.preconsent, asked.data.partner)
      return told(
        context,
        'wait',
        'Sign in a partner user',
        html`<p>
            For pre-consent of the customers of <strong><bdi>${name}</bdi></strong
            >. Sign in at Microsoft as a user who is in AdminAgents, with a second factor; the sign-in is
            stored sealed.
          </p>
          <form method="post" action="${partnerSignInPath}">
            <input type="hidden" name="partner" value="${partnerEntraTenantId}" />
            <button type="submit">Sign in at Microsoft</button>
          </form>`,
      )
    }),
  )

  app.post(partnerSignInPath, (context) =>
    answering(context, deps, async () => {
      const { role, name } = context.get('signedIn')
      if (role !== 'operator') return told(context, 'bad', viewer, onlyOperators, 403)
      const asked = partnerSchema.safeParse(await formOf(context, { all: false }))
      if (!asked.success) return told(context, 'bad', 'No such partner', noPartner, 400)
      const { url, browserKey } = await beginSignIn(deps.preconsent, {
        partnerEntraTenantId: asked.data.partner,
        actor: name,
        redirectUri: redirectUriOf(deps.http.publicUrl),
      })
      setCookie(context, cookieFor(secure), browserKey, {
        path: '/',
        httpOnly: true,
        // Lax: Microsoft's answer comes from another site, as a link that is followed.
        sameSite: 'Lax',
        secure,
        maxAge: tenMinutes,
      })
      deps.log.info({ partnerEntraTenantId: asked.data.partner, signedIn: name }, 'a partner sign-in begins')
      // No redirect: browsers apply `form-action 'self'` to where a form's answer redirects.
      context.header('Refresh', `0; url=${url}`)
      return told(
        context,
        'wait',
        'On to Microsoft',
        html`<p><a href="${url}">Go on to Microsoft’s sign-in</a> if nothing happens by itself.</p>`,
      )
    }),
  )
}

/**
 * Answers `/consent-callback` where it is the end of a partner user's sign-in; null = the state is of none. The browser
 * holds no session of ours then (its cookie does not travel from another site): what binds the answer to the operator
 * is the cookie of the beginning.
 */
export async function answerPartnerSignIn(
  context: Context<HttpEnv>,
  deps: PartnerSignInDeps,
  secure: boolean,
): Promise<Response | null> {
  const answer = readAnswer(context.req.queries())
  if (answer === null) return null
  let mine = true
  const response = await answering(context, deps, async () => {
    const finished = await finishSignIn(
      deps.preconsent,
      {
        state: answer.state,
        code: answer.error === undefined ? (answer.code ?? null) : null,
        browserKey: getCookie(context, cookieFor(secure)),
        redirectUri: redirectUriOf(deps.http.publicUrl),
      },
      AbortSignal.timeout(patienceMs),
    )
    if (finished === null) {
      mine = false
      return context.body(null, 404)
    }
    deps.log.info({ outcome: finished.outcome }, 'a partner user came back from Microsoft')
    if (finished.outcome !== 'signed_in') return refusedPage(context, finished.outcome, answer)
    deleteCookie(context, cookieFor(secure), { path: '/', secure })
    const { userName, partnerName } = finished.user
    return told(
      context,
      'good',
      'Signed in',
      html`<p>
          <strong><bdi>${userName}</bdi></strong> has signed in for <bdi>${partnerName}</bdi>.
        </p>
        <p>
          <code>entra-sync preconsent --all --preflight</code> tells what is still missing.
          <a href="/">Back to the console</a>
        </p>`,
    )
  })
  return mine ? response : null
}

/** Each at most once; what Microsoft may add beside these is not looked at. */
function readAnswer(query: Record<string, string[]>): z.infer<typeof answerSchema> | null {
  const known = Object.keys(answerSchema.shape).filter((name) => query[name] !== undefined)
  if (known.some((name) => query[name]?.length !== 1)) return null
  return (
    answerSchema.safeParse(Object.fromEntries(known.map((name) => [name, query[name]?.[0]]))).data ?? null
  )
}

const again = html`<p>
  Begin again where you began, and follow it to its end in one browser, within ten minutes.
</p>`
const viewer = 'A viewer may not do this'
const onlyOperators = html`<p>Sign in with an operator token.</p>`
const noPartner = html`<p>Begin from the console, or with <code>entra-sync partner sign-in</code>.</p>`

const refusals = {
  expired: ['This took too long', 410],
  used: ['This answer was used already', 410],
  other_browser: ['This was begun in another browser', 400],
} as const

function refusedPage(
  context: Context<HttpEnv>,
  outcome: keyof typeof refusals | 'declined',
  answer: z.infer<typeof answerSchema>,
): Promise<Response> {
  if (outcome !== 'declined') {
    const [title, status] = refusals[outcome]
    return told(context, 'bad', title, again, status)
  }
  const number = /AADSTS(\d{4,8})\b/.exec(answer.error_description ?? '')?.[1]
  const entry = number === undefined ? undefined : entryOfAadsts(Number(number))
  // Microsoft's own text stands in the address for anybody to write, and is not shown.
  if (entry === undefined || entry.code === 'consent_declined')
    return told(context, 'wait', 'The sign-in was declined', again)
  return told(
    context,
    'bad',
    'Microsoft has refused the sign-in',
    html`<p>AADSTS${number}: ${entry.what}.</p>
      <p>${fillRemedy(entry, {})}</p>`,
  )
}

/** An error with a remedy becomes a page; others are the server's. */
async function answering(
  context: Context<HttpEnv>,
  { log }: PartnerSignInDeps,
  answer: () => Response | Promise<Response>,
): Promise<Response> {
  try {
    return await answer()
  } catch (error) {
    if (!isEntraSyncError(error)) throw error
    log.warn({ err: error }, 'a partner sign-in has failed')
    return told(context, 'bad', 'The sign-in has failed', explained(error), statusOf(error))
  }
}

function explained({ message, remedy, requestId }: EntraSyncError): Markup {
  return html`<p>${message}</p>
    <p>${remedy ?? 'See the log of the daemon.'}</p>
    ${requestId === undefined ? '' : html`<p class="hint">Microsoft’s request id: ${requestId}</p>`}`
}

function statusOf({ kind }: EntraSyncError): ContentfulStatusCode {
  if (kind === 'input' || kind === 'access_lost') return 400
  if (kind === 'wrong_tenant') return 403
  return kind === 'config' ? 500 : 503
}

async function told(
  context: Context<HttpEnv>,
  tone: 'good' | 'wait' | 'bad',
  title: string,
  content: Markup,
  status: ContentfulStatusCode = 200,
): Promise<Response> {
  const card = html`<h1 class="${tone}">${title}</h1>
    ${content}`
  return context.html(page(context.get('nonce'), title, card), status)
}

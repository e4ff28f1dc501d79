import type { Hono } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { html } from 'hono/html'
import { z } from 'zod'
import type { Log } from '../log.ts'
import { addressOf, cookieName, tooMany, type Access, type HttpEnv } from './access.ts'
import { formOf } from './body.ts'
import { page, type Markup } from './page.ts'
import { signedInByToken } from './sessions.ts'

const form = z.object({ token: z.string().trim().min(1).max(1000) })

/** The sign-in page of console and queue dashboard: an ops token becomes a session cookie. */
export function addSignIn(app: Hono<HttpEnv>, access: Access, log: Log): void {
  app.get('/sign-in', (context) => context.html(signInPage(context.get('nonce'), '')))

  app.post('/sign-in', async (context) => {
    const address = addressOf(context)
    const wait = access.failures.waitSeconds(address)
    if (wait > 0) return tooMany(context, wait)
    const parsed = form.safeParse(await formOf(context, { all: false }))
    const signedIn = parsed.success ? signedInByToken(access.tokens, parsed.data.token) : null
    if (signedIn === null) {
      access.failures.add(address)
      log.warn({ address }, 'sign-in refused')
      return context.html(signInPage(context.get('nonce'), 'No ops token is like this one.'), 401)
    }
    setCookie(context, cookieName(access.secure), access.sessions.open(signedIn), {
      path: '/',
      httpOnly: true,
      sameSite: 'Strict',
      secure: access.secure,
      maxAge: access.sessions.lifetimeMs / 1000,
    })
    log.info({ address, signedIn: signedIn.name }, 'signed in')
    return context.redirect('/', 303)
  })

  app.post('/sign-out', (context) => {
    access.sessions.close(getCookie(context, cookieName(access.secure)) ?? '')
    deleteCookie(context, cookieName(access.secure), { path: '/', secure: access.secure })
    return context.redirect('/sign-in', 303)
  })
}

function signInPage(nonce: string, problem: string): Markup {
  return page(
    nonce,
    'Sign in',
    html`
      <h1>entra-sync</h1>
      ${problem === '' ? '' : html`<p role="alert">${problem}</p>`}
      <form method="post" action="/sign-in">
        <label for="token">Ops token</label>
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
        <button type="submit">Sign in</button>
      </form>
      <p class="hint">OPS_TOKEN of the daemon, or the file ops-token in its data directory.</p>
    `,
  )
}

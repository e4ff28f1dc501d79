import type { Hono } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { html } from 'hono/html'
import { z } from 'zod'
import type { Log } from '../log.ts'
import { addressOf, cookieName, tooMany, type Access, type HttpEnv } from './access.ts'
import { signedInByToken } from './sessions.ts'

const form = z.object({ token: z.string().trim().min(1).max(1000) })

/** The sign-in page of console and queue dashboard: an ops token becomes a session cookie. */
export function addSignIn(app: Hono<HttpEnv>, access: Access, log: Log): void {
  app.get('/sign-in', (context) => context.html(page(context.get('nonce'), '')))

  app.post('/sign-in', async (context) => {
    const address = addressOf(context)
    const wait = access.failures.waitSeconds(address)
    if (wait > 0) return tooMany(context, wait)
    const parsed = form.safeParse(await context.req.parseBody())
    const signedIn = parsed.success ? signedInByToken(access.tokens, parsed.data.token) : null
    if (signedIn === null) {
      access.failures.add(address)
      log.warn({ address }, 'sign-in refused')
      return context.html(page(context.get('nonce'), 'No ops token is like this one.'), 401)
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

function page(nonce: string, problem: string) {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <link rel="icon" href="data:," />
        <title>Sign in – entra-sync</title>
        <style nonce="${nonce}">
          body {
            font:
              16px/1.5 system-ui,
              sans-serif;
            color: #1d2733;
            background: #eef2f6;
            margin: 0;
          }
          main {
            max-width: 22rem;
            margin: 15vh auto 0;
            padding: 2rem;
            background: #fff;
            border-radius: 8px;
          }
          h1 {
            font-size: 1.3rem;
            margin: 0 0 1rem;
          }
          label {
            display: block;
            font-weight: 600;
          }
          input {
            box-sizing: border-box;
            width: 100%;
            font: inherit;
            padding: 0.5rem;
            margin: 0.25rem 0 1rem;
          }
          input {
            border: 1px solid #7b8794;
            border-radius: 4px;
          }
          button {
            font: inherit;
            padding: 0.5rem 1.25rem;
            border: 0;
            border-radius: 4px;
          }
          button {
            background: #0b5cad;
            color: #fff;
            cursor: pointer;
          }
          [role='alert'] {
            color: #a4161a;
          }
          .hint {
            color: #52606d;
            font-size: 0.875rem;
          }
        </style>
      </head>
      <body>
        <main>
          <h1>entra-sync</h1>
          ${problem === '' ? '' : html`<p role="alert">${problem}</p>`}
          <form method="post" action="/sign-in">
            <label for="token">Ops token</label>
            <input
              id="token"
              name="token"
              type="password"
              autocomplete="current-password"
              required
              autofocus
            />
            <button type="submit">Sign in</button>
          </form>
          <p class="hint">OPS_TOKEN of the daemon, or the file ops-token in its data directory.</p>
        </main>
      </body>
    </html>`
}

import type { Context, Hono } from 'hono'
import { addressOf, tooMany, type HttpEnv } from '../access.ts'
import { createFailures } from '../failures.ts'
import { page } from '../page.ts'
import { answerCallback } from './callback.ts'
import type { ConsentContext, ConsentDeps } from './deps.ts'
import { pages, type Told } from './pages.ts'
import { answerStart } from './start.ts'

type Answer = (context: Context<HttpEnv>, deps: ConsentContext) => Promise<Response | Told>

/**
 * The way of a customer's admin to Microsoft's admin consent and back; nobody signs in to us here. Failed tries are
 * counted by address, and answered shortly when there are too many, but what carries a good key is never kept out by
 * them: behind a proxy all the world has one address.
 */
export function addConsent(app: Hono<HttpEnv>, deps: ConsentDeps, secure: boolean): void {
  const failures = createFailures()
  const log = deps.log.child({ part: 'consent' })

  function route(path: string, answer: Answer): void {
    app.get(path, async (context) => {
      // Mail scanners ask with HEAD what a link leads to. They begin and use up nothing.
      if (context.req.method === 'HEAD') return context.body(null, 204)
      let told: Response | Told
      try {
        told = await answer(context, { ...deps, log, secure })
      } catch (error) {
        log.error({ err: error, path }, 'an answer of consent failed')
        told = pages.trouble
      }
      if (told instanceof Response) return told
      if (told.failed === true) {
        const address = addressOf(context)
        const wait = failures.waitSeconds(address)
        if (wait > 0) return tooMany(context, wait)
        failures.add(address)
        log.warn({ address, path, told: told.title }, 'a consent link or an answer was refused')
      }
      return context.html(page(context.get('nonce'), told.title, told.content), told.status)
    })
  }

  route('/consent/start', answerStart)
  route('/consent-callback', answerCallback)
  route('/consent-callback/', answerCallback)
}

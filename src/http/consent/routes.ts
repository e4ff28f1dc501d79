import type { Context, Hono } from 'hono'
import type { Kysely } from 'kysely'
import type { Config } from '../../config.ts'
import type { Database } from '../../db/tables.ts'
import type { ConfiguredGraph } from '../../graph-of-config.ts'
import type { Queues } from '../../jobs/queues.ts'
import type { Log } from '../../log.ts'
import { addressOf, tooMany, type HttpEnv } from '../access.ts'
import { createFailures } from '../failures.ts'
import { page } from '../page.ts'
import { answerCallback } from './callback.ts'
import { pages, type Told } from './pages.ts'
import { answerStart } from './start.ts'

export interface ConsentDeps {
  db: Kysely<Database>
  /** The queues by name, to add jobs to. */
  jobs: Queues
  graph: ConfiguredGraph
  cloud: Pick<Config['cloud'], 'loginUrl' | 'graphUrl'>
  http: Config['http']
  log: Log
  /**
   * Takes what comes back to the same redirect URI from the sign-in of a partner user. null = the state is none of
   * those, and it is for consent.
   */
  answerPartnerSignIn?(context: Context<HttpEnv>): Promise<Response | null>
}

/** The cookie that binds an admin consent to the browser that began it. */
export const consentCookie = (secure: boolean): string =>
  secure ? '__Host-entra-sync-consent' : 'entra-sync-consent'

/** Cookies only travel over https with `secure`. */
export interface ConsentContext extends ConsentDeps {
  secure: boolean
}

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

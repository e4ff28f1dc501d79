import type { Context } from 'hono'
import type { Kysely } from 'kysely'
import type { Config } from '../../config.ts'
import type { Database } from '../../db/tables.ts'
import type { ConfiguredGraph } from '../../graph-of-config.ts'
import type { Queues } from '../../jobs/queues.ts'
import type { Log } from '../../log.ts'
import type { HttpEnv } from '../access.ts'

export interface ConsentDeps {
  db: Kysely<Database>
  /** The queues by name, to add jobs to. */
  jobs: Queues
  graph: ConfiguredGraph
  cloud: Pick<Config['cloud'], 'loginUrl' | 'graphUrl'>
  http: Config['http']
  log: Log
  /** How long an admin waits for the proof, in milliseconds; what takes longer goes on by itself. */
  patienceMs?: number
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

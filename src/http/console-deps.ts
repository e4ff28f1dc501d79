import type { Kysely } from 'kysely'
import type { Config } from '../config.ts'
import type { PreconsentContext } from '../consent/preconsent/context.ts'
import type { FeedBell } from '../db/feed-bell.ts'
import type { Database } from '../db/tables.ts'
import type { ConfiguredGraph } from '../graph-of-config.ts'
import type { GuardSettings } from '../guard.ts'
import type { Queues } from '../jobs/queues.ts'
import type { KeyRing } from '../key-ring.ts'
import type { Log } from '../log.ts'

/** What console and API need to read and to act. */
export interface ConsoleDeps {
  db: Kysely<Database>
  /** Rings when the change feed of targets grows. */
  feedBell: FeedBell
  /** The queues by name, to add jobs to. */
  jobs: Queues
  graph: ConfiguredGraph
  keyRing: KeyRing
  preconsent: PreconsentContext
  http: Config['http']
  defaultApp: Config['defaultApp']
  /** SYNC_INTERVAL in milliseconds. */
  syncIntervalMs: number
  /** SUSPENDED_LICENSE_GRACE in milliseconds. */
  licenseGraceMs: number
  /** When changes of targets are too large to be believed. */
  guard: GuardSettings
  log: Log
}

/** What an app registration must list as redirect URI (platform Web), exactly. */
export const redirectUriOf = ({ http }: Pick<ConsoleDeps, 'http'>): string =>
  `${http.publicUrl}/consent-callback`

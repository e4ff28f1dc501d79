import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { GuardSettings } from '../guard.ts'
import type { Log } from '../log.ts'

/** What a resolution needs. */
export interface TargetContext {
  db: Kysely<Database>
  guard: GuardSettings
  /** How long licences of a suspended SKU still count, in milliseconds. */
  licenseGraceMs: number
  log: Log
}

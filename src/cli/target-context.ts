import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { TargetContext } from '../targets/context.ts'
import type { CommandContext } from './context.ts'

/** What a resolution needs, of a command's configuration. */
export function targetContext({ config, log }: CommandContext, db: Kysely<Database>): TargetContext {
  return { db, log, guard: config.guard, licenseGraceMs: config.licenseGraceMs }
}

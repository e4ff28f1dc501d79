import { sql, type Transaction } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { TargetContext } from './context.ts'
import { dirtyFamilies, lockDeployments } from './families.ts'
import { resolveFamilies, type Resolution } from './resolve/resolution.ts'

/** A change of deployments, and who looks at what it does. */
export interface DeliberateChange {
  trigger: string
  /** Writes the deployments; their triggers say what is to be resolved. */
  write(trx: Transaction<Database>): Promise<void>
  /** Sees the changes in resolving_changes, and the targets as they were. */
  beforeApply?(trx: Transaction<Database>): Promise<void>
  /** Sees the changes, and the targets as they are now. */
  afterApply?(trx: Transaction<Database>): Promise<void>
  /** False = a preview: all of it is taken back. */
  keep: boolean
}

/**
 * Changes deployments and resolves what that touches, in one transaction that no other resolution overlaps. What was
 * dirty before is resolved first, under the guard, so that only the change itself is exempt from it. A preview is the
 * same, rolled back. Frozen families get the change when they thaw.
 */
export async function changeDeliberately(
  context: TargetContext,
  change: DeliberateChange,
): Promise<Resolution> {
  const trx = await context.db.startTransaction().execute()
  try {
    await lockDeployments(trx)
    // A deployment to everybody of a thousand tenants is a long statement, and nobody else waits for it but resolutions.
    await sql`set local statement_timeout = '30min'`.execute(trx)
    const before = await dirtyFamilies(trx)
    if (before.length > 0) await resolveFamilies(trx, context, before, { trigger: change.trigger })
    await change.write(trx)
    const resolution = await resolveFamilies(trx, context, await dirtyFamilies(trx), change)
    await change.afterApply?.(trx)
    await (change.keep ? trx.commit() : trx.rollback()).execute()
    return resolution
  } catch (error) {
    if (!trx.isCommitted && !trx.isRolledBack) await trx.rollback().execute()
    throw error
  }
}

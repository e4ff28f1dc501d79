import { sql, type Transaction } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { TargetContext } from './context.ts'
import { dirtyFamilies, lockDeployments, lockWithSyncs } from './families.ts'
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
  /**
   * The families that it can touch; all by default. Only these wait, and are resolved; no page of a sync of theirs comes
   * in between, so that nothing else passes with what is `decided`.
   */
  familyIds?: readonly string[]
  /** What follows is an operator's decision, whatever it is that was written; else only what deployments change is. */
  decided?: boolean
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
    await (change.familyIds === undefined ? lockDeployments(trx) : lockWithSyncs(trx, change.familyIds))
    // A deployment to everybody of a thousand tenants is a long statement, and nobody else waits for it but resolutions.
    await sql`set local statement_timeout = '30min'`.execute(trx)
    const dirty = async () => {
      const families = await dirtyFamilies(trx)
      return families.filter((id) => change.familyIds?.includes(id) ?? true)
    }
    const before = await dirty()
    if (before.length > 0) await resolveFamilies(trx, context, before, { trigger: change.trigger })
    await change.write(trx)
    const resolution = await resolveFamilies(trx, context, await dirty(), change)
    await change.afterApply?.(trx)
    await (change.keep ? trx.commit() : trx.rollback()).execute()
    return resolution
  } catch (error) {
    if (!trx.isCommitted && !trx.isRolledBack) await trx.rollback().execute()
    throw error
  }
}

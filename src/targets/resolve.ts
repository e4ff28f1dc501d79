import { databaseError } from '../db/errors.ts'
import { retryingConflicts } from '../db/retry-conflicts.ts'
import { EntraSyncError } from '../errors.ts'
import type { TargetContext } from './context.ts'
import { dirtyFamilies, lockFamilies } from './families.ts'
import type { Counts } from './resolve/difference.ts'
import { resolveFamilies } from './resolve/resolution.ts'

/** What became of all that was dirty. */
export interface Resolved extends Counts {
  families: number
  /** One family's fault keeps nobody else: these stay dirty. */
  failed: { familyId: string; error: EntraSyncError }[]
  runIds: string[]
}

/** Families of one transaction: many small ones cost one pass, and a fault costs no more than these. */
const batch = 100

/**
 * Resolves the targets of all dirty families, or of the dirty ones among those named. Each batch is one transaction; a
 * batch that fails is done again family by family. Frozen families wait.
 * @throws kind `aborted` when the signal says so, between batches
 */
export async function resolveTargets(
  context: TargetContext,
  wanted: { familyIds?: readonly string[]; trigger: string; signal?: AbortSignal },
): Promise<Resolved> {
  const dirty = await dirtyFamilies(context.db)
  const familyIds =
    wanted.familyIds === undefined ? dirty : dirty.filter((id) => wanted.familyIds?.includes(id))
  const all: Resolved = {
    families: 0,
    failed: [],
    runIds: [],
    assigned: 0,
    changed: 0,
    unassigned: 0,
    held: 0,
  }
  for (let start = 0; start < familyIds.length; start += batch) {
    await resolveBatch(context, wanted, familyIds.slice(start, start + batch), all)
  }
  return all
}

async function resolveBatch(
  context: TargetContext,
  { trigger, signal }: { trigger: string; signal?: AbortSignal },
  familyIds: readonly string[],
  all: Resolved,
): Promise<void> {
  signal?.throwIfAborted()
  try {
    const done = await retryingConflicts(() =>
      context.db.transaction().execute(async (trx) => {
        await lockFamilies(trx, familyIds)
        return resolveFamilies(trx, context, familyIds, { trigger })
      }),
    )
    all.families += familyIds.length
    all.runIds.push(done.runId)
    for (const key of ['assigned', 'changed', 'unassigned', 'held'] as const) all[key] += done[key]
  } catch (error) {
    const [familyId] = familyIds
    if (familyIds.length === 1 && familyId !== undefined) {
      all.failed.push({ familyId, error: databaseError(error) ?? unexpected(error, familyId) })
      context.log.error({ err: error, familyId }, 'the targets could not be resolved')
      return
    }
    context.log.warn({ err: error, families: familyIds.length }, 'a batch of families failed: one by one now')
    for (const id of familyIds) await resolveBatch(context, { trigger, ...(signal && { signal }) }, [id], all)
  }
}

function unexpected(error: unknown, familyId: string): EntraSyncError {
  return new EntraSyncError('database', `The targets of ${familyId} could not be resolved.`, {
    code: 'unexpected',
    cause: error,
    remedy: 'The log tells more; the targets stay as they are.',
  })
}

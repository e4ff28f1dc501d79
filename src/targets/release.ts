import type { TargetContext } from './context.ts'
import { resolveTargets } from './resolve.ts'
import { forgetGoneFamilies } from './waiting.ts'

/**
 * Takes away the targets of families whose persons are no more, and tells the feed. Answers how many, and how many
 * families could not be resolved: these stay dirty, and the daemon does it.
 */
export async function releaseTargets(
  context: TargetContext,
  familyIds: readonly string[],
): Promise<{ unassigned: number; failed: number }> {
  const { unassigned, failed } = await resolveTargets(context, { familyIds, trigger: 'purge' })
  await forgetGoneFamilies(context.db)
  return { unassigned, failed: failed.length }
}

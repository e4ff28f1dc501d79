import { randomUUID } from 'node:crypto'
import type { Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import type { TargetContext } from '../context.ts'
import { applyChanges, finish } from './apply.ts'
import { findDeployments } from './deployments.ts'
import { countChanges, findChanges, type Counts } from './difference.ts'
import { holdAcrossTenants } from './fleet-guard.ts'
import { findGroups } from './groups.ts'
import { holdChanges } from './guard.ts'
import { findLicenses } from './licenses.ts'
import { findExcluded, findReasons, findWanted } from './reached.ts'
import { takeDirt } from './scope.ts'
import { findSubjects } from './subjects.ts'
import { openTables } from './tables.ts'

export interface Resolution extends Counts {
  runId: string
}

/**
 * Resolves what is dirty of the given families, whose locks the transaction holds: what is wanted, the difference to
 * what is there, the guard, the rows, the feed. `decided`: an operator has decided on all that is dirty. `beforeApply` sees the changes (resolving_changes) and the old targets.
 */
export async function resolveFamilies(
  trx: Transaction<Database>,
  context: Pick<TargetContext, 'guard' | 'licenseGraceMs'>,
  familyIds: readonly string[],
  run: {
    trigger: string
    decided?: boolean
    beforeApply?: (trx: Transaction<Database>) => Promise<void>
  },
): Promise<Resolution> {
  const runId = randomUUID()
  await openTables(trx)
  await takeDirt(trx, familyIds, run.decided === true)
  await match(trx, context.licenseGraceMs)
  await findExcluded(trx)
  await findWanted(trx)
  await findChanges(trx)
  await holdChanges(trx, { guard: context.guard, runId })
  await holdAcrossTenants(trx, { guard: context.guard, runId })
  const counts = await countChanges(trx)
  await run.beforeApply?.(trx)
  await applyChanges(trx, runId)
  const changes = counts.assigned + counts.changed + counts.unassigned + counts.held
  await finish(trx, { runId, trigger: run.trigger, changes })
  return { runId, ...counts }
}

/** Fills in who is looked at, which deployments they have, and what leads from these to them. */
export async function match(trx: Transaction<Database>, licenseGraceMs: number): Promise<void> {
  await findSubjects(trx)
  await findDeployments(trx)
  await findGroups(trx)
  await findReasons(trx)
  await findLicenses(trx, licenseGraceMs)
}

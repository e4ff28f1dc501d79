import { audit } from '../../db/audit.ts'
import { EntraSyncError } from '../../errors.ts'
import type { TargetContext } from '../context.ts'
import { changeWithEffect, type ChangeOptions } from '../change-with-effect.ts'
import { noEffect, type Effect } from '../effect.ts'
import { resolveReferences } from '../files/resolve.ts'
import type { FileProblem, ParsedFile, ResolvedFile } from '../files/types.ts'
import { isEmptyPlan, planDeployments, readDeployments, type DeploymentPlan } from './plan.ts'
import { removeDeployments, writePlan } from './write.ts'

export interface Applied {
  /** All that is wrong or odd, in the order of their places. */
  problems: FileProblem[]
  /** Null = the file has errors: nothing of it is done. */
  done: { plan: DeploymentPlan; effect: Effect } | null
}

/**
 * Applies a deployment file, or (`keep` false) does all of it and takes it back: names are looked up, the plan is made
 * and the targets are resolved under the lock that keeps other changes of deployments out. A file that changes nothing
 * waits for nobody and writes nothing.
 */
export async function applyFile(
  context: TargetContext,
  parsed: ParsedFile,
  options: ChangeOptions & { prune: boolean },
): Promise<Applied> {
  const plan = async (file: ResolvedFile, db: TargetContext['db']): Promise<DeploymentPlan> =>
    planDeployments({ ...file, source: parsed.source }, await readDeployments(db), options)
  // Before the lock: most that is wrong is told without waiting for a resolution.
  const first = await resolveReferences(context.db, parsed)
  if (hasErrors(first)) return { problems: first.problems, done: null }
  const firstPlan = await plan(first, context.db)
  if (isEmptyPlan(firstPlan))
    return { problems: first.problems, done: { plan: firstPlan, effect: noEffect() } }

  const found: { file: ResolvedFile; plan: DeploymentPlan | null } = { file: first, plan: null }
  const effect = await changeWithEffect(context, options, 'deployments applied', async (trx) => {
    found.file = await resolveReferences(trx, parsed)
    if (hasErrors(found.file)) return false
    found.plan = await plan(found.file, trx)
    if (!isEmptyPlan(found.plan)) await writePlan(trx, found.plan, options.actor)
    return true
  })
  const { problems } = found.file
  return found.plan === null || effect === null
    ? { problems, done: null }
    : { problems, done: { plan: found.plan, effect } }
}

/**
 * Removes deployments by name, or only shows what that does.
 * @throws kind `input`, code `deployment_unknown`: nothing was removed
 */
export async function removeByName(
  context: TargetContext,
  names: readonly string[],
  options: ChangeOptions,
): Promise<Effect> {
  const effect = await changeWithEffect(context, options, 'deployments removed', async (trx) => {
    const found = new Set((await readDeployments(trx, names)).map(({ name }) => name))
    const missing = names.filter((name) => !found.has(name))
    if (missing.length > 0) {
      throw new EntraSyncError('input', `There is no deployment ${missing.join(', ')}.`, {
        code: 'deployment_unknown',
        remedy: '`entra-sync deployments list` shows their names. Nothing was removed.',
      })
    }
    await removeDeployments(trx, names)
    await audit(trx, { actor: options.actor, action: 'deployments_removed', detail: { names: [...found] } })
    return true
  })
  return effect ?? noEffect()
}

function hasErrors({ problems }: ResolvedFile): boolean {
  return problems.some(({ severity }) => severity === 'error')
}

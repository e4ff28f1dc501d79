import type { Kysely, Transaction } from 'kysely'
import { audit } from '../../db/audit.ts'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import type { TargetContext } from '../context.ts'
import { changeDeliberately } from '../deliberate.ts'
import { noteComputers, readEffect, type Effect } from '../effect.ts'
import type { ParsedFile, ResolvedFile } from '../files/types.ts'
import { planDeployments, readDeployments, type DeploymentPlan } from './plan.ts'
import { removeDeployments, writePlan } from './write.ts'

export interface Applied {
  plan: DeploymentPlan
  effect: Effect
  file: ResolvedFile
}

type Resolve = (db: Kysely<Database>, parsed: ParsedFile) => Promise<ResolvedFile>

/**
 * Applies a deployment file, or (`keep` false) does all of it and takes it back: names are looked up, the plan is made
 * and the targets are resolved under the lock that keeps other changes of deployments out.
 * @throws kind `input`, code `deployment_file_invalid` when names are wrong: nothing is written
 */
export async function applyFile(
  context: TargetContext,
  parsed: ParsedFile,
  options: { prune: boolean; keep: boolean; actor: string; resolveReferences: Resolve },
): Promise<Applied> {
  let made: { plan: DeploymentPlan; file: ResolvedFile } | undefined
  const effect = await changed(context, options.keep, 'deployments applied', async (trx) => {
    const file = await options.resolveReferences(trx, parsed)
    const errors = file.problems.filter(({ severity }) => severity === 'error')
    if (errors.length > 0) throw invalid(parsed.fileName, errors.length)
    const plan = planDeployments(
      { source: parsed.source, items: file.items, deployments: file.deployments },
      await readDeployments(trx),
      { prune: options.prune },
    )
    await writePlan(trx, plan, options.actor)
    made = { plan, file }
  })
  if (made === undefined) throw new TypeError('a change of deployments wrote nothing')
  return { ...made, effect }
}

/**
 * Removes deployments by name, or only shows what that does.
 * @throws kind `input`, code `deployment_unknown`
 */
export async function removeByName(
  context: TargetContext,
  names: readonly string[],
  options: { keep: boolean; actor: string },
): Promise<Effect> {
  return changed(context, options.keep, 'deployments removed', async (trx) => {
    const found = new Set((await readDeployments(trx, names)).map(({ name }) => name))
    const missing = names.filter((name) => !found.has(name))
    if (missing.length > 0) {
      throw new EntraSyncError('input', `There is no deployment ${missing.join(', ')}.`, {
        code: 'deployment_unknown',
        remedy: '`entra-sync deployments list` shows their names. Nothing was removed.',
      })
    }
    await removeDeployments(trx, names)
    await audit(trx, { actor: options.actor, action: 'deployments_removed', detail: { names } })
  })
}

async function changed(
  context: TargetContext,
  keep: boolean,
  trigger: string,
  write: (trx: Transaction<Database>) => Promise<void>,
): Promise<Effect> {
  let effect: Effect | undefined
  await changeDeliberately(context, {
    trigger,
    keep,
    write,
    beforeApply: noteComputers,
    afterApply: async (trx) => {
      effect = await readEffect(trx)
    },
  })
  if (effect === undefined) throw new TypeError('a change of deployments had no end')
  return effect
}

function invalid(fileName: string, errors: number): EntraSyncError {
  return new EntraSyncError('input', `${fileName} has ${errors} errors; nothing of it was applied.`, {
    code: 'deployment_file_invalid',
    remedy: 'Correct what is named above, and apply it again.',
  })
}

import { readAtMost } from '../bounded-file.ts'
import { EntraSyncError } from '../errors.ts'
import { applyFile, removeByName } from '../targets/deployments/apply.ts'
import { isEmptyPlan } from '../targets/deployments/plan.ts'
import { readDeploymentFile } from '../targets/files/read.ts'
import type { FileProblem } from '../targets/files/types.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { printEffect, printPlan } from './deployment-effect.ts'
import { targetContext } from './target-context.ts'
import { printable } from './text.ts'

/** A file of thousands of deployments has a megabyte; what is larger is something else. */
const largestFile = 5 * 1024 * 1024

interface ApplyOptions {
  prune: boolean
  all: boolean
}

/** Tenants of which --json has samples; with --all those of every one. */
const sampledTenants = 100

/**
 * `deployments preview FILE` and, with `confirmed`, `deployments apply FILE --yes`: prints what the file changes and
 * what that does, tenant by tenant. Exit code 2: the file is wrong, or it was only told for want of --yes.
 */
export function apply(
  context: CommandContext,
  file: string,
  options: ApplyOptions & { mode: 'preview' | 'ask' | 'apply' },
): Promise<number> {
  const { output } = context
  const keep = options.mode === 'apply'
  return withDatabase(context, async (db) => {
    const parsed = readDeploymentFile(readText(file), file)
    const { problems, done } = await applyFile(targetContext(context, db), parsed, {
      prune: options.prune,
      keep,
      actor: actorOfCommand(),
      sampledTenants: options.all ? Infinity : sampledTenants,
    })
    for (const problem of problems) output.notice(problemLine(problem))
    if (done === null) {
      output.document({ applied: false, problems, plan: null, effect: null })
      output.line(`${errorsText(problems)} Nothing was applied.`)
      return 2
    }
    output.document({ applied: keep, problems, ...done })
    printPlan(output, done.plan, keep)
    if (isEmptyPlan(done.plan)) return 0
    output.line('')
    printEffect(output, done.effect, { done: keep, all: options.all })
    if (keep || options.mode === 'preview') return 0
    output.line(`\nNothing was changed. Do it with --yes: ${printable(commandOf(file, options))}`)
    return 2
  })
}

/** `deployments remove NAME… [--yes]`: what would be taken away, then does it. */
export function remove(
  context: CommandContext,
  names: readonly string[],
  options: { confirmed: boolean; all: boolean },
): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const effect = await removeByName(targetContext(context, db), names, {
      keep: options.confirmed,
      actor: actorOfCommand(),
      sampledTenants: options.all ? Infinity : sampledTenants,
    })
    output.document({ removed: options.confirmed, names, effect })
    output.line(`${options.confirmed ? 'Removed' : 'Would remove'}: ${printable(names.join(', '))}`)
    printEffect(output, effect, { done: options.confirmed, all: options.all })
    if (options.confirmed) return 0
    output.line('\nNothing was changed. Do it with --yes.')
    return 2
  })
}

function readText(file: string): string {
  const read = readAtMost(file, largestFile)
  if ('wrong' in read) throw unreadable(file, read.wrong)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(read.bytes)
  } catch {
    throw unreadable(file, 'it is no UTF-8 text')
  }
}

function unreadable(file: string, why: string): EntraSyncError {
  return new EntraSyncError('input', `The deployment file ${file} can not be read: ${why}.`, {
    code: 'deployment_file_unreadable',
    remedy: 'Give a YAML or JSON file; docs/deployments.md shows how one looks.',
  })
}

function problemLine({ severity, message, place }: FileProblem): string {
  const path = place.path === '' ? '' : ` ${place.path}:`
  return printable(`${place.file}:${place.line}:${place.column}: ${severity}:${path} ${message}`)
}

function errorsText(problems: readonly FileProblem[]): string {
  const errors = problems.filter(({ severity }) => severity === 'error').length
  return errors === 1 ? '1 error.' : `${errors} errors.`
}

function commandOf(file: string, { prune }: ApplyOptions): string {
  return `entra-sync deployments apply ${file}${prune ? ' --prune' : ''} --yes`
}

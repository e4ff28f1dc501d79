import { InvalidArgumentError, Option, type Command } from 'commander'
import type { ChangesOptions } from '../cli/changes.ts'
import type { CommandContext } from '../cli/context.ts'
import { requireSome } from './require-some.ts'

type Perform = (json: boolean, action: (context: CommandContext) => Promise<number>) => Promise<void>

/** The commands about who gets what, and why. */
export function addTargetCommands(program: Command, perform: Perform, json: () => Option): void {
  addDeploymentCommands(program, perform, json)
  program
    .command('explain')
    .description(
      'Say why a person or computer gets a maintenance item, and why not: the winner, what it beat and by which rule, what is missing for the others.',
    )
    .argument('<subject>', 'UPN, mail or id of a person; name or id of a computer')
    .argument('[item]', 'name of a maintenance item; without it, all that reach the subject')
    .option('--tenant <tenant>', 'name, slug or id of the tenant, where several have such a one')
    .addOption(json())
    .action((subject: string, item: string | undefined, options: { tenant?: string; json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/explain.ts')).explain(context, subject, item, options),
      ),
    )
  program
    .command('resolve')
    .description(
      'Resolve the targets of tenants anew, whole, now; they are resolved by themselves after each sync.',
    )
    .argument('[tenant...]', 'names, slugs or ids of tenants')
    .option('--all', 'every tenant', false)
    .option('--wait', 'wait until it is done (exit code 3 when something was held)', false)
    .addOption(json())
    .action((given: string[], options: { all: boolean; wait: boolean; json: boolean }, command: Command) => {
      requireSome(command, given, options.all)
      const request = { tenants: options.all ? ('all' as const) : given, wait: options.wait }
      return perform(options.json, async (context) =>
        (await import('../cli/resolve.ts')).resolve(context, request),
      )
    })

  program
    .command('changes')
    .description(
      'Show what has changed of the deployment targets, in commit order: the last ones, those after a seq, or all that come. A reader that is told to do so takes a snapshot and goes on from its seq.',
    )
    .option('--after <seq>', 'changes after this one', parseNumber)
    .option('--follow', 'go on with what comes, until Ctrl-C; with --json one document a line', false)
    .option(
      '--limit <n>',
      'how many at most; with --follow, how many of the last ones first',
      parseNumber,
      50,
    )
    .option('--tenant <tenant>', 'of one tenant: name, slug or id')
    .addOption(
      new Option('--snapshot', 'all targets, and the seq at which they are true')
        .default(false)
        .conflicts(['after', 'follow']),
    )
    .addOption(json())
    .action((options: ChangesOptions & { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/changes.ts')).changes(context, options)),
    )
}

function addDeploymentCommands(program: Command, perform: Perform, json: () => Option): void {
  const deployments = program.command('deployments').description('Who is to get which maintenance item.')
  const files = async () => import('../cli/deployment-files.ts')
  const lists = async () => import('../cli/deployments.ts')
  const prune = 'also remove those that this file brought and no longer has'
  const all = 'show every tenant that changes'
  deployments
    .command('list', { isDefault: true })
    .description(
      'List the deployments: what each gives, to whom, for how many it wins, and what is odd about it.',
    )
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await lists()).list(context)),
    )
  deployments
    .command('show')
    .description('Show one deployment in full, and for how many it wins in each tenant.')
    .argument('<name>', 'its name')
    .addOption(json())
    .action((name: string, options: { json: boolean }) =>
      perform(options.json, async (context) => (await lists()).show(context, name)),
    )
  deployments
    .command('preview')
    .description(
      'Say how many persons and computers a file would give, change and take what, tenant by tenant. Changes nothing.',
    )
    .argument('<file>', 'YAML or JSON')
    .option('--prune', prune, false)
    .option('--all', all, false)
    .addOption(json())
    .action((file: string, options: { prune: boolean; all: boolean; json: boolean }) =>
      perform(options.json, async (context) =>
        (await files()).apply(context, file, { ...options, mode: 'preview' }),
      ),
    )
  deployments
    .command('apply')
    .description(
      'Bring the deployments of a file, known by their names. Shows the plan and its effect; does it with --yes. Removes nothing that the file lacks, except with --prune.',
    )
    .argument('<file>', 'YAML or JSON')
    .option('--prune', prune, false)
    .option('--all', all, false)
    .option('--yes', 'do it', false)
    .addOption(json())
    .action((file: string, options: { prune: boolean; all: boolean; yes: boolean; json: boolean }) =>
      perform(options.json, async (context) =>
        (await files()).apply(context, file, { ...options, mode: options.yes ? 'apply' : 'ask' }),
      ),
    )
  deployments
    .command('remove')
    .description('Remove deployments by name. Shows what is taken away; does it with --yes.')
    .argument('<names...>', 'their names')
    .option('--all', all, false)
    .option('--yes', 'do it', false)
    .addOption(json())
    .action((names: string[], options: { all: boolean; yes: boolean; json: boolean }) =>
      perform(options.json, async (context) =>
        (await files()).remove(context, names, { confirmed: options.yes, all: options.all }),
      ),
    )
}

function parseNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

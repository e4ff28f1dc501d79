import { Command, InvalidArgumentError, Option } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import type { CommandContext } from '../cli/context.ts'
import { addCustomerCommands } from './customers.ts'
import { requireSome } from './require-some.ts'
import { addProblemCommands } from './problems.ts'
import { addConsentCommands } from './consent.ts'
import { addOffboardCommand } from './offboard.ts'
import { addLinkCommands } from './links.ts'
import { addPreconsentCommands } from './preconsent.ts'
import { addSecretCommands } from './secrets.ts'

export type Action = (context: CommandContext) => Promise<number>

/** Runs one command's action, tells its failure and keeps its exit code. Daemons log at `info`, the rest from `warn` up. */
export type Perform = (json: boolean, action: Action, daemon?: boolean) => Promise<void>

const parts = ['scheduler', 'worker', 'http'] as const
type Part = (typeof parts)[number]

/** Builds the command line; `perform` runs one command's action. Commands are loaded when they are called for. */
export function commandLine(perform: Perform): Command {
  const program = new Command('entra-sync')
    .description('Keeps ImmyBot knowing who works where, in which group and Team, with which licence.')
    .version(packageJson.version)
    .configureHelp({ sortSubcommands: false })
    .showHelpAfterError('(entra-sync --help tells what there is)')
    .addHelpText('after', '\nConfiguration comes from environment variables: see README.md.')
  const ids = 'ids, domains, names or slugs of Entra tenants'
  const json = () => new Option('--json', 'print one JSON document on stdout').default(false)

  program
    .command('run')
    .description('Run the daemon until it is stopped: scheduler, worker and HTTP server, or some of them.')
    .option('--only <parts>', `some of ${parts.join(',')}, divided by commas`, parseParts)
    .action(({ only }: { only?: Part[] }) =>
      perform(false, async (context) => (await import('../cli/run.ts')).run(context, only), true),
    )
  program
    .command('demo')
    .description('Sync a simulated Microsoft cloud with everything embedded, and compare what came out.')
    .option('--once', 'leave after the first cycle', false)
    .addOption(new Option('--queue <kind>', 'queue backend').choices(['redis', 'postgres']))
    .action((options: { once: boolean; queue?: 'redis' | 'postgres' }) =>
      perform(false, async ({ signal }) => {
        const { runDemo } = await import('../cli/demo.ts')
        return runDemo({ once: options.once, queue: options.queue }, signal)
      }),
    )
  program
    .command('migrate')
    .description('Bring the database to the schema of this version.')
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/migrate.ts')).migrateCommand(context)),
    )
  program
    .command('doctor')
    .description('Check configuration, database, queue and sign-in to Microsoft, and say what to do.')
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/doctor.ts')).doctor(context)),
    )
  program
    .command('init')
    .description("Make the MSP's own tenant, linked to the Entra tenant that signed up.")
    .requiredOption('--entra-tenant <id-or-domain>', 'its Entra tenant: the id or any verified domain')
    .option('--name <name>', "the MSP's name; read from Graph unless given")
    .addOption(json())
    .action((options: { name?: string; entraTenant: string; json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/init.ts')).init(context, options)),
    )

  addCustomerCommands(program, perform, json)
  addLinkCommands(program, perform, json)
  addPreconsentCommands(program, perform, json)
  program
    .command('sync')
    .description('Ask for a sync now.')
    .argument('[id...]', ids)
    .option('--all', 'every scheduled Entra tenant', false)
    .option('--full', 'read everything anew instead of the changes', false)
    .option('--wait', 'wait until it is done (exit code 3 when something was held or partial)', false)
    .addOption(json())
    .action(
      (
        given: string[],
        options: { all: boolean; full: boolean; wait: boolean; json: boolean },
        command: Command,
      ) => {
        requireSome(command, given, options.all)
        const request = {
          tenants: options.all ? ('all' as const) : given,
          full: options.full,
          wait: options.wait,
        }
        return perform(options.json, async (context) =>
          (await import('../cli/sync.ts')).sync(context, request),
        )
      },
    )
  for (const [name, description] of [
    ['pause', 'Stop syncing an Entra tenant; what is there stays.'],
    ['resume', 'Sync a paused Entra tenant again.'],
  ] as const) {
    program
      .command(name)
      .description(description)
      .argument('<id>', ids)
      .addOption(json())
      .action((id: string, options: { json: boolean }) =>
        perform(options.json, async (context) => (await import('../cli/pause.ts'))[name](context, id)),
      )
  }
  program
    .command('status')
    .description('Show state, freshness, counts, problems and holds of all Entra tenants, or of one.')
    .argument('[id]', ids)
    .addOption(json())
    .action((id: string | undefined, options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/status.ts')).status(context, id)),
    )
  addProblemCommands(program, perform, json)
  addConsentCommands(program, perform, json)
  addSecretCommands(program, perform, json)
  addOffboardCommand(program, perform, json)
  return program
}

function parseParts(text: string): Part[] {
  const wanted = text.split(',').map((part) => part.trim())
  const known = wanted.filter((part): part is Part => (parts as readonly string[]).includes(part))
  if (known.length < wanted.length) throw new InvalidArgumentError(`Choose from ${parts.join(', ')}.`)
  return known
}

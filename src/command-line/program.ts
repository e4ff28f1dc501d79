import { Command, InvalidArgumentError, Option } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import type { CommandContext } from '../cli/context.ts'
import { addCustomerCommands } from './customers.ts'
import { addProblemCommands } from './problems.ts'
import { addConsentCommands } from './consent.ts'
import { addHoldCommands } from './holds.ts'
import { addEntitlementCommands } from './entitlements.ts'
import { addOffboardCommand } from './offboard.ts'
import { addImportCommands } from './imports.ts'
import { addLinkCommands } from './links.ts'
import { addPreconsentCommands } from './preconsent.ts'
import { addPermissionLevelCommand } from './permission-level.ts'
import { addRestoredCommand } from './restored.ts'
import { addSecretCommands } from './secrets.ts'
import { addSyncCommands } from './syncing.ts'
import { addTargetCommands } from './targets.ts'

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
  const json = () => new Option('--json', 'print one JSON document on stdout').default(false)

  program.commandsGroup('The daemon:')
  program
    .command('run')
    .description('Run the daemon until it is stopped: scheduler, worker and HTTP server, or some of them.')
    .option('--only <parts>', `some of ${parts.join(',')}, divided by commas`, parseParts)
    .action(({ only }: { only?: Part[] }) =>
      perform(false, async (context) => (await import('../cli/run.ts')).run(context, only), true),
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

  program.commandsGroup('From sign-up to first sync:')
  program
    .command('init')
    .description("Make the MSP's own tenant, linked to the Entra tenant that signed up.")
    .requiredOption('--entra-tenant <id-or-domain>', 'its Entra tenant: the id or any verified domain')
    .option('--name <name>', "the MSP's name; read from Graph unless given")
    .addOption(json())
    .action((options: { name?: string; entraTenant: string; json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/init.ts')).init(context, options)),
    )
  addPermissionLevelCommand(program, perform, json)
  addConsentCommands(program, perform, json)
  addCustomerCommands(program, perform, json)
  addLinkCommands(program, perform, json)
  addPreconsentCommands(program, perform, json)

  program.commandsGroup('Every day:')
  addSyncCommands(program, perform, json)
  addProblemCommands(program, perform, json)
  addHoldCommands(program, perform, json)
  addTargetCommands(program, perform, json)
  addImportCommands(program, perform, json)
  addEntitlementCommands(program, perform, json)

  program.commandsGroup('Rarely:')
  addSecretCommands(program, perform, json)
  addRestoredCommand(program, perform, json)
  addOffboardCommand(program, perform, json)
  return program
}

function parseParts(text: string): Part[] {
  const wanted = text.split(',').map((part) => part.trim())
  const known = wanted.filter((part): part is Part => (parts as readonly string[]).includes(part))
  if (known.length < wanted.length) throw new InvalidArgumentError(`Choose from ${parts.join(', ')}.`)
  return known
}

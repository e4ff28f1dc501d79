#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import type { CommandContext } from './cli/context.ts'
import { explainFailure } from './cli/failure.ts'
import { createOutput } from './cli/output.ts'
import { loadConfig } from './config.ts'
import { createLog } from './log.ts'

// Exit codes: 0 done, 1 failed, 2 wrong use, 3 held or partial.

type Action = (context: CommandContext) => Promise<number>

const parts = ['scheduler', 'worker', 'http'] as const
type Part = (typeof parts)[number]

/** Builds the command line; `perform` runs one command's action. Commands are loaded when they are called for. */
function commandLine(perform: (json: boolean, action: Action) => Promise<void>): Command {
  const program = new Command('entra-sync')
    .description('Keeps ImmyBot knowing who works where, in which group and Team, with which licence.')
    .version(packageJson.version)
    .configureHelp({ sortSubcommands: false })
    .showHelpAfterError('(entra-sync --help tells what there is)')
    .addHelpText('after', '\nConfiguration comes from environment variables: see docs/configuration.md.')
  const ids = 'ids, domains, names or slugs of Entra tenants'
  const json = () => new Option('--json', 'print one JSON document on stdout').default(false)

  program
    .command('run')
    .description('Run the daemon until it is stopped: scheduler, worker and HTTP server, or some of them.')
    .option('--only <parts>', `some of ${parts.join(',')}, divided by commas`, parseParts)
    .action(({ only }: { only?: Part[] }) =>
      perform(false, async (context) => (await import('./cli/run.ts')).run(context, only)),
    )
  program
    .command('demo')
    .description('Sync a simulated Microsoft cloud with everything embedded, and compare what came out.')
    .option('--once', 'leave after the first cycle', false)
    .addOption(new Option('--queue <kind>', 'queue backend').choices(['redis', 'postgres']))
    .action((options: { once: boolean; queue?: 'redis' | 'postgres' }) =>
      perform(false, async ({ signal }) => {
        const { runDemo } = await import('./cli/demo.ts')
        return runDemo({ once: options.once, queue: options.queue }, signal)
      }),
    )
  program
    .command('migrate')
    .description('Bring the database to the schema of this version.')
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('./cli/migrate.ts')).migrateCommand(context)),
    )
  program
    .command('doctor')
    .description('Check configuration, database, queue and sign-in to Microsoft, and say what to do.')
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('./cli/doctor.ts')).doctor(context)),
    )
  program
    .command('init')
    .description("Make the MSP's own tenant, linked to the Entra tenant that signed up.")
    .requiredOption('--name <name>', "the MSP's name")
    .requiredOption('--entra-tenant <id-or-domain>', 'its Entra tenant')
    .addOption(json())
    .action((options: { name: string; entraTenant: string; json: boolean }) =>
      perform(options.json, async (context) => (await import('./cli/init.ts')).init(context, options)),
    )

  const customers = program.command('customers').description("The partner's GDAP customers.")
  customers
    .command('discover')
    .description("Read the partner's customers and relationships now.")
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('./cli/customers.ts')).discover(context)),
    )
  customers
    .command('list')
    .description('List the customers that were found, imported or not.')
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('./cli/customers.ts')).list(context)),
    )
  customers
    .command('import')
    .description('Make tenants of customers and have them synced.')
    .argument('[id...]', 'ids or names of customers')
    .option('--all', 'every customer with an active relationship', false)
    .addOption(json())
    .action((given: string[], options: { all: boolean; json: boolean }, command: Command) => {
      requireSome(command, given, options.all)
      return perform(options.json, async (context) =>
        (await import('./cli/customers.ts')).importCustomers(context, options.all ? 'all' : given),
      )
    })

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
          (await import('./cli/sync.ts')).sync(context, request),
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
        perform(options.json, async (context) => (await import('./cli/pause.ts'))[name](context, id)),
      )
  }
  program
    .command('status')
    .description('Show state, freshness, counts, problems and holds of all Entra tenants, or of one.')
    .argument('[id]', ids)
    .addOption(json())
    .action((id: string | undefined, options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('./cli/status.ts')).status(context, id)),
    )
  return program
}

function parseParts(text: string): Part[] {
  const wanted = text.split(',').map((part) => part.trim())
  const known = wanted.filter((part): part is Part => (parts as readonly string[]).includes(part))
  if (known.length < wanted.length) throw new InvalidArgumentError(`Choose from ${parts.join(', ')}.`)
  return known
}

function requireSome(command: Command, given: string[], all: boolean): void {
  if (all && given.length > 0) command.error('error: give either ids or --all', { exitCode: 2 })
  if (!all && given.length === 0) command.error('error: give ids, or --all', { exitCode: 2 })
}

/** Runs the command line `argv` (without node and script) and gives the exit code. */
async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 143)
      stop.abort(name)
    })
  }
  let code = 0
  const perform = async (json: boolean, action: Action): Promise<void> => {
    const output = createOutput(json)
    try {
      const config = loadConfig(env)
      code = await action({ config, log: createLog(config.log), signal: stop.signal, output })
    } catch (error) {
      const failure = explainFailure(error)
      output.notice(`entra-sync: ${failure.text}`)
      if (failure.unexpected !== undefined && ['debug', 'trace'].includes(env['LOG_LEVEL'] ?? ''))
        output.notice(failure.unexpected)
      output.document({ error: failure.document })
      code = 1
    }
    output.end()
  }
  const program = commandLine(perform)
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command.exitOverride()
  }
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help that was asked for ends well; help because nothing was asked does not.
    return error.exitCode === 0 ? 0 : 2
  }
  return code
}

// A pipe that is closed early, as by `| head`, is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})
process.exitCode = await main(process.argv.slice(2), process.env)
// What still keeps the process alive after its work is done would be a leak; nobody should have to press Ctrl-C for it.
setTimeout(() => process.exit(), 5000).unref()

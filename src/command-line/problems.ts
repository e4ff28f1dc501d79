import { InvalidArgumentError, Option, type Command } from 'commander'
import type { CommandContext } from '../cli/context.ts'

type Perform = (json: boolean, action: (context: CommandContext) => Promise<number>) => Promise<void>

const tenantText = 'id, domain, name or slug of an Entra tenant'

/** The commands about problems and what their codes mean. */
export function addProblemCommands(program: Command, perform: Perform, json: () => Option): void {
  program
    .command('errors')
    .description(
      'Explain the errors of Microsoft: what they mean, who acts, what to do. Without a code: all.',
    )
    .argument('[code]', 'AADSTS number, or a code as problems and logs have it')
    .addOption(json())
    .action((code: string | undefined, options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/errors.ts')).errors(context, code)),
    )

  const problems = program.command('problems').description('Open faults of Entra tenants.')
  problems
    .command('list', { isDefault: true })
    .description('List the open problems, since when they are open, who acts and what to do.')
    .option('--all', 'those that have closed too', false)
    .option('--tenant <id>', `of one Entra tenant only: ${tenantText}`)
    .addOption(json())
    .action((options: { all: boolean; tenant?: string; json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/problems.ts')).list(context, options)),
    )
  const what = (command: Command): Command =>
    command
      .argument('[code]', 'code of the problems, as consent_required')
      .option('--tenant <id>', `of this Entra tenant only: ${tenantText}`)
  what(problems.command('silence'))
    .description('Keep problems from counting, by code, by Entra tenant or by both. They stay listed.')
    .addOption(
      new Option('--until <date>', 'when it ends, as 2027-06-30; never unless given').argParser(parseUntil),
    )
    .option('--reason <text>', 'why, for whoever reads it later', '')
    .addOption(json())
    .action(
      (
        code: string | undefined,
        options: { tenant?: string; until?: Date; reason: string; json: boolean },
        command: Command,
      ) => {
        requireKey(command, code, options.tenant)
        return perform(options.json, async (context) =>
          (await import('../cli/problems.ts')).silence(context, code, options),
        )
      },
    )
  what(problems.command('unsilence'))
    .description('Take a silence back; give the same code and Entra tenant.')
    .addOption(json())
    .action((code: string | undefined, options: { tenant?: string; json: boolean }, command: Command) => {
      requireKey(command, code, options.tenant)
      return perform(options.json, async (context) =>
        (await import('../cli/problems.ts')).unsilence(context, code, options),
      )
    })
}

function requireKey(command: Command, code: string | undefined, tenant: string | undefined): void {
  if (code === undefined && tenant === undefined)
    command.error('error: give a code, --tenant, or both', { exitCode: 2 })
}

/** A day counts to its end, in UTC; what has passed silences nothing. */
function parseUntil(text: string): Date {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const date = new Date(day ? `${text}T23:59:59Z` : text)
  const valid =
    !Number.isNaN(date.getTime()) && /^\d{4}-/.test(text) && (!day || date.toISOString().startsWith(text))
  if (!valid) throw new InvalidArgumentError('Write it as 2027-06-30.')
  if (date.getTime() <= Date.now()) throw new InvalidArgumentError('It has passed.')
  return date
}

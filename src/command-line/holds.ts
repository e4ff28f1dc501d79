import { InvalidArgumentError, Option, type Command } from 'commander'
import type { CommandContext } from '../cli/context.ts'
import type { LimitsOptions } from '../cli/hold-limits.ts'

type Perform = (json: boolean, action: (context: CommandContext) => Promise<number>) => Promise<void>

const tenantText = 'id, domain, name or slug of an Entra tenant'

/** The commands about what the guard keeps back. */
export function addHoldCommands(program: Command, perform: Perform, json: () => Option): void {
  const holds = program
    .command('holds')
    .description('Changes too large to be believed: kept back until somebody decides, and the guard itself.')
  holds
    .command('list', { isDefault: true })
    .description('List what is kept back, why and for how long.')
    .option('--all', 'what was decided or withdrew itself, too', false)
    .option('--tenant <id>', `of one Entra tenant only: ${tenantText}`)
    .addOption(json())
    .action((options: { all: boolean; tenant?: string; json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/holds.ts')).list(context, options)),
    )
  of(holds.command('show'))
    .description('Show exactly what a hold keeps back, and the targets that approving it would take away.')
    .option('--all', 'everything, not only samples', false)
    .addOption(json())
    .action((holdId: string, options: { all: boolean; json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/holds.ts')).show(context, holdId, options),
      ),
    )
  by(of(holds.command('approve')))
    .description('Apply exactly the set that was shown, once. It is refused when the set is another by now.')
    .addOption(
      new Option('--hash <hash>', 'of the set, as `holds show` tells it (12 digits or more)')
        .argParser(parseHash)
        .makeOptionMandatory(),
    )
    .addOption(json())
    .action((holdId: string, options: { hash: string; by?: string; json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/hold-decisions.ts')).approve(context, holdId, options),
      ),
    )
  by(of(holds.command('reject')))
    .description('Keep all that a hold names: it is neither removed nor held again for 30 days.')
    .requiredOption('--reason <text>', 'why, for whoever reads it later')
    .addOption(json())
    .action((holdId: string, options: { reason: string; by?: string; json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/hold-decisions.ts')).reject(context, holdId, options),
      ),
    )
  by(holds.command('freeze'))
    .description('Stop all removals and unassignments, of every tenant, until somebody ends it.')
    .requiredOption('--reason <text>', 'why, for whoever reads it later')
    .addOption(json())
    .action((options: { reason: string; by?: string; json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/hold-decisions.ts')).freeze(context, options),
      ),
    )
  by(holds.command('unfreeze'))
    .description('End a freeze, also one that began by itself; what it kept back is judged as without it.')
    .addOption(json())
    .action((options: { by?: string; json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/hold-decisions.ts')).unfreeze(context, options),
      ),
    )
  addLimits(holds, perform, json)
}

function addLimits(holds: Command, perform: Perform, json: () => Option): void {
  holds
    .command('limits')
    .description(
      "Show or set the guard's limits of one Entra tenant: lasting ones, or with --until an override that ends by itself.",
    )
    .argument('[id]', `${tenantText}; without it, all that have limits of their own`)
    .option('--min <n>', 'a set of this size or smaller is never too large by share', parseCount)
    .option('--percent <n>', 'per cent of what is there', parsePercent)
    .option('--max <n>', 'absolute; ten times that for memberships and licences', parseCount)
    .addOption(
      new Option('--until <date>', 'an override until then, as 2027-06-30 or 2027-06-30T18:00Z').argParser(
        parseUntil,
      ),
    )
    .option('--reason <text>', 'why, for whoever reads it later', '')
    .option('--clear', "back to the configuration's", false)
    .addOption(json())
    .action((id: string | undefined, options: LimitsOptions & { json: boolean }, command: Command) => {
      const { min, percent, max, until, clear } = options
      const given = min !== undefined || percent !== undefined || max !== undefined
      if (id === undefined && (given || clear))
        command.error('error: say of which Entra tenant', { exitCode: 2 })
      if (clear && (given || until !== undefined))
        command.error('error: --clear takes limits back, and sets none', { exitCode: 2 })
      if (until !== undefined && !given)
        command.error('error: --until wants a limit: --min, --percent or --max', { exitCode: 2 })
      return perform(options.json, async (context) =>
        (await import('../cli/hold-limits.ts')).limits(context, id, options),
      )
    })
}

function of(command: Command): Command {
  return command.argument('<hold>', 'id of the hold', parseId)
}

function by(command: Command): Command {
  return command.option('--by <name>', 'who decides, where the user of the operating system does not tell')
}

function parseId(text: string): string {
  const id = text.trim().toLowerCase()
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return id
  throw new InvalidArgumentError('It is no id of a hold: `entra-sync holds list` shows them.')
}

function parseHash(text: string): string {
  const hash = text.trim().toLowerCase()
  if (/^[0-9a-f]{12,64}$/.test(hash)) return hash
  throw new InvalidArgumentError('It is no hash of a hold: `entra-sync holds show HOLD` tells it.')
}

function parseCount(text: string): number {
  if (/^\d{1,7}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Write a whole number from 0 up.')
}

function parsePercent(text: string): number {
  if (/^\d{1,3}(\.\d{1,3})?$/.test(text) && Number(text) <= 100) return Number(text)
  throw new InvalidArgumentError('Write a number from 0 to 100, without a sign.')
}

/** A day counts to its end, in UTC. */
function parseUntil(text: string): Date {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const date = new Date(day ? `${text}T23:59:59Z` : text)
  const valid =
    /^\d{4}-\d{2}-\d{2}/.test(text) &&
    !Number.isNaN(date.getTime()) &&
    (!day || date.toISOString().startsWith(text))
  if (!valid) throw new InvalidArgumentError('Write it as 2027-06-30 or 2027-06-30T18:00Z.')
  if (date.getTime() <= Date.now()) throw new InvalidArgumentError('It has passed.')
  return date
}

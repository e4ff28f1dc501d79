import type { Command, Option } from 'commander'
import type { Perform } from './program.ts'
import { requireSome } from './require-some.ts'

const ids = 'ids, domains, names or slugs of Entra tenants'

/** The commands about syncing: asking for one, stopping it, and how things stand. */
export function addSyncCommands(program: Command, perform: Perform, json: () => Option): void {
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
}

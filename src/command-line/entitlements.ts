import type { Command, Option } from 'commander'
import type { CommandContext } from '../cli/context.ts'

type Perform = (json: boolean, action: (context: CommandContext) => Promise<number>) => Promise<void>

/** The commands about app entitlements. */
export function addEntitlementCommands(program: Command, perform: Perform, json: () => Option): void {
  const entitlements = program.command('entitlements').description('Desktop products that licences give.')
  entitlements
    .command('list', { isDefault: true })
    .description('List them: the plans and subscribed SKUs that give each, and how many persons have it now.')
    .option('--tenant <tenant>', 'of one tenant only: id, slug or name')
    .addOption(json())
    .action((options: { tenant?: string; json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/entitlements.ts')).listEntitlements(context, options),
      ),
    )
}

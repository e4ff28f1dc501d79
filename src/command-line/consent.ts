import { type Command, type Option } from 'commander'
import type { CommandContext } from '../cli/context.ts'

type Perform = (json: boolean, action: (context: CommandContext) => Promise<number>) => Promise<void>

const ids = 'ids, domains, names or slugs of Entra tenants'

/** The commands about consent by hand. */
export function addConsentCommands(program: Command, perform: Perform, json: () => Option): void {
  const consent = program.command('consent').description("Consent of Entra tenants' admins to the app.")
  consent
    .command('url')
    .description('Make a link for an admin of the Entra tenant, good for seven days.')
    .argument('<id>', ids)
    .addOption(json())
    .action((id: string, options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/consent.ts')).consentUrl(context, id)),
    )
  consent
    .command('verify')
    .description('Prove consent now, and say what is missing (exit code 3 when not all have consented).')
    .argument('[id...]', ids)
    .option('--all', 'every Entra tenant that is synced or to be synced', false)
    .addOption(json())
    .action((given: string[], options: { all: boolean; json: boolean }, command: Command) => {
      if (options.all && given.length > 0) command.error('error: give either ids or --all', { exitCode: 2 })
      if (!options.all && given.length === 0) command.error('error: give ids, or --all', { exitCode: 2 })
      return perform(options.json, async (context) =>
        (await import('../cli/consent.ts')).consentVerify(context, options.all ? 'all' : given),
      )
    })
  consent
    .command('list')
    .description('List for each Entra tenant whether it has consented, to which app, when and how.')
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/consent.ts')).consentList(context)),
    )
}

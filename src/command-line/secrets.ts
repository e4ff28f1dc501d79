import type { Command, Option } from 'commander'
import type { Perform } from './program.ts'

/** The commands about the secrets stored in the database. */
export function addSecretCommands(program: Command, perform: Perform, json: () => Option): void {
  const secrets = program.command('secrets').description('The secrets stored in the database.')
  secrets
    .command('rotate')
    .description('Seal all of them anew with the newest encryption key.')
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/secrets.ts')).rotate(context)),
    )
}

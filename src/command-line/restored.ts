import type { Command, Option } from 'commander'
import type { Perform } from './program.ts'

export function addRestoredCommand(program: Command, perform: Perform, json: () => Option): void {
  program
    .command('restored')
    .description(
      'Tell that the database was restored from a backup: everything is read whole before anything is removed. Daemons notice it by themselves where DATA_DIR was not restored along.',
    )
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/restored.ts')).restored(context)),
    )
}

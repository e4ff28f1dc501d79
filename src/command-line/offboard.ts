import type { Command, Option } from 'commander'
import type { OffboardOptions } from '../cli/offboard.ts'
import type { Perform } from './program.ts'

/** The command that ends with a customer. */
export function addOffboardCommand(program: Command, perform: Perform, json: () => Option): void {
  program
    .command('offboard')
    .description('Stop an Entra tenant for good, and archive or delete what is stored of it.')
    .argument('<id>', 'id, domain, name or slug of an Entra tenant')
    .option('--archive <file>', 'write all that is stored of it to a new file, as JSON Lines')
    .option('--purge', 'delete all that is stored of it; ImmyBot tenants and the audit log stay', false)
    .option('--revoke', 'take away what our apps may do there (exit code 3 when something is left)', false)
    .option('--yes', 'do it; without, it is only told what would be done', false)
    .addHelpText(
      'after',
      '\nDone again after it broke off, it goes on. Without --purge, entra-sync resume takes it back.',
    )
    .addOption(json())
    .action((id: string, options: OffboardOptions & { json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/offboard.ts')).offboardCommand(context, id, options),
      ),
    )
}

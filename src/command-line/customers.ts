import { Option, type Command } from 'commander'
import type { CommandContext } from '../cli/context.ts'
import { requireSome } from './require-some.ts'

type Perform = (json: boolean, action: (context: CommandContext) => Promise<number>) => Promise<void>

interface ImportFlags {
  all: boolean
  into?: string
  useProposals: boolean
  new: boolean
  json: boolean
}

const customer = 'id, name or domain of a customer'

/** The commands about GDAP customers. */
export function addCustomerCommands(program: Command, perform: Perform, json: () => Option): void {
  const customers = program.command('customers').description("The partners' GDAP customers.")
  customers
    .command('discover')
    .description(
      'Read the customers and relationships of all partners now, or of those named: also of an Entra tenant that is no partner yet.',
    )
    .argument('[partner...]', 'ids, domains, names or slugs of Entra tenants')
    .addOption(json())
    .action((partners: string[], options: { json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/customers.ts')).discover(context, partners),
      ),
    )
  customers
    .command('list')
    .description('List the customers that were found, with relationships, consent, tenant and proposals.')
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/customers-list.ts')).list(context)),
    )
  customers
    .command('show')
    .description('Show all that is known of one customer, with every relationship of every partner.')
    .argument('<id>', customer)
    .addOption(json())
    .action((id: string, options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/customers-show.ts')).show(context, id)),
    )
  customers
    .command('import')
    .description('Make tenants of customers, or link them to tenants that exist, and have them synced.')
    .argument('[id...]', 'ids, names or domains of customers')
    .option('--all', 'every customer with an active relationship', false)
    .addOption(
      new Option('--into <tenant>', 'link to this tenant (id, slug or name) instead of a new one').conflicts([
        'all',
        'useProposals',
        'new',
      ]),
    )
    .option('--use-proposals', 'link to the tenants that `customers list` proposes', false)
    .option('--new', 'make a new tenant even where one without a link matches', false)
    .addOption(json())
    .action((given: string[], options: ImportFlags, command: Command) => {
      requireSome(command, given, options.all)
      if (options.into !== undefined && given.length > 1)
        command.error('error: --into takes one customer', { exitCode: 2 })
      return perform(options.json, async (context) =>
        (await import('../cli/customers-import.ts')).importCustomers(context, options.all ? 'all' : given, {
          into: options.into,
          useProposals: options.useProposals,
          anew: options.new,
        }),
      )
    })
  customers
    .command('detach')
    .description('Make a customer standalone: without a partner, read by its own consent.')
    .argument('<id>', customer)
    .option('--yes', 'do it; without, only what it means is told', false)
    .addOption(json())
    .action((id: string, options: { yes: boolean; json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/customers-detach.ts')).detach(context, id, options.yes),
      ),
    )
}

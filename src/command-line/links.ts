import { Option, type Command } from 'commander'
import type { LinkOptions } from '../cli/links.ts'
import type { Perform } from './program.ts'

const tenant = 'id, slug or name of a tenant'

/** The commands about ImmyBot tenants and their links to Entra tenants. */
export function addLinkCommands(program: Command, perform: Perform, json: () => Option): void {
  const tenants = program.command('tenants').description('ImmyBot tenants.')
  tenants
    .command('add')
    .description('Make a tenant.')
    .argument('<name>', 'its name')
    .option('--parent <tenant>', `the tenant above it: ${tenant}`)
    .option('--slug <slug>', 'its short name; made of the name unless given')
    .addOption(json())
    .action((name: string, options: { parent?: string; slug?: string; json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/tenants.ts')).addTenantCommand(context, name, options),
      ),
    )
  tenants
    .command('list')
    .description('List the tenants with their links.')
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/tenants.ts')).listTenantsCommand(context),
      ),
    )
  tenants
    .command('show')
    .description('Show one tenant: link, domains, parent and children, persons.')
    .argument('<tenant>', tenant)
    .addOption(json())
    .action((text: string, options: { json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/tenants.ts')).showTenantCommand(context, text),
      ),
    )

  tenants
    .command('set')
    .description(
      'Set whether cross-tenant deployments reach a tenant, and its parent, whose deployments come down to it. Shows whom that gives and takes what; does it with --yes.',
    )
    .argument('<tenant>', tenant)
    .addOption(
      new Option('--cross-tenant <yes-or-no>', 'whether cross-tenant deployments reach it').choices([
        'yes',
        'no',
      ]),
    )
    .option('--parent <tenant>', 'the tenant above it, or none')
    .option('--yes', 'do it', false)
    .addOption(json())
    .action(
      (
        text: string,
        options: { crossTenant?: 'yes' | 'no'; parent?: string; yes: boolean; json: boolean },
        command: Command,
      ) => {
        if (options.crossTenant === undefined && options.parent === undefined)
          command.error('error: give --cross-tenant or --parent', { exitCode: 2 })
        return perform(options.json, async (context) =>
          (await import('../cli/tenant-rules.ts')).setRules(context, text, options),
        )
      },
    )

  const collect = (value: string, before: string[]) => [...before, value]
  program
    .command('link')
    .description('Link a tenant to an Entra tenant, or to some domains of it.')
    .argument('<tenant>', tenant)
    .argument('<id-or-domain>', 'Entra tenant: its id or any of its verified domains')
    .option('--domain <domain>', 'only users of this UPN suffix; may be given several times', collect, [])
    .option('--preview', 'show who would move, and change nothing', false)
    .option('--yes', 'do it, whatever the preview says', false)
    .addOption(json())
    .action((text: string, entraTenant: string, options: LinkOptions & { json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/links.ts')).link(context, text, entraTenant, options),
      ),
    )
  program
    .command('unlink')
    .description("Take a tenant's link away, or some of its domains.")
    .argument('<tenant>', tenant)
    .option('--domain <domain>', 'only this domain; may be given several times', collect, [])
    .option('--preview', 'show who would move, and change nothing', false)
    .option('--yes', 'do it, whatever the preview says', false)
    .addOption(json())
    .action((text: string, options: LinkOptions & { json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/links.ts')).unlink(context, text, options),
      ),
    )
}

import { InvalidArgumentError, type Command, type Option } from 'commander'
import type { CommandContext } from '../cli/context.ts'

type Perform = (json: boolean, action: (context: CommandContext) => Promise<number>) => Promise<void>

interface ListOptions {
  tenant?: string
  search?: string
  tag?: string
  limit: number
  json: boolean
}

/** The commands about computers and persons, and what ImmyBot or an operator tells of them. */
export function addImportCommands(program: Command, perform: Perform, json: () => Option): void {
  const imports = async () => import('../cli/imports.ts')
  const lists = async () => import('../cli/persons.ts')
  const listed = (command: Command): Command =>
    command
      .option('--tenant <tenant>', 'of one tenant: name, slug or id')
      .option('--search <text>', 'part of the name or UPN')
      .option('--limit <n>', 'how many at most', parseLimit, 100)
      .addOption(json())

  const computers = program.command('computers').description('Computers, and who their primary users are.')
  computers
    .command('import')
    .description(
      'Bring computers from a CSV file with a header, or a JSON array: tenant, name, primary_user_principal_name, entra_device_id, computer_id. A column that is not there keeps what is known. What takes software from more computers than the guard lets pass is told first.',
    )
    .argument('<file>', 'CSV or JSON, UTF-8')
    .option('--replace', "also remove those of the file's tenants that it lacks; told first", false)
    .option('--yes', 'do what is told', false)
    .addOption(json())
    .action((file: string, options: { replace: boolean; yes: boolean; json: boolean }) =>
      perform(options.json, async (context) =>
        (await imports()).computers(context, file, { replace: options.replace, confirmed: options.yes }),
      ),
    )
  listed(computers.command('list', { isDefault: true }))
    .description('List computers: their tenant, primary user and device, and how many targets they have.')
    .action((options: ListOptions) =>
      perform(options.json, async (context) => (await lists()).computers(context, options)),
    )

  const persons = program.command('persons').description('Persons: tags, protection, and those made by hand.')
  persons
    .command('import')
    .description(
      'Bring what no sync writes from a CSV file with a header, or a JSON array: tenant, user_principal_name, tags (or add_tags and remove_tags, divided by ;), protected_reason. Whom Entra does not know is made by hand.',
    )
    .argument('<file>', 'CSV or JSON, UTF-8')
    .option('--preview', 'only say what it would do', false)
    .addOption(json())
    .action((file: string, options: { preview: boolean; json: boolean }) =>
      perform(options.json, async (context) => (await imports()).persons(context, file, options)),
    )
  listed(persons.command('list', { isDefault: true }))
    .description('List persons with their tags, protection and number of targets.')
    .option('--tag <tag>', 'those with this tag')
    .action((options: ListOptions) =>
      perform(options.json, async (context) => (await lists()).list(context, options)),
    )
  persons
    .command('show')
    .description('Show one person: fields, groups, licences and where they come from, targets.')
    .argument('<who>', 'UPN, mail or id')
    .option('--tenant <tenant>', 'name, slug or id of the tenant, where several have such a one')
    .addOption(json())
    .action((who: string, options: { tenant?: string; json: boolean }) =>
      perform(options.json, async (context) => (await lists()).show(context, who, options)),
    )
}

function parseLimit(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1 on.')
  return Number(text)
}

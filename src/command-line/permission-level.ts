import { Argument, InvalidArgumentError, Option, type Command } from 'commander'
import type { Perform } from './program.ts'
import type { PermissionLevelOptions } from '../cli/permission-level.ts'

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The command about permission levels and own apps. */
export function addPermissionLevelCommand(program: Command, perform: Perform, json: () => Option): void {
  program
    .command('permission-level')
    .description('Show or set with which app an Entra tenant is read, and what that app needs.')
    .argument('<id>', 'id, domain, name or slug of a partner or standalone Entra tenant')
    .addArgument(new Argument('[level]', 'level to set').choices(['default', 'custom']))
    .addOption(new Option('--client-id <id>', 'client id of the own app registration').argParser(parseGuid))
    .addOption(
      new Option(
        '--client-secret-file <file>',
        "file with a client secret's value, added beside the others",
      ).conflicts('certificateFile'),
    )
    .option('--certificate-file <file>', 'PEM file with private key and certificate, added beside the others')
    .addOption(
      new Option('--expires <date>', 'when the client secret ends, as 2027-06-30')
        .argParser(parseDate)
        .conflicts('certificateFile'),
    )
    .option('--list', 'show level and credentials only', false)
    .addOption(
      new Option('--remove-credential <id>', 'remove a credential').argParser(parseGuid).conflicts('list'),
    )
    .addOption(json())
    .action(
      (
        id: string,
        level: 'default' | 'custom' | undefined,
        options: PermissionLevelOptions & { json: boolean },
        command: Command,
      ) => {
        refuseMixed(command, level, options)
        return perform(options.json, async (context) =>
          (await import('../cli/permission-level.ts')).permissionLevel(context, id, level, options),
        )
      },
    )
}

/** An option that would do nothing is wrong use. */
function refuseMixed(
  command: Command,
  level: string | undefined,
  options: Partial<PermissionLevelOptions>,
): void {
  const { clientId, clientSecretFile, certificateFile, expires, list, removeCredential } = options
  const given = [clientId, clientSecretFile, certificateFile, expires].some((value) => value !== undefined)
  const wrong = (text: string) => command.error(`error: ${text}`, { exitCode: 2 })
  if (given && level !== 'custom') wrong('client id, secret, certificate and --expires go with level custom')
  if (expires !== undefined && clientSecretFile === undefined)
    wrong('--expires goes with --client-secret-file')
  if (level !== undefined && (list === true || removeCredential !== undefined)) {
    wrong('--list and --remove-credential go without a level')
  }
}

function parseGuid(text: string): string {
  if (!guid.test(text)) throw new InvalidArgumentError('It is a GUID.')
  return text.toLowerCase()
}

/** A day counts to its end, in UTC. */
function parseDate(text: string): Date {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const date = new Date(day ? `${text}T23:59:59Z` : text)
  const valid = !Number.isNaN(date.getTime()) && (!day || date.toISOString().startsWith(text))
  if (!valid || !/^\d{4}-/.test(text)) throw new InvalidArgumentError('Write it as 2027-06-30.')
  return date
}

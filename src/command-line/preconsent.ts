import type { Command, Option } from 'commander'
import type { Perform } from './program.ts'
import { requireSome } from './require-some.ts'

const partner = 'id, domain, name or slug of a partner; may be left out where there is one'

/** The commands about partner users and pre-consent. */
export function addPreconsentCommands(program: Command, perform: Perform, json: () => Option): void {
  const partners = program.command('partner').description('Sign-ins of partner users, for pre-consent.')
  partners
    .command('sign-in')
    .description('Sign in a partner user with a code that is entered in any browser.')
    .argument('[partner]', partner)
    .addOption(json())
    .action((id: string | undefined, options: { json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/partner.ts')).partnerSignIn(context, id),
      ),
    )
  partners
    .command('sign-ins')
    .description('List the partner users who have signed in, and whether Microsoft still takes it.')
    .addOption(json())
    .action((options: { json: boolean }) =>
      perform(options.json, async (context) => (await import('../cli/partner.ts')).partnerSignIns(context)),
    )
  partners
    .command('sign-out')
    .description('Forget the stored sign-in of a partner user, or of all users of the partner.')
    .argument('[partner]', partner)
    .argument('[user]', 'user principal name or object id')
    .addOption(json())
    .action((id: string | undefined, user: string | undefined, options: { json: boolean }) =>
      perform(options.json, async (context) =>
        (await import('../cli/partner.ts')).partnerSignOut(context, id, user),
      ),
    )

  program
    .command('preconsent')
    .description("Consent to the app for GDAP customers, as the partner's signed-in user.")
    .argument('[id...]', 'ids, domains, names or slugs of customers')
    .option('--all', 'every customer with an active relationship that has not consented', false)
    .option('--preflight', 'only tell what is missing, and change nothing', false)
    .option('--wait', 'wait until it is done', false)
    .addHelpText('after', '\nExit code 1 when a customer was not ready or has failed; the others go on.')
    .addOption(json())
    .action(
      (
        given: string[],
        options: { all: boolean; preflight: boolean; wait: boolean; json: boolean },
        command: Command,
      ) => {
        requireSome(command, given, options.all)
        if (options.preflight && options.wait)
          command.error('error: --preflight asks for nothing that could be waited for', { exitCode: 2 })
        return perform(options.json, async (context) =>
          (await import('../cli/preconsent.ts')).preconsent(context, {
            customers: options.all ? 'all' : given,
            preflightOnly: options.preflight,
            wait: options.wait,
          }),
        )
      },
    )
}

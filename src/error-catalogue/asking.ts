import { entriesOf, type SourcedEntry } from './entry.ts'

const refused = { whoActs: 'operator', retry: 'after_fix', kind: 'input' } as const

/** Refusals of what operators ask, by command, console, API or job: about all but tenants and their links. */
export const asking: readonly SourcedEntry[] = [
  ...entriesOf(refused, [
    [
      'input_invalid',
      'a request of the API or console is not as it must be',
      'Correct what is named, then send it again.',
    ],
    ['payload_invalid', 'a job has a payload that is not as it must be', 'Correct it and add the job again.'],
    [
      'job_unknown',
      'a job has a name that its queue does not know',
      'Use one of the names that the error lists.',
    ],
    ['unknown_collection', 'there is no such collection', 'Use one of the names that the error lists.'],
    [
      'cursor_gone',
      'what the cursor of a list stands at is not listed any more',
      'Read the list from its beginning.',
    ],
    [
      'feed_truncated',
      'the feed of targets does not go back so far any more',
      'Take a snapshot (entra-sync changes --snapshot) and go on from its seq.',
    ],
    [
      'feed_rewound',
      'the reader is ahead of the feed: the database was restored',
      'Take a snapshot (entra-sync changes --snapshot) and go on from its seq.',
    ],
    [
      'error_unknown',
      'no error of this name is known',
      'entra-sync errors lists all; https://login.microsoftonline.com/error explains any AADSTS number.',
    ],
    [
      'hold_unknown',
      'there is no such hold',
      'entra-sync holds list shows what is open; closed ones are kept for 90 days.',
    ],
    [
      'hold_closed',
      'the hold was decided already, or has gone by itself',
      'entra-sync holds list shows what is open, with --all what was decided.',
    ],
    [
      'hold_changed',
      'the hold is no longer the set that was shown',
      'Look at it again (entra-sync holds show), then approve what it is now.',
    ],
    [
      'fleet_frozen',
      'all removals are frozen',
      'Find out why, end the freeze (entra-sync holds unfreeze), then approve.',
    ],
    ['limits_empty', 'no limit is given', 'Give at least one of the three: min, percent, max.'],
    [
      'limits_too_large',
      'a limit that lasts may not be so large',
      'A larger one is an override that ends by itself: say until when.',
    ],
    [
      'override_too_long',
      'an override ends too late, or in the past',
      'Give an earlier end; lasting limits have none, and are smaller.',
    ],
    ['silence_over', 'the end of the silence is in the past', 'Give a later day, or none.'],
    [
      'silence_unknown',
      'nothing is silenced for this code and Entra tenant',
      'entra-sync problems list shows what is silenced; give the same code and Entra tenant.',
    ],
    ['deployment_unknown', 'there is no such deployment', 'entra-sync deployments list shows their names.'],
    [
      'deployment_file_unreadable',
      'a deployment file cannot be read',
      'Give a YAML or JSON file; docs/deployments.md shows how one looks.',
    ],
    [
      'deployment_file_invalid',
      'a deployment file has errors; nothing of it was applied',
      'Correct what is named.',
    ],
    [
      'source_needed',
      'without a source there is nothing that could be pruned',
      'Give the document a source, with which its deployments were applied.',
    ],
    [
      'item_unknown',
      'there is no such maintenance item',
      'entra-sync deployments list shows the items that are deployed.',
    ],
    ['subject_unknown', 'there is no such person or computer', 'Search for it by its name.'],
    ['subject_ambiguous', 'the name means more than one person or computer', 'Give --tenant, or the id.'],
    ['not_a_person', 'what was named is a computer', 'entra-sync explain takes computers.'],
    [
      'targets_frozen',
      'the targets are frozen: they stay as they are for now',
      'They are resolved again once the Entra tenant was synced whole: entra-sync status tells what it lacks.',
    ],
    [
      'import_file_unreadable',
      'a file to import cannot be read',
      'Give a CSV file with a header, or a JSON array of objects.',
    ],
    [
      'sign_in_unknown',
      'no such user has signed in for the partner',
      'entra-sync partner sign-ins lists who has.',
    ],
    [
      'follows_partner',
      'a customer follows the permission level of its partner',
      'Set it for the partner: entra-sync permission-level PARTNER default or custom.',
    ],
    [
      'level_default',
      'the permission level is Default, whose app is in the configuration',
      'Set the level to Custom with the client id of an app registration and this credential.',
    ],
    [
      'client_id_missing',
      'the Entra tenant has no app registration of its own yet',
      "Give --client-id, the Application (client) ID on the app registration's overview page.",
    ],
    [
      'credential_file_unreadable',
      'the file with the secret or certificate cannot be read',
      'Check the path and who may read the file.',
    ],
    [
      'credential_invalid',
      'what was given is no client secret, or no certificate with its key',
      'The error says what is wrong with it; give another one.',
    ],
    [
      'credential_ambiguous',
      'both a client secret and a certificate were given',
      'Save one of them; the other one can be added afterwards.',
    ],
    [
      'credential_unknown',
      'there is no such credential of this Entra tenant',
      'entra-sync permission-level {tenant} --list shows their ids.',
    ],
    [
      'credential_last',
      'it is the last credential of the app in use, so it was kept',
      'Add its successor first, or set the level to default.',
    ],
  ]),
  ...entriesOf({ ...refused, kind: 'config' }, [
    [
      'app_permissions_unlisted',
      'the app registration does not list permissions that are required',
      'Entra admin center > App registrations > app {clientId} > API permissions > Add a permission > Microsoft Graph > Application permissions: add those that entra-sync permission-level {tenant} names, then consent again.',
    ],
    [
      'credential_unregistered',
      'a credential that is stored here is not on the app registration any more',
      'Remove it here too: entra-sync permission-level {tenant} --remove-credential CREDENTIAL.',
    ],
  ]),
]

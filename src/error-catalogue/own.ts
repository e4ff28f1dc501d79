import type { SourcedEntry } from './entry.ts'

const byOperator = { whoActs: 'operator', retry: 'after_fix', kind: 'access_lost' } as const
const byPartner = { whoActs: 'partner_admin', retry: 'after_fix', kind: 'access_lost' } as const
const sealed = { ...byOperator, kind: 'config' } as const
const again =
  'Configure the key that sealed it (ENCRYPTION_KEY), or store the secret again: entra-sync permission-level {tenant} custom.'

/** Codes that this program gives itself: of credentials that can't be used, and of problems. */
export const own: readonly SourcedEntry[] = [
  {
    ...byOperator,
    code: 'client_credential_unusable',
    what: "the app's credential cannot be used",
    remedy: "Store the app's secret, or its unencrypted PEM key and certificate, again.",
  },
  {
    ...byOperator,
    code: 'app_credential_missing',
    what: 'the own app has no credential',
    remedy: 'Add one: entra-sync permission-level {tenant} custom --client-secret-file FILE.',
  },
  {
    ...sealed,
    code: 'app_certificate_unusable',
    what: 'the stored certificate is no valid key and certificate',
    remedy: 'Add a new certificate to the app registration, and here beside this one.',
  },
  {
    ...sealed,
    code: 'encryption_key_missing',
    what: 'no encryption key is configured',
    remedy: 'Set ENCRYPTION_KEY, the one with which the secrets here were stored.',
  },
  {
    ...sealed,
    code: 'secret_key_unknown',
    what: 'a stored secret is sealed with a key that is not configured',
    remedy: again,
  },
  {
    ...sealed,
    code: 'sealed_text_malformed',
    what: 'what is stored in place of a secret is no sealed text',
    remedy: 'Store the secret again: entra-sync permission-level {tenant} custom.',
  },
  {
    ...sealed,
    code: 'secret_not_authentic',
    what: 'a stored secret does not open: it was changed, or belongs to another row',
    remedy: 'Store the secret again: entra-sync permission-level {tenant} custom.',
  },
  {
    ...byOperator,
    code: 'default_app_missing',
    kind: 'config',
    what: 'no Default app is configured, and the Entra tenant is on permission level Default',
    remedy:
      'Set DEFAULT_APP_CLIENT_ID and DEFAULT_APP_CERTIFICATE_FILE or DEFAULT_APP_CLIENT_SECRET_FILE, or give the tenant an app of its own: entra-sync permission-level {tenant} custom.',
  },
  {
    ...byOperator,
    code: 'credential_expiring',
    kind: 'config',
    what: 'the last credential of an own app ends soon, or has ended',
    remedy:
      'Make a new client secret or certificate in the app registration and add it: entra-sync permission-level {tenant} custom --client-secret-file FILE --expires DATE. No new consent is needed.',
  },
  {
    ...byOperator,
    code: 'permissions_missing',
    whoActs: 'customer_admin',
    what: 'the app is consented to, but lacks permissions that are required',
    remedy:
      'See that the app registration lists them (entra-sync permission-level {tenant} shows which), then send an admin of the tenant a new link: entra-sync consent url {tenant}.',
  },
  {
    ...byOperator,
    code: 'app_single_tenant',
    what: 'the own app is registered for its own tenant only, so that no customer can consent to it',
    remedy:
      'Entra admin center > App registrations > app {clientId} > Authentication > Supported account types: accounts in any organizational directory (multitenant).',
  },
  {
    ...byOperator,
    code: 'default_app_expiring',
    what: 'the credential of the Default app ends soon or has ended',
    remedy:
      'Make a new certificate or client secret, configure it (DEFAULT_APP_CERTIFICATE_FILE or DEFAULT_APP_CLIENT_SECRET_FILE) and restart. No new consent is needed.',
  },
  {
    ...byPartner,
    code: 'gdap_ending',
    what: 'the last GDAP relationship with the customer ends within 30 days and is not extended by itself',
    remedy:
      'Turn on auto-extend for the relationship in Partner Center, or have the customer approve a new one before; then entra-sync customers discover.',
  },
  {
    ...byPartner,
    code: 'gdap_ended',
    what: 'no GDAP relationship with the customer is active any more, so syncing has stopped',
    remedy:
      'Have the customer approve a new GDAP relationship, then entra-sync customers discover. To part with it: entra-sync offboard {tenant}.',
  },
  {
    ...byPartner,
    code: 'customer_missing',
    what: "no partner's customer list names the customer any more",
    remedy:
      'Check the relationship in Partner Center, then entra-sync customers discover. To part with it: entra-sync offboard {tenant}.',
  },
  {
    ...byOperator,
    code: 'wrong_tenant',
    kind: 'wrong_tenant',
    what: 'the directory that answered is not the one asked for',
    remedy:
      'Check the id of this Entra tenant and the app that reads it; nothing of the other directory was stored.',
  },
  ...['users', 'groups', 'skus', 'devices'].map((collection): SourcedEntry => ({
    code: `partial_${collection}`,
    what: `three rounds of ${collection} running could not be read to their ends`,
    remedy: 'Nothing was removed. Give Microsoft support the request id if it does not end by itself.',
    whoActs: 'microsoft',
    retry: 'later',
    kind: 'malformed',
  })),
  ...['users', 'groups', 'devices'].map((collection): SourcedEntry => ({
    code: `never_ending_${collection}`,
    what: `three runs in a row could not read ${collection} to the end, because Microsoft made each round begin again`,
    remedy: 'Nothing was removed. Give Microsoft support the request id if it does not end by itself.',
    whoActs: 'microsoft',
    retry: 'later',
    kind: 'restart',
  })),
  ...['users', 'groups'].map((collection): SourcedEntry => ({
    ...byOperator,
    code: `drift_${collection}`,
    retry: 'later',
    kind: 'malformed',
    what: `after two full rounds running as many ${collection} are stored as Microsoft does not count`,
    remedy: 'Nothing was removed. Check for held changes; if there are none, report it.',
  })),
  {
    ...byOperator,
    code: 'poison',
    retry: 'later',
    kind: 'transient',
    what: 'several workers in a row ended before they had written one page of this Entra tenant',
    remedy: 'See the log of the workers for what it was. It is tried again on its own, rarely.',
  },
  {
    ...byOperator,
    code: 'adoption_ambiguous',
    kind: 'input',
    what: 'several hand-made persons have the user principal name of one user; none was adopted',
    remedy: 'Remove the duplicates among the hand-made persons.',
  },
  {
    ...byPartner,
    code: 'gdap_ending',
    what: 'the last GDAP relationship with a customer ends within 30 days and is not extended by itself',
    remedy:
      'Turn on auto-extend for the relationship in Partner Center, or have the customer approve a new one before; then entra-sync customers discover.',
  },
  {
    ...byPartner,
    code: 'gdap_ended',
    what: "no GDAP relationship with a customer is active any more; syncing was stopped by entra-sync's own decision, data stays and targets are frozen",
    remedy:
      'Have the customer approve a new GDAP relationship, then entra-sync customers discover. To go on without one: entra-sync customers detach {tenant}.',
  },
  {
    ...byPartner,
    code: 'customer_missing',
    what: "no partner's list of GDAP customers names a customer any more",
    remedy:
      'Look in Partner Center whether the customer has left. If it has: entra-sync offboard {tenant}; nothing is removed by itself.',
  },
]

import type { SourcedEntry } from './entry.ts'

const byPartner = { whoActs: 'partner_admin', retry: 'after_fix', kind: 'access_lost' } as const
const byOperator = { whoActs: 'operator', retry: 'after_fix', kind: 'input' } as const

/** Codes that this program gives itself around partner sign-in and pre-consent. */
export const partner: readonly SourcedEntry[] = [
  {
    ...byPartner,
    code: 'partner_sign_in_ended',
    what: 'Microsoft does not take the stored sign-in of a partner user any more',
    remedy:
      'Have the partner user sign in again: entra-sync partner sign-in {tenant}. Consent that was given stays.',
  },
  {
    ...byPartner,
    code: 'partner_sign_in_missing',
    what: 'no partner user has signed in to the app',
    remedy:
      'Have a partner user in AdminAgents sign in: entra-sync partner sign-in {tenant}, or the console (/partner-sign-in).',
  },
  {
    ...byPartner,
    code: 'bootstrap_grant_left',
    what: 'delegated scopes that pre-consent needed are still granted, and could not be taken back',
    remedy:
      'It is tried again every hour. Or have an admin of the customer remove them: Entra admin center > Enterprise applications > app {clientId} > Permissions > User consent and Admin consent tabs, delegated ones.',
  },
  {
    ...byOperator,
    code: 'preconsent_no_customer',
    what: 'this Entra tenant is no customer of a partner, so nobody can consent for it from outside',
    remedy: 'Send an admin of the tenant a link: entra-sync consent url {tenant}.',
  },
  {
    ...byOperator,
    code: 'preconsent_stopped',
    what: 'this Entra tenant is gone, offboarded or disabled here',
    remedy: 'See its state: entra-sync status {tenant}.',
  },
  {
    ...byPartner,
    code: 'preconsent_no_relationship',
    what: 'no GDAP relationship with this customer is active',
    remedy:
      'Have the customer approve one (Partner Center > Customers > Admin relationships), then entra-sync customers discover.',
  },
  {
    kind: 'config',
    code: 'partner_center_missing',
    what: 'this cloud has no Partner Center here',
    remedy: "Set PARTNER_CENTER_URL, or have each customer's admin consent: entra-sync consent url {tenant}.",
    whoActs: 'operator',
    retry: 'after_fix',
  },
]

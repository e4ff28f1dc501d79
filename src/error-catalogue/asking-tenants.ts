import { entriesOf, type SourcedEntry } from './entry.ts'

const refused = { whoActs: 'operator', retry: 'after_fix', kind: 'input' } as const

/** Refusals of what operators ask, by command, console, API or job: about tenants, Entra tenants, links and customers. */
export const askingTenants: readonly SourcedEntry[] = [
  ...entriesOf(refused, [
    [
      'tenant_unknown',
      'no such tenant or Entra tenant is known',
      'entra-sync status lists Entra tenants, entra-sync tenants list the tenants; an id, a domain, a name or a slug will do.',
    ],
    ['tenant_ambiguous', 'the name means more than one of them', 'Use the id.'],
    [
      'tenant_id_invalid',
      'what was given is neither a tenant id nor a domain',
      'Give the tenant id (a GUID) or a verified domain, as contoso.onmicrosoft.com.',
    ],
    [
      'tenant_not_scheduled',
      'the Entra tenant is not scheduled, so it is not synced',
      'entra-sync status tells its state and what has to be done; entra-sync resume ends a pause.',
    ],
    ['tenant_gone', 'the Entra tenant has gone', 'Link or import it anew first.'],
    ['tenant_offboarded', 'the Entra tenant was offboarded', 'Link or import it anew first.'],
    ['tenant_is_msp', "the tenant is the MSP's own", 'Name a tenant of a customer.'],
    [
      'tenant_linked',
      'the tenant is linked to another Entra tenant',
      'A tenant has one Entra tenant: unlink it first (entra-sync unlink), or name another.',
    ],
    ['tenant_not_linked', 'the tenant has no link', 'entra-sync tenants list shows all links.'],
    [
      'tenant_cycle',
      'a tenant is above another that is to be above it',
      'Look at the parents with entra-sync tenants list, and link the upper tenant instead.',
    ],
    [
      'tenant_circular',
      'a tenant would be above itself',
      'Take the parent away further down first: entra-sync tenants set TENANT --parent none.',
    ],
    [
      'no_tenant',
      'there is no tenant that this could be done for',
      'entra-sync tenants list shows the tenants, entra-sync status what state they are in.',
    ],
    [
      'entra_tenant_unknown',
      'there is no such Entra tenant',
      'Import it first: entra-sync customers import, or entra-sync init.',
    ],
    [
      'entra_tenant_linked',
      'the Entra tenant is linked to a tenant already',
      'An Entra tenant has one default link: remove that one first (entra-sync unlink).',
    ],
    [
      'default_with_domains',
      'a tenant with domains of an Entra tenant is to have its default link',
      'Remove its domains first: entra-sync unlink. Then the default link takes everybody.',
    ],
    [
      'domain_of_default',
      'the tenant has the default link of this Entra tenant, and with it every domain that no other owns',
      'Link another tenant to the domain.',
    ],
    [
      'domain_invalid',
      'what was given is no domain',
      'Give the part of the user principal names after the @, as fabrikam.com.',
    ],
    [
      'domain_not_linked',
      'the tenant is not linked to this domain',
      'entra-sync tenants show lists the domains of a tenant.',
    ],
    [
      'needs_confirmation',
      'the change of links would move people or take targets away',
      'Look at a preview of it, then confirm it.',
    ],
    [
      'slug_invalid',
      'what was given is no slug',
      'Use lower-case letters, digits and dashes, as contoso-north.',
    ],
    ['slug_taken', 'another tenant has this slug', 'Choose another one, or leave --slug out.'],
    ['name_empty', 'the name is empty', 'Give --name a name.'],
    [
      'name_unknown',
      'the name of the MSP could not be read from Graph yet',
      'Give it with --name, or name the Entra tenant by a domain.',
    ],
    [
      'msp_exists',
      'this database has its MSP already',
      'One database serves one MSP: use another database for another MSP.',
    ],
    [
      'no_partner',
      'no partner is set up',
      'Make the first tenant: entra-sync init --name NAME --entra-tenant DOMAIN.',
    ],
    ['partner_ambiguous', 'there is more than one partner', 'Say which one is meant, by id, domain or name.'],
    [
      'partner_not_read',
      'the partner is not read now',
      'entra-sync status tells why; without consent: entra-sync consent url {tenant}.',
    ],
    [
      'not_a_partner',
      'the Entra tenant is a customer, no partner',
      'Name the partner; if it has customers of its own, make it standalone first: entra-sync customers detach {tenant}.',
    ],
    [
      'not_a_customer',
      'the Entra tenant is not a customer of any partner',
      'Nothing to do; entra-sync status shows the kind of every Entra tenant.',
    ],
    [
      'no_customer',
      'no customer with an active GDAP relationship is known',
      'Read them first: entra-sync customers discover; entra-sync customers list shows what is missing.',
    ],
    [
      'customer_unknown',
      "no partner's list names this customer",
      'entra-sync customers discover reads the lists anew; entra-sync status shows other Entra tenants.',
    ],
    ['customer_ambiguous', 'the name means more than one customer', 'Use the id.'],
    [
      'customer_is_partner',
      "a partner here becomes nobody's customer",
      'Leave it out; entra-sync status shows the kind of every Entra tenant.',
    ],
    [
      'gdap_not_active',
      'there is no active GDAP relationship with the customer',
      'Have the customer approve one, then run entra-sync customers discover.',
    ],
    ['import_into_one', 'one tenant takes one customer', 'Name the one customer that is linked to it.'],
    [
      'offboard_msp',
      'it is the Entra tenant of the MSP itself',
      'Offboard its customers one by one; who leaves altogether drops the database.',
    ],
    [
      'offboard_partner',
      'it is a partner that still has customers',
      'Offboard its customers first (entra-sync offboard ID --yes), or detach them (entra-sync customers detach ID).',
    ],
    [
      'not_offboarded',
      'the Entra tenant is not offboarded, so nothing is purged',
      'Somebody brought it back meanwhile, or it is purged already: see entra-sync status.',
    ],
    [
      'purge_not_confirmed',
      'the name that was typed is not that of the Entra tenant; nothing was done',
      'What is purged is gone for good: type the name as it stands there.',
    ],
    [
      'archive_exists',
      'the file of the archive is there already, and is not overwritten',
      'Give --archive another name, or move the file away.',
    ],
    ['archive_not_writable', 'the archive cannot be written', 'Check the folder and who may write there.'],
  ]),
  ...entriesOf({ ...refused, kind: 'access_lost' }, [
    [
      'tenant_not_read',
      'the Entra tenant is not known, or it was offboarded, so nothing is read of it',
      'Link or import it (anew).',
    ],
  ]),
  ...entriesOf({ ...refused, retry: 'soon', kind: 'transient' }, [
    [
      'app_not_arrived',
      "the app has not arrived in the customer's directory in time",
      'It is tried again by itself.',
    ],
  ]),
]

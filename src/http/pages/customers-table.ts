import { html } from 'hono/html'
import type { CustomerRow } from '../../consent/customers/customers.ts'
import { day, name, nothing, pill, type Column, type Content, type Markup } from './parts.ts'
import { consentOf } from './words.ts'

const title = (row: CustomerRow): string => row.displayName ?? row.defaultDomain ?? row.entraTenantId

/** Columns of the list of customers; operators choose rows of it. */
export function customerColumns(operator: boolean): Column<CustomerRow>[] {
  const shown: Column<CustomerRow>[] = [
    { title: 'Customer', heading: true, value: customer },
    { title: 'Partner', value: ({ partnerName }) => name(partnerName) },
    { title: 'Relationship', value: relationship },
    { title: 'Ends', value: ends },
    { title: 'Roles', value: roles },
    { title: 'Consent', value: consent },
    { title: 'Tenant', value: tenant },
  ]
  return operator ? [choice, ...shown] : shown
}

const choice: Column<CustomerRow> = {
  title: 'Choose',
  value: (row) =>
    html`<input
      type="checkbox"
      form="chosen"
      name="customer"
      value="${row.entraTenantId}"
      aria-label="Choose ${title(row)}"
    />`,
}

function customer(row: CustomerRow): Markup {
  const shown = name(title(row))
  return html`${row.kind === null ? shown : html`<a href="/entra-tenants/${row.entraTenantId}">${shown}</a>`}
    ${row.isNew ? pill('warn', 'new') : nothing}
    <span class="note">${row.defaultDomain ?? row.entraTenantId}</span>`
}

function relationship({ missingSince, gdapActive, relationships }: CustomerRow): Markup {
  if (missingSince !== null)
    return html`${pill('warn', 'not listed')} <span class="note">since ${day(missingSince)}</span>`
  if (gdapActive) return pill('good', 'active')
  const [first] = relationships
  return first === undefined ? pill('bad', 'none') : pill('bad', first.status)
}

const soonMs = 30 * 86_400_000

function ends({ gdapEndsAt, gdapAutoExtends, gdapActive }: CustomerRow): Content {
  if (!gdapActive || gdapEndsAt === null) return '–'
  if (gdapAutoExtends) return html`${day(gdapEndsAt)} <span class="note">extends by itself</span>`
  const soon = gdapEndsAt.getTime() - Date.now() < soonMs
  return html`${day(gdapEndsAt)} ${soon ? pill('warn', 'soon') : nothing}`
}

function roles({ roles: list, preConsentRoles }: CustomerRow): Markup {
  const { applicationAdministrator, privilegedRoleAdministrator } = preConsentRoles
  const enough = applicationAdministrator && privilegedRoleAdministrator
  return html`${enough ? pill('good', 'enough for pre-consent') : pill('mute', 'not for pre-consent')}
  ${
    list.length === 0
      ? nothing
      : html`<details class="quiet">
          <summary>${list.length} ${list.length === 1 ? 'role' : 'roles'}</summary>
          ${list.map((role) => html`<span class="note">${role.name ?? role.templateId}</span>`)}
        </details>`
  }`
}

function consent(row: CustomerRow): Content {
  return row.kind === null ? '–' : consentOf(row.consent)
}

function tenant({ tenant: linked, proposal, noProposal, imported }: CustomerRow): Markup {
  if (linked !== null)
    return html`${name(linked.name)} ${imported ? nothing : html`<span class="note">not imported</span>`}`
  if (proposal !== null) {
    return html`<span class="hint">seems to be</span> ${name(proposal.tenantName)}
      <span class="note">by ${proposal.by} ${proposal.matched}</span>`
  }
  return noProposal === null
    ? pill('mute', 'none')
    : html`${pill('mute', 'none')} <span class="note">${noProposal}</span>`
}

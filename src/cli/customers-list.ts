import { listKnownCustomers, type CustomerRow } from '../consent/customers/customers.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { tableLines, type Column } from './table.ts'

/** `customers list` */
export function list(context: CommandContext): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const customers = await listKnownCustomers(db)
    output.document({ customers })
    if (customers.length === 0) output.line('No customer yet. `entra-sync customers discover` reads them.')
    else {
      for (const line of customerLines(customers, output.width)) output.line(line)
      output.line(
        '\n+ is extended by itself. Roles for pre-consent: A Application Administrator, P Privileged Role Administrator.',
      )
    }
    if (customers.some(({ proposal }) => proposal !== null))
      output.line(
        '`entra-sync customers import --all --use-proposals` links customers to the tenants proposed with a `?`.',
      )
    return 0
  })
}

/** The table, one line a customer and partner. */
export function customerLines(customers: CustomerRow[], width: number | null): string[] {
  const partners = new Set(customers.map(({ partnerEntraTenantId }) => partnerEntraTenantId))
  const names = Map.groupBy(customers, ({ displayName }) => displayName?.toLowerCase() ?? '')
  const isAmbiguous = ({ displayName }: CustomerRow) =>
    new Set((names.get(displayName?.toLowerCase() ?? '') ?? []).map(({ entraTenantId }) => entraTenantId))
      .size > 1
  const name = (row: CustomerRow) => {
    const text = row.displayName?.trim() ? row.displayName : row.entraTenantId
    const shown = isAmbiguous(row) && text !== row.entraTenantId ? `${text} ${row.entraTenantId}` : text
    return row.isNew ? `${shown} (new)` : shown
  }
  const columns: Column<CustomerRow>[] = [
    { title: 'Customer', value: name },
    { title: 'Domain', value: ({ defaultDomain }) => defaultDomain ?? '–' },
    ...(partners.size > 1
      ? [{ title: 'Partner', value: ({ partnerName }: CustomerRow) => partnerName }]
      : []),
    { title: 'GDAP until', value: untilText },
    { title: 'Roles', value: rolesText },
    { title: 'Consent', value: ({ consent }) => consent?.replaceAll('_', ' ') ?? '–' },
    { title: 'Tenant', value: tenantText },
    { title: 'State', value: ({ state }) => state?.replaceAll('_', ' ') ?? 'not imported' },
  ]
  return tableLines(columns, customers, width)
}

/** What this partner's relationships with the customer come to. */
export function gdapText({ relationships, missingSince }: CustomerRow): string {
  if (relationships.some((relationship) => relationship.counts)) return 'active'
  if (missingSince !== null) return 'not listed'
  return relationships[0]?.status === 'active' ? 'ended' : (relationships[0]?.status ?? 'none')
}

/** The latest end of what counts, with `+` where that is extended by itself; or why nothing counts. */
function untilText(row: CustomerRow): string {
  const counting = row.relationships.filter((relationship) => relationship.counts)
  if (counting.length === 0) return gdapText(row)
  const ends = counting.flatMap(({ endsAt }) => (endsAt === null ? [] : [endsAt.getTime()]))
  if (ends.length < counting.length) return 'no end'
  const day = new Date(Math.max(...ends)).toISOString().slice(0, 10)
  return counting.some(({ autoExtends }) => autoExtends) ? `${day} +` : day
}

/** Of the two that pre-consent needs: A for Application Administrator, P for Privileged Role Administrator. */
function rolesText({ roles, preConsentRoles }: CustomerRow): string {
  const { applicationAdministrator, privilegedRoleAdministrator } = preConsentRoles
  const held = `${applicationAdministrator ? 'A' : '-'}${privilegedRoleAdministrator ? 'P' : '-'}`
  return `${roles.length} ${held}`
}

function tenantText({ tenant, proposal, noProposal }: CustomerRow): string {
  if (tenant !== null) return tenant.name
  if (proposal !== null) return `${proposal.tenantName}? (${proposal.by})`
  return noProposal === null ? '–' : 'several match'
}

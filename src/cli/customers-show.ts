import { sql, type Kysely } from 'kysely'
import { listKnownCustomers, type CustomerRow } from '../consent/customers/customers.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { gdapText } from './customers-list.ts'
import { customerIdOf } from './find-customer.ts'
import { tableLines } from './table.ts'
import { printable } from './text.ts'

interface Problem {
  code: string
  message: string
  remedy: string
}

/** `customers show ID` */
export function show(context: CommandContext, text: string): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const all = await listKnownCustomers(db)
    const id = customerIdOf(all, text)
    const [first, ...others] = all.filter(({ entraTenantId }) => entraTenantId === id)
    if (first === undefined) {
      throw new EntraSyncError('input', `No partner's list names ${id}.`, {
        code: 'customer_unknown',
        remedy:
          'entra-sync customers discover reads the lists anew; entra-sync status shows other Entra tenants.',
      })
    }
    const problems = await readProblems(db, id)
    const partners = [first, ...others]
    output.document({ ...customerDocument(first, partners), problems })
    printFacts(output, first)
    for (const partner of partners) printPartner(output, partner)
    for (const { code, message, remedy } of problems) {
      output.line(`\n${printable(message)} [${code}]`)
      output.line(`  ${printable(remedy)}`)
    }
    return 0
  })
}

/** What is the customer's stands at the top, what is one partner's under `partners`. */
function customerDocument(customer: CustomerRow, partners: CustomerRow[]): object {
  const theirs = partnerKeys.map((key): string => key)
  const shared = Object.fromEntries(Object.entries(customer).filter(([key]) => !theirs.includes(key)))
  return {
    ...shared,
    partners: partners.map((row) => Object.fromEntries(partnerKeys.map((key) => [key, row[key]]))),
  }
}

const partnerKeys = [
  'partnerEntraTenantId',
  'partnerName',
  'relationships',
  'roles',
  'preConsentRoles',
  'firstSeenAt',
  'isNew',
  'missingSince',
] as const satisfies (keyof CustomerRow)[]

async function readProblems(db: Kysely<Database>, entraTenantId: string): Promise<Problem[]> {
  const { rows } = await sql<Problem>`
    select code, message, remedy from entra_sync.open_problems
    where entra_tenant_id = ${entraTenantId} and not silenced order by opened_at, code`.execute(db)
  return rows
}

function printFacts(output: Output, row: CustomerRow): void {
  const ends = row.gdapEndsAt === null ? '' : `, until ${day(row.gdapEndsAt)}`
  const facts: [string, string][] = [
    ['Customer', `${row.displayName ?? '?'} (${row.entraTenantId})`],
    ['Domains', row.domains.join(', ') || 'none known yet'],
    ['State', row.state === null ? 'not imported' : `${row.kind}, ${row.state}`],
    [
      'GDAP',
      `${row.gdapActive ? 'active' : 'not active'}${ends}${row.gdapAutoExtends ? ', auto-extends' : ''}`,
    ],
    ['Consent', row.consent?.replaceAll('_', ' ') ?? 'not proved yet'],
    ['Tenant', row.tenant?.name ?? 'not linked'],
  ]
  if (row.proposal !== null)
    facts.push([
      'Proposal',
      `${row.proposal.tenantName}, by ${row.proposal.by} ${row.proposal.matched}: entra-sync customers import ${row.entraTenantId} --use-proposals`,
    ])
  if (row.noProposal !== null) facts.push(['No proposal', row.noProposal])
  for (const [title, value] of facts) output.line(`${title.padEnd(12)} ${printable(value)}`)
}

function printPartner(output: Output, row: CustomerRow): void {
  const gone = row.missingSince === null ? '' : `, not listed since ${day(row.missingSince)}`
  output.line(`\nThrough ${printable(row.partnerName)}: ${gdapText(row)}${gone}`)
  const roles = row.roles.map(({ name, templateId }) => name ?? templateId).join(', ')
  output.line(`  Roles: ${printable(roles) || 'none'}`)
  const { applicationAdministrator, privilegedRoleAdministrator } = row.preConsentRoles
  const lacking = [
    ...(applicationAdministrator ? [] : ['Application Administrator']),
    ...(privilegedRoleAdministrator ? [] : ['Privileged Role Administrator']),
  ]
  output.line(
    `  Pre-consent: ${lacking.length === 0 ? 'its two roles are in' : `lacks ${lacking.join(' and ')}`}`,
  )
  const lines = tableLines(
    [
      { title: 'Relationship', value: ({ displayName, relationshipId }) => displayName ?? relationshipId },
      {
        title: 'Status',
        value: ({ status, counts }) => (counts || status !== 'active' ? status : 'active, does not count'),
      },
      { title: 'Ends', value: ({ endsAt }) => (endsAt === null ? '–' : day(endsAt)) },
      { title: 'Auto-extend', value: ({ autoExtends }) => (autoExtends ? 'yes' : 'no') },
      { title: 'Roles', value: ({ roles: held }) => String(held.length), align: 'right' },
      {
        title: 'Missing since',
        value: ({ missingSince }) => (missingSince === null ? '–' : day(missingSince)),
      },
    ],
    row.relationships,
    output.width === null ? null : output.width - 2,
  )
  if (row.relationships.length > 0) for (const line of lines) output.line(`  ${line}`)
}

const day = (at: Date): string => at.toISOString().slice(0, 10)

import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError, isEntraSyncError } from '../../errors.ts'
import type { GraphClient } from '../../graph/client.ts'
import { listContracts } from '../../graph/contracts.ts'
import {
  listCustomers,
  listRelationships,
  type GdapCustomer,
  type GdapRelationship,
} from '../../graph/gdap.ts'
import type { Log } from '../../log.ts'
import { markMissing, saveDomains, upsertCustomers, upsertRelationships } from './discovery-rows.ts'
import { refreshGdapProblems } from './gdap-problems.ts'
import { knownStatuses } from './relationships.ts'

export interface DiscoveryContext {
  db: Kysely<Database>
  graphFor(entraTenantId: string): GraphClient
  log: Log
}

export interface Discovery {
  customers: number
  added: number
  /** Customers that the list named before and does not name now. */
  missing: number
  relationships: number
}

/** How many new customers a line of the log names. */
const mostNamed = 20

/**
 * Reads a partner's GDAP customers and relationships to their ends, then writes both in one transaction, and opens and
 * closes the problems of relationships. An error is never an empty list: any failing page throws and leaves what is
 * known as it was. An empty list marks nothing as missing either, since a lost role can look like one. Rows of other
 * partners are not touched. Throws what Graph's errors become, and `input` for an Entra tenant that is not known or is
 * a customer itself.
 */
export async function discoverCustomers(
  { db, graphFor, log }: DiscoveryContext,
  partnerEntraTenantId: string,
  signal: AbortSignal,
): Promise<Discovery> {
  await requirePartner(db, partnerEntraTenantId)
  const client = graphFor(partnerEntraTenantId)
  const customers = new Map<string, GdapCustomer>()
  for await (const page of listCustomers(client, { signal })) {
    for (const customer of page) customers.set(customer.entraTenantId, customer)
  }
  const relationships = new Map<string, GdapRelationship>()
  for await (const page of listRelationships(client, { signal })) {
    for (const relationship of page) relationships.set(relationship.relationshipId, relationship)
  }
  const domains =
    customers.size === 0
      ? new Map<string, string>()
      : await readDomains(client, partnerEntraTenantId, log, signal)
  const { fresh, missing } = await db.transaction().execute(async (trx) => {
    // Two discoveries of one partner at once would each mark what the other has just read.
    await sql`select 1 from entra_sync.entra_tenants where entra_tenant_id = ${partnerEntraTenantId} for no key update`.execute(
      trx,
    )
    const fresh = await upsertCustomers(trx, partnerEntraTenantId, [...customers.values()])
    await upsertRelationships(trx, partnerEntraTenantId, [...relationships.values()])
    await saveDomains(trx, partnerEntraTenantId, domains)
    const whole = customers.size > 0 && relationships.size > 0
    const missing = whole
      ? await markMissing(trx, partnerEntraTenantId, [...customers.keys()], [...relationships.keys()])
      : 0
    return { fresh, missing }
  })
  await refreshGdapProblems(db)
  const found = {
    customers: customers.size,
    added: fresh.length,
    missing,
    relationships: relationships.size,
  }
  log.info({ partnerEntraTenantId, ...found }, 'customers discovered')
  if (fresh.length > 0)
    log.info({ partnerEntraTenantId, new: fresh.slice(0, mostNamed) }, 'new customers appeared')
  warnOfStatuses(relationships.values(), partnerEntraTenantId, log)
  return found
}

async function requirePartner(db: Kysely<Database>, entraTenantId: string): Promise<void> {
  const { rows } = await sql<{ kind: string }>`
    select kind from entra_sync.tenant_status where entra_tenant_id = ${entraTenantId}`.execute(db)
  const kind = rows[0]?.kind
  if (kind === undefined) {
    throw new EntraSyncError('input', `There is no Entra tenant ${entraTenantId}.`, {
      code: 'entra_tenant_unknown',
      remedy: 'Set up the partner first: entra-sync init.',
    })
  }
  if (kind === 'customer') {
    throw new EntraSyncError('input', `Entra tenant ${entraTenantId} is a customer, no partner.`, {
      code: 'not_a_partner',
      remedy: `If it has customers of its own, make it standalone first: entra-sync customers detach ${entraTenantId}.`,
    })
  }
}

/** Default domains by Entra tenant id. An optional read: whatever fails, no customer goes unseen for it. */
async function readDomains(
  client: GraphClient,
  partnerEntraTenantId: string,
  log: Log,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const domains = new Map<string, string>()
  try {
    for await (const page of listContracts(client, { signal })) {
      for (const { entraTenantId, defaultDomain } of page) domains.set(entraTenantId, defaultDomain)
    }
  } catch (error) {
    if (!isEntraSyncError(error) || error.kind === 'aborted') throw error
    const { code, status, requestId } = error
    const facts = { partnerEntraTenantId, code, status, requestId }
    if (status === 403) log.debug(facts, 'contracts may not be read: Directory.Read.All is not granted')
    else log.warn(facts, 'contracts could not be read: domains of customers stay as they are')
  }
  return domains
}

function warnOfStatuses(relationships: Iterable<GdapRelationship>, partner: string, log: Log): void {
  const known: readonly string[] = knownStatuses
  const unknown = [...relationships].filter(({ status }) => !known.includes(status))
  if (unknown.length === 0) return
  const statuses = [...new Set(unknown.map(({ status }) => status))].slice(0, mostNamed)
  log.warn(
    { partnerEntraTenantId: partner, relationships: unknown.length, statuses },
    'relationships have statuses that are not documented: those known before stay',
  )
}

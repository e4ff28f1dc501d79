import { sql, type Kysely } from 'kysely'
import { discoverCustomers, listKnownCustomers, type CustomerRow } from '../consent/customers/customers.ts'
import type { Database } from '../db/tables.ts'
import { importCustomers as importListed } from '../consent/customers/import-customers.ts'
import { EntraSyncError } from '../errors.ts'
import { syncNow } from '../jobs/enqueue.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, withQueues, type CommandContext } from './context.ts'
import { withGraph } from './graph.ts'
import { tableLines } from './table.ts'
import { printable } from './text.ts'

/** `customers discover`: reads every partner's list now, in this process; no daemon is needed. */
export function discover(context: CommandContext): Promise<number> {
  const { output, log, signal } = context
  return withDatabase(context, async (db) => {
    const partners = await readPartners(db)
    const found = []
    for (const { entraTenantId, name } of partners) {
      const discovery = await withGraph(context, db, (graph) =>
        discoverCustomers({ db, graphFor: (id) => graph.forTenant(id), log }, entraTenantId, signal),
      )
      found.push({ partnerEntraTenantId: entraTenantId, ...discovery })
      const { customers, added, missing, relationships } = discovery
      const gone = missing === 0 ? '' : `, ${missing} no longer listed`
      output.line(
        `${printable(name)}: ${customers} customers (${added} new${gone}), ${relationships} relationships.`,
      )
    }
    output.line(
      '`entra-sync customers list` shows them, `entra-sync customers import --all` has them synced.',
    )
    output.document({ discovered: found })
    return 0
  })
}

/** `customers list` */
export function list(context: CommandContext): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const customers = await listKnownCustomers(db)
    output.document({ customers })
    if (customers.length === 0) output.line('No customer yet. `entra-sync customers discover` reads them.')
    else for (const line of customerLines(customers, output.width)) output.line(line)
    return 0
  })
}

function customerLines(customers: CustomerRow[], width: number | null): string[] {
  return tableLines(
    [
      { title: 'Customer', value: ({ displayName }) => displayName ?? '?' },
      { title: 'Entra tenant', value: ({ entraTenantId }) => entraTenantId },
      { title: 'Imported', value: ({ imported }) => (imported ? 'yes' : 'no') },
      { title: 'GDAP', value: gdap },
    ],
    customers,
    width,
  )
}

function gdap({ gdapActive, gdapEndsAt, missingSince }: CustomerRow): string {
  if (missingSince !== null) return `not listed since ${missingSince.toISOString().slice(0, 10)}`
  if (!gdapActive) return 'not active'
  return gdapEndsAt === null ? 'active' : `active until ${gdapEndsAt.toISOString().slice(0, 10)}`
}

/** `customers import`: makes the tenants and asks for their first sync. */
export function importCustomers(context: CommandContext, given: string[] | 'all'): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db, url) => {
    const which = given === 'all' ? given : idsOf(await listKnownCustomers(db), given)
    const { imported, already } = await importListed(db, which, actorOfCommand())
    if (imported.length + already.length === 0) {
      throw new EntraSyncError('input', 'No customer with an active GDAP relationship is known.', {
        code: 'no_customer',
        remedy:
          'Read them first: entra-sync customers discover; entra-sync customers list shows what is missing.',
      })
    }
    output.line(`Imported ${imported.length} customers; ${already.length} were imported already.`)
    if (imported.length > 0) {
      await withQueues(context, url, async (queues) => {
        for (const entraTenantId of imported)
          await syncNow(db, queues, { entraTenantId, requestedBy: 'import' })
      })
      output.line('Their first sync is asked for; `entra-sync status` shows how far it is.')
    }
    output.document({ imported, already })
    return 0
  })
}

/** Ids pass as they are (import tells which are unknown); names must mean one customer. */
function idsOf(customers: CustomerRow[], given: string[]): string[] {
  return given.map((text) => {
    const wanted = text.trim().toLowerCase()
    const named = customers.filter(({ displayName }) => displayName?.toLowerCase() === wanted)
    const ids = [...new Set(named.map(({ entraTenantId }) => entraTenantId))]
    if (ids.length === 1) return ids[0] ?? wanted
    if (ids.length === 0 && guid.test(wanted)) return wanted
    const message = `"${printable(text)}" means ${ids.length === 0 ? 'no customer that was found' : ids.join(' or ')}.`
    throw new EntraSyncError('input', message, {
      code: ids.length === 0 ? 'customer_unknown' : 'customer_ambiguous',
      remedy:
        'Use an id that entra-sync customers list shows; entra-sync customers discover reads the list anew.',
    })
  })
}

const guid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

async function readPartners(db: Kysely<Database>): Promise<{ entraTenantId: string; name: string }[]> {
  const { rows } = await sql<{ entraTenantId: string; name: string }>`
    select entra_tenant_id as "entraTenantId", coalesce(display_name, entra_tenant_id::text) as name
    from entra_sync.tenant_status where kind = 'partner' and scheduled order by 2`.execute(db)
  if (rows.length > 0) return rows
  throw new EntraSyncError('input', 'No partner is set up.', {
    code: 'no_partner',
    remedy: 'Make the first tenant: entra-sync init --name NAME --entra-tenant ID.',
  })
}

import { sql, type Kysely } from 'kysely'
import { listKnownCustomers } from '../consent/customers/customers.ts'
import {
  importCustomers as importListed,
  type ImportOptions,
  type ImportResult,
} from '../consent/customers/import-customers.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import { syncNow } from '../jobs/enqueue.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, withQueues, type CommandContext, type Output } from './context.ts'
import { customerIdOf } from './find-customer.ts'
import { printable } from './text.ts'

/**
 * `customers import`: makes the tenants, or links to those that exist, and asks for the first sync of whoever may be
 * read; of the others it says what comes next.
 */
export function importCustomers(
  context: CommandContext,
  given: string[] | 'all',
  options: ImportOptions,
): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db, url) => {
    const which = given === 'all' ? given : await idsOf(db, given)
    const into = options.into === undefined ? undefined : await tenantIdOf(db, options.into)
    const result = await importListed(db, which, actorOfCommand(), { ...options, into })
    const { imported, already, left = [] } = result
    if (imported.length + already.length + left.length === 0) {
      throw new EntraSyncError('input', 'No customer with an active GDAP relationship is known.', {
        code: 'no_customer',
        remedy:
          'Read them first: entra-sync customers discover; entra-sync customers list shows what is missing.',
      })
    }
    const states = await readNext(db, imported)
    const ready = states.filter(({ scheduled }) => scheduled)
    const waiting = states.filter(({ scheduled }) => !scheduled)
    if (ready.length > 0) {
      await withQueues(context, url, async (queues) => {
        for (const { entraTenantId } of ready)
          await syncNow(db, queues, { entraTenantId, requestedBy: 'import' })
      })
    }
    print(output, result, ready, waiting)
    output.document({
      ...result,
      syncing: ready.map(({ entraTenantId }) => entraTenantId),
      waiting: waiting.map(({ entraTenantId, name, state }) => ({ entraTenantId, name, state })),
    })
    return 0
  })
}

function print(output: Output, result: ImportResult, ready: Next[], waiting: Next[]): void {
  const { imported, already, linked = [], left = [] } = result
  output.line(`Imported ${imported.length} customers; ${already.length} were imported already.`)
  for (const { name, tenantName, by } of linked) {
    const how = by === 'operator' ? '' : `, matched by ${by}`
    output.line(`${printable(name)} is linked to the existing tenant ${printable(tenantName)}${how}.`)
  }
  for (const { name, entraTenantId, code, reason } of left)
    output.notice(`Left out: ${printable(name)} (${entraTenantId}). ${printable(reason)} ${advice(code)}`)
  if (ready.length > 0) output.line('Their first sync is asked for; `entra-sync status` shows how far it is.')
  if (ready.some(({ consent }) => consent === null))
    output.line(
      'Consent was not proved yet: the sync tells. Where it is missing: entra-sync consent url ID for an admin of the customer, or entra-sync preconsent ID.',
    )
  for (const { name, entraTenantId, state } of waiting)
    output.line(
      `${printable(name)} is not synced yet: ${state.replaceAll('_', ' ')}. Next: ${next(state, entraTenantId)}`,
    )
}

function advice(code: string): string {
  if (code === 'tenant_matches')
    return 'Import it with --use-proposals, --into TENANT, or --new for another tenant.'
  return 'Name it to import it all the same.'
}

function next(state: string, id: string): string {
  if (state === 'paused') return `entra-sync resume ${id}.`
  if (state === 'consent_required')
    return `entra-sync consent url ${id} for an admin of the customer, or entra-sync preconsent ${id}.`
  return `entra-sync status ${id} tells more.`
}

interface Next {
  entraTenantId: string
  name: string
  state: string
  scheduled: boolean
  consent: string | null
}

async function readNext(db: Kysely<Database>, ids: string[]): Promise<Next[]> {
  const { rows } = await sql<Next>`
    select entra_tenant_id as "entraTenantId", coalesce(display_name, entra_tenant_id::text) as name, state, scheduled, consent
    from entra_sync.tenant_status where entra_tenant_id = any (${ids}::uuid[])
    order by lower(display_name), entra_tenant_id`.execute(db)
  return rows
}

async function idsOf(db: Kysely<Database>, given: string[]): Promise<string[]> {
  const customers = await listKnownCustomers(db)
  return [...new Set(given.map((text) => customerIdOf(customers, text)))]
}

/** The ImmyBot tenant that an operator means by id, slug or name. */
async function tenantIdOf(db: Kysely<Database>, text: string): Promise<string> {
  const wanted = text.trim().toLowerCase()
  const { rows } = await sql<{ id: string }>`
    select tenant_id as id from entra_sync.tenants
    where tenant_id::text = ${wanted} or slug = ${wanted} or lower(name) = ${wanted} order by 1`.execute(db)
  const [only] = rows
  if (only !== undefined && rows.length === 1) return only.id
  const message = `"${printable(text)}" means ${rows.length === 0 ? 'no tenant' : `the tenants ${rows.map(({ id }) => id).join(', ')}`}.`
  throw new EntraSyncError('input', message, {
    code: rows.length === 0 ? 'tenant_unknown' : 'tenant_ambiguous',
    remedy: 'Use the id or the slug of a tenant.',
  })
}

import { sql, type Kysely } from 'kysely'
import { discoverCustomers, type Discovery } from '../consent/customers/discover.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { explainFailure, type Failure } from './failure.ts'
import { findEntraTenant } from './find-tenant.ts'
import { withGraph } from './graph.ts'
import { printable } from './text.ts'

interface Partner {
  entraTenantId: string
  name: string
}

/**
 * `customers discover`: reads the lists of every partner now, or of those named, in this process; no daemon is needed.
 * One that fails keeps no other from being read; the exit code is 1 then.
 */
export function discover(context: CommandContext, named: string[]): Promise<number> {
  const { output, log, signal } = context
  return withDatabase(context, async (db) => {
    const partners = named.length === 0 ? await readPartners(db) : await findPartners(db, named)
    const discovered: (Discovery & { partnerEntraTenantId: string })[] = []
    const failed: { partnerEntraTenantId: string; error: Failure['document'] }[] = []
    await withGraph(context, db, async (graph) => {
      for (const { entraTenantId, name } of partners) {
        try {
          const discovery = await discoverCustomers(
            { db, graphFor: graph.forTenant, log },
            entraTenantId,
            signal,
          )
          discovered.push({ partnerEntraTenantId: entraTenantId, ...discovery })
          output.line(`${printable(name)}: ${describe(discovery)}`)
        } catch (error) {
          if (signal.aborted || partners.length === 1) throw error
          const failure = explainFailure(error)
          failed.push({ partnerEntraTenantId: entraTenantId, error: failure.document })
          output.notice(`${printable(name)}: ${failure.text} Nothing was changed for this partner.`)
        }
      }
    })
    if (discovered.length > 0)
      output.line(
        '`entra-sync customers list` shows them, `entra-sync customers import --all` has them synced.',
      )
    output.document({ discovered, ...(failed.length > 0 && { failed }) })
    return failed.length === 0 ? 0 : 1
  })
}

function describe({ customers, added, missing, relationships }: Discovery): string {
  const gone = missing === 0 ? '' : `, ${missing} no longer listed`
  return `${customers} customers (${added} new${gone}), ${relationships} relationships.`
}

/** A customer is told so by the discovery itself, before anything is asked of Microsoft. */
async function findPartners(db: Kysely<Database>, named: string[]): Promise<Partner[]> {
  const found: Partner[] = []
  for (const text of named) {
    const { entraTenantId, name } = await findEntraTenant(db, text)
    if (!found.some((other) => other.entraTenantId === entraTenantId)) found.push({ entraTenantId, name })
  }
  return found
}

async function readPartners(db: Kysely<Database>): Promise<Partner[]> {
  const { rows } = await sql<Partner & { scheduled: boolean; state: string }>`
    select entra_tenant_id as "entraTenantId", coalesce(display_name, entra_tenant_id::text) as name, scheduled, state
    from entra_sync.tenant_status where kind = 'partner' order by 2, 1`.execute(db)
  const partners = rows.filter(({ scheduled }) => scheduled)
  if (partners.length > 0) return partners
  const [unread] = rows
  if (unread !== undefined) {
    const { entraTenantId, name, state } = unread
    throw new EntraSyncError('input', `The partner ${printable(name)} is not read now: ${state}.`, {
      code: 'partner_not_read',
      remedy:
        state === 'consent_required'
          ? `Make a link for its admin: entra-sync consent url ${entraTenantId}.`
          : `entra-sync status ${entraTenantId} tells more.`,
      tenant: entraTenantId,
    })
  }
  throw new EntraSyncError('input', 'No partner is set up.', {
    code: 'no_partner',
    remedy: 'Make the first tenant: entra-sync init --name NAME --entra-tenant DOMAIN.',
  })
}

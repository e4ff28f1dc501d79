import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import { findEntraTenant } from './find-tenant.ts'
import { printable } from './text.ts'

export interface FoundPartner {
  entraTenantId: string
  /** Safe to print. */
  name: string
}

/** The partner that is meant; without a text the only one there is. Throws kind `input` for none, or several. */
export async function findPartner(db: Kysely<Database>, text: string | undefined): Promise<FoundPartner> {
  if (text !== undefined) return findEntraTenant(db, text)
  const { rows } = await sql<FoundPartner>`
    select entra_tenant_id as "entraTenantId",
      coalesce(display_name, default_domain, entra_tenant_id::text) as name
    from entra_sync.tenant_status where kind = 'partner' and state not in ('gone', 'offboarded')
    order by lower(display_name)`.execute(db)
  const [only] = rows
  if (only === undefined) {
    throw new EntraSyncError('input', 'No partner is set up.', {
      code: 'no_partner',
      remedy: 'Make the first tenant: entra-sync init --entra-tenant ID; then entra-sync customers discover.',
    })
  }
  if (rows.length > 1) {
    const all = rows.map(({ name, entraTenantId }) => `${printable(name)} (${entraTenantId})`).join(', ')
    throw new EntraSyncError('input', `There is more than one partner: ${all}.`, {
      code: 'partner_ambiguous',
      remedy: 'Say which one is meant, by id, domain or name.',
    })
  }
  return { ...only, name: printable(only.name) }
}

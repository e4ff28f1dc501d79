import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import { printable } from './text.ts'

export interface FoundTenant {
  entraTenantId: string
  /** For messages; safe to print. */
  name: string
  /** As the view tenant_status derives it. */
  state: string
  scheduled: boolean
}

/**
 * The Entra tenant that an operator means by its id, a domain, its name, or the slug or name of a tenant linked to it.
 * Letter case does not count. Throws kind `input` when there is none, or more than one.
 */
export async function findEntraTenant(db: Kysely<Database>, text: string): Promise<FoundTenant> {
  const wanted = text.trim().toLowerCase()
  const { rows } = await sql<{
    id: string
    name: string | null
    domain: string | null
    state: string
    scheduled: boolean
  }>`
    select s.entra_tenant_id as id, s.display_name as name, s.default_domain as domain, s.state, s.scheduled
    from entra_sync.tenant_status s join entra_sync.entra_tenants e using (entra_tenant_id)
    where e.entra_tenant_id::text = ${wanted}
      or lower(e.display_name) = ${wanted}
      or lower(e.default_domain) = ${wanted}
      or exists (select 1 from unnest(e.domains) as d where lower(d) = ${wanted})
      or exists (
        select 1 from entra_sync.tenant_links l join entra_sync.tenants t using (tenant_id)
        where l.entra_tenant_id = e.entra_tenant_id and (t.slug = ${wanted} or lower(t.name) = ${wanted}))
    order by s.display_name, s.entra_tenant_id`.execute(db)
  const [only] = rows
  if (only === undefined) {
    throw new EntraSyncError('input', `No Entra tenant is known as "${printable(text)}".`, {
      code: 'tenant_unknown',
      remedy: '`entra-sync status` lists all of them; an id, a domain, a name or a slug will do.',
    })
  }
  if (rows.length > 1) {
    const all = rows.map(({ id, name }) => `${printable(name ?? '?')} (${id})`).join(', ')
    throw new EntraSyncError('input', `"${printable(text)}" means more than one Entra tenant: ${all}.`, {
      code: 'tenant_ambiguous',
      remedy: 'Use the id.',
    })
  }
  return {
    entraTenantId: only.id,
    name: printable(only.name ?? only.domain ?? only.id),
    state: only.state,
    scheduled: only.scheduled,
  }
}

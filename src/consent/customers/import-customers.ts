import { sql, type Kysely, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { uniqueSlug } from '../links/slug.ts'

export interface ImportResult {
  /** Entra tenants that are new, or became a customer of this partner. Each wants its first sync now. */
  imported: string[]
  /** Entra tenants that had been imported before. */
  already: string[]
}

interface Candidate {
  id: string
  partner: string
  name: string
  active: boolean
  known: boolean
  imported: boolean
  linked: boolean
}

/**
 * Imports GDAP customers: an Entra tenant, an ImmyBot tenant named after it and the default link between them.
 * `all` takes every listed customer with an active relationship; named ones must be listed and active, else nothing is
 * imported and the `input` error names them. Doing it again changes nothing. The first sync is due a minute from now
 * unless the caller asks for it at once, as the commands do.
 */
export async function importCustomers(
  db: Kysely<Database>,
  which: string[] | 'all',
  actor: string,
): Promise<ImportResult> {
  return db.transaction().execute(async (trx) => {
    // Slugs are unique over all tenants: one import at a time finds a free one for each.
    await sql`lock table entra_sync.tenants in share row exclusive mode`.execute(trx)
    const listed = await readCandidates(trx, which)
    const chosen = which === 'all' ? listed.filter((one) => one.active || one.imported) : listed
    if (which !== 'all') refuseUnfit(which, listed)
    const fresh = chosen.filter((one) => !one.imported)
    await insertEntraTenants(trx, fresh)
    await insertTenants(
      trx,
      chosen.filter((one) => !one.linked),
    )
    await audit(trx, fresh, actor)
    return {
      imported: fresh.map((one) => one.id),
      already: chosen.filter((one) => one.imported).map((one) => one.id),
    }
  })
}

async function readCandidates(db: Transaction<Database>, which: string[] | 'all'): Promise<Candidate[]> {
  const { rows } = await sql<Candidate>`
    select distinct on (c.entra_tenant_id) c.entra_tenant_id as id, c.partner_entra_tenant_id as partner,
      coalesce(nullif(trim(c.display_name), ''), c.entra_tenant_id::text) as name,
      coalesce(g.active, false) as active,
      e.entra_tenant_id is not null as known,
      e.partner_entra_tenant_id is not null as imported,
      exists (select from entra_sync.tenant_links l where l.entra_tenant_id = c.entra_tenant_id and l.domain is null) as linked
    from entra_sync.gdap_customers c
    left join entra_sync.gdap_status g using (entra_tenant_id)
    left join entra_sync.entra_tenants e using (entra_tenant_id)
    where ${which === 'all' ? sql`c.missing_since is null or e.partner_entra_tenant_id is not null` : sql`c.entra_tenant_id = any (${which}::uuid[])`}
    order by c.entra_tenant_id, c.last_seen_at desc`.execute(db)
  return rows
}

function refuseUnfit(which: string[], listed: Candidate[]): void {
  const byId = new Map(listed.map((one) => [one.id, one]))
  const unknown = which.filter((id) => !byId.has(id.toLowerCase()))
  if (unknown.length > 0) {
    throw new EntraSyncError('input', `No partner's list names ${unknown.join(', ')}.`, {
      code: 'customer_unknown',
      remedy: 'Run entra-sync customers discover, then entra-sync customers list shows who can be imported.',
    })
  }
  const inactive = listed.filter((one) => !one.active && !one.imported)
  if (inactive.length > 0) {
    const names = inactive.map((one) => `${one.name} (${one.id})`).join(', ')
    throw new EntraSyncError('input', `No active GDAP relationship with ${names}.`, {
      code: 'gdap_not_active',
      remedy: 'Have the customer approve a GDAP relationship, then run entra-sync customers discover.',
    })
  }
}

async function insertEntraTenants(db: Transaction<Database>, fresh: Candidate[]): Promise<void> {
  const list = JSON.stringify(fresh)
  await sql`
    insert into entra_sync.entra_tenants as e (entra_tenant_id, display_name, partner_entra_tenant_id, next_sync_at)
    select id, name, partner, now() + interval '1 minute'
    from jsonb_to_recordset(${list}::jsonb) as list (id uuid, name text, partner uuid)
    on conflict (entra_tenant_id) do update
      set partner_entra_tenant_id = coalesce(e.partner_entra_tenant_id, excluded.partner_entra_tenant_id)`.execute(
    db,
  )
}

/** One ImmyBot tenant and its default link for each that has none. */
async function insertTenants(db: Transaction<Database>, unlinked: Candidate[]): Promise<void> {
  const { rows } = await sql<{ slug: string }>`select slug from entra_sync.tenants`.execute(db)
  const taken = new Set(rows.map((row) => row.slug))
  const list = JSON.stringify(unlinked.map(({ id, name }) => ({ id, name, slug: uniqueSlug(name, taken) })))
  await sql`
    with wanted as (
      select id, name, slug from jsonb_to_recordset(${list}::jsonb) as list (id uuid, name text, slug text)
    ), made as (
      insert into entra_sync.tenants (name, slug) select name, slug from wanted returning tenant_id, slug
    )
    insert into entra_sync.tenant_links (tenant_id, entra_tenant_id)
    select made.tenant_id, wanted.id from made join wanted using (slug)`.execute(db)
}

async function audit(db: Transaction<Database>, fresh: Candidate[], actor: string): Promise<void> {
  const list = JSON.stringify(fresh)
  await sql`
    insert into entra_sync.audit_log (actor, action, entra_tenant_id, detail)
    select ${actor}, 'customer_imported', id, jsonb_build_object('name', name, 'partner', partner)
    from jsonb_to_recordset(${list}::jsonb) as list (id uuid, name text, partner uuid)`.execute(db)
}

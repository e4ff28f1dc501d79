import { sql, type Kysely, type Transaction } from 'kysely'
import { lockLinks, lockPages } from '../../db/link-lock.ts'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { reinstate } from '../offboard/reinstate.ts'
import { settleNewDefault } from '../links/new-default.ts'
import { uniqueSlug } from '../links/slug.ts'
import { refreshIn } from './gdap-problems.ts'
import { named, readCandidates, refuseUnfit, type Candidate } from './import-candidates.ts'
import { linkExisting, requireFree, type Chosen } from './link-existing.ts'
import type { Match } from './proposals.ts'
import { readMatches } from './read-proposals.ts'

export interface ImportOptions {
  /** Id of the existing tenant that the one customer named is linked to, instead of a new one. */
  into?: string | undefined
  /** Link customers to the tenants proposed for them. */
  useProposals?: boolean | undefined
  /** Make a new tenant even where one without a link matches. */
  anew?: boolean | undefined
}

export interface ImportResult {
  /** Entra tenants that are new, or became a customer of this partner. Each wants its first sync now. */
  imported: string[]
  /** Entra tenants that had been imported before. */
  already: string[]
  /** Customers that were linked to tenants that existed; absent where there are none. */
  linked?: (Chosen & { name: string })[]
  /** Customers that "all" left out, and why; absent where there are none. */
  left?: Left[]
}

export interface Left {
  entraTenantId: string
  name: string
  code: 'tenant_matches' | 'standalone' | 'offboarded'
  reason: string
}

/**
 * Imports GDAP customers: an Entra tenant, an ImmyBot tenant named after it (or one that exists) and the default link
 * between them. `all` takes every listed customer with an active relationship, but leaves out, and tells, those that an
 * operator made standalone or offboarded and those that would double a tenant without a link; named ones must be listed
 * and active, else nothing is imported and the `input` error names them. Doing it again changes nothing. The first
 * sync is due a minute from now unless the caller asks for it at once, as the commands do.
 */
export async function importCustomers(
  db: Kysely<Database>,
  which: string[] | 'all',
  actor: string,
  options: ImportOptions = {},
): Promise<ImportResult> {
  return db.transaction().execute(async (trx) => {
    // Slugs are unique over all tenants: one import at a time finds a free one for each.
    await lockLinks(trx)
    const listed = await readCandidates(trx, which)
    if (which !== 'all') refuseUnfit(which, listed)
    const able = which === 'all' ? listed.filter(isAble) : listed
    const { chosen: fit, left } = which === 'all' ? leaveDeliberate(able) : { chosen: able, left: [] }
    const { existing, doubles } = await choose(trx, fit, options)
    if (which !== 'all') refuseDoubles(doubles)
    const chosen = fit.filter((one) => !doubles.has(one.id))
    const fresh = chosen.filter((one) => !one.imported)
    await insertEntraTenants(trx, fresh)
    // One that was known before may be read at this moment: its pages lock the lease first, then its row.
    await lockPages(
      trx,
      chosen.map((one) => one.id),
    )
    await becomeCustomers(trx, fresh)
    for (const { id } of chosen) await reinstate(trx, id)
    await linkExisting(trx, [...existing.values()])
    await insertTenants(
      trx,
      chosen.filter((one) => one.linkedTo === null && !existing.has(one.id)),
    )
    await audit(trx, chosen, existing, actor)
    await refreshIn(trx, null)
    const linked = chosen.flatMap(({ id, name }) => {
      const link = existing.get(id)
      return link === undefined ? [] : [{ ...link, name }]
    })
    const leftOut = [
      ...left,
      ...[...doubles.values()].map(({ candidate, match }) => doubled(candidate, match)),
    ]
    return {
      imported: fresh.map((one) => one.id),
      already: chosen.filter((one) => one.imported).map((one) => one.id),
      ...(linked.length > 0 && { linked }),
      ...(leftOut.length > 0 && { left: leftOut }),
    }
  })
}

const isAble = (one: Candidate) => (one.active || one.imported) && !one.isPartner

/** "All" does not undo what an operator did on purpose. */
function leaveDeliberate(able: Candidate[]): { chosen: Candidate[]; left: Left[] } {
  const left = able.flatMap(({ id, name, standalone, offboarded }): Left[] => {
    if (offboarded) return [{ entraTenantId: id, name, code: 'offboarded', reason: 'It was offboarded.' }]
    if (standalone)
      return [{ entraTenantId: id, name, code: 'standalone', reason: 'It is linked as standalone.' }]
    return []
  })
  const ids = new Set(left.map(({ entraTenantId }) => entraTenantId))
  return { chosen: able.filter(({ id }) => !ids.has(id)), left }
}

type Doubles = Map<string, { candidate: Candidate; match: Match }>

/** Which existing tenants are linked, and who would get a second tenant beside one that matches. */
async function choose(
  db: Transaction<Database>,
  fit: Candidate[],
  { into, useProposals = false, anew = false }: ImportOptions,
): Promise<{ existing: Map<string, Chosen>; doubles: Doubles }> {
  const existing = new Map<string, Chosen>()
  const doubles: Doubles = new Map()
  if (into !== undefined) {
    const [only, ...others] = fit
    if (only === undefined || others.length > 0)
      throw new EntraSyncError('input', 'One tenant takes one customer.', {
        code: 'import_into_one',
        remedy: 'Name the one customer that is linked to it.',
      })
    if (only.linkedTo !== into)
      existing.set(only.id, {
        entraTenantId: only.id,
        by: 'operator',
        ...(await requireFree(db, only, into)),
      })
    return { existing, doubles }
  }
  const matches = await readMatches(db)
  for (const candidate of fit) {
    const match = candidate.linkedTo === null ? matches.get(candidate.id) : undefined
    if (match === undefined) continue
    const { proposal, unlinked } = match
    if (useProposals && proposal !== null)
      existing.set(candidate.id, {
        entraTenantId: candidate.id,
        tenantId: proposal.tenantId,
        tenantName: proposal.tenantName,
        by: proposal.by,
      })
    else if (unlinked.length > 0 && !anew) doubles.set(candidate.id, { candidate, match })
  }
  return { existing, doubles }
}

function doubled({ id, name }: Candidate, { proposal, reason, unlinked }: Match): Left {
  const tenants = unlinked.map((tenant) => tenant.name).join(', ')
  const text = proposal === null ? reason : `The tenant ${tenants} matches it and has no link.`
  return { entraTenantId: id, name, code: 'tenant_matches', reason: text ?? `${tenants} matches it.` }
}

function refuseDoubles(doubles: Doubles): void {
  if (doubles.size === 0) return
  const all = [...doubles.values()]
  const reasons = all.map(({ candidate, match }) => {
    const { name, reason } = doubled(candidate, match)
    return `${name}: ${reason}`
  })
  throw new EntraSyncError(
    'input',
    `A tenant without a link may be the same customer. ${reasons.join(' ')}`,
    {
      code: 'tenant_matches',
      remedy: `Choose for ${named(all.map(({ candidate }) => candidate))}: --into TENANT links that one, --use-proposals what is proposed, --new makes another tenant.`,
    },
  )
}

async function insertEntraTenants(db: Transaction<Database>, fresh: Candidate[]): Promise<void> {
  const list = JSON.stringify(fresh)
  await sql`
    insert into entra_sync.entra_tenants (entra_tenant_id, display_name, default_domain, partner_entra_tenant_id, next_sync_at)
    select id, name, "defaultDomain", partner, now() + interval '1 minute'
    from jsonb_to_recordset(${list}::jsonb) as list (id uuid, name text, "defaultDomain" text, partner uuid)
    on conflict do nothing`.execute(db)
}

async function becomeCustomers(db: Transaction<Database>, fresh: Candidate[]): Promise<void> {
  const list = JSON.stringify(fresh)
  await sql`
    update entra_sync.entra_tenants e set partner_entra_tenant_id = list.partner
    from jsonb_to_recordset(${list}::jsonb) as list (id uuid, partner uuid)
    where e.entra_tenant_id = list.id and e.partner_entra_tenant_id is null`.execute(db)
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
  for (const { id } of unlinked) await settleNewDefault(db, id)
}

async function audit(
  db: Transaction<Database>,
  chosen: Candidate[],
  existing: ReadonlyMap<string, Chosen>,
  actor: string,
): Promise<void> {
  const list = JSON.stringify(
    chosen.flatMap(({ id, name, partner, imported }) => {
      const link = existing.get(id)
      if (imported && link === undefined) return []
      const action = imported ? 'tenant_linked' : 'customer_imported'
      return [{ id, action, tenant: link?.tenantId ?? null, detail: { name, partner, linkedBy: link?.by } }]
    }),
  )
  await sql`
    insert into entra_sync.audit_log (actor, action, entra_tenant_id, tenant_id, detail)
    select ${actor}, action, id, tenant, detail
    from jsonb_to_recordset(${list}::jsonb) as list (id uuid, action text, tenant uuid, detail jsonb)`.execute(
    db,
  )
}

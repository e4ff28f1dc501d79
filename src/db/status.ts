import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Database, TenantStatusView } from './tables.ts'

/** One Entra tenant with all that the view `tenant_status` derives, and the tenants that it is linked to. */
export interface Status extends TenantStatusView {
  /** Names of its tenants, the domain in brackets where a link has one; null = not linked. */
  tenant: string | null
  /** When an operator offboarded it; null = never. */
  offboarded_at: Date | null
}

/** All Entra tenants, or one: the MSP's own and standalone ones first, offboarded ones last. */
export async function readStatus(db: Kysely<Database>, only: string | null): Promise<Status[]> {
  const { rows } = await sql<Status>`
    select s.*, e.offboarded_at, (
      select string_agg(coalesce(t.name || ' (' || l.domain || ')', t.name), ', ' order by l.domain nulls first)
      from entra_sync.tenant_links l join entra_sync.tenants t using (tenant_id)
      where l.entra_tenant_id = s.entra_tenant_id) as tenant
    from entra_sync.tenant_status s join entra_sync.entra_tenants e using (entra_tenant_id)
    where ${only}::uuid is null or s.entra_tenant_id = ${only}
    order by s.state = 'offboarded', s.kind = 'customer', lower(s.display_name), s.entra_tenant_id`.execute(
    db,
  )
  return rows
}

/** What a list of Entra tenants can be narrowed to. */
export const statusFilters = [
  'ok',
  'consent',
  'gdap_ended',
  'problems',
  'held',
  'stale',
  'new',
  'paused',
] as const
export type StatusFilter = (typeof statusFilters)[number]

/** Older than three intervals, as /readyz judges freshness, though with its problems. `$syncMs` is SYNC_INTERVAL. */
const isStale = (syncMs: number): RawBuilder<boolean> => sql<boolean>`(s.scheduled and
  now() - coalesce(s.last_synced_at, e.created_at)
    > 3 * coalesce(e.sync_interval, make_interval(secs => ${syncMs / 1000})) + interval '5 minutes')`

const conditions: Record<StatusFilter, (syncMs: number) => RawBuilder<unknown>> = {
  ok: () => sql`s.state = 'ok'`,
  consent: () => sql`s.state in ('consent_required', 'waiting_for_roles')`,
  gdap_ended: () => sql`s.state = 'gdap_ended'`,
  problems: () => sql`s.problems > 0`,
  held: () => sql`s.holds > 0`,
  stale: isStale,
  new: () => sql`s.state = 'new'`,
  paused: () => sql`s.state in ('paused', 'disabled', 'offboarded', 'gone')`,
}

/** How many Entra tenants each filter shows, and all of them. */
export async function countStatus(
  db: Kysely<Database>,
  syncMs: number,
): Promise<Record<StatusFilter | 'all', number>> {
  const counts = statusFilters.map(
    (name) => sql`(count(*) filter (where ${conditions[name](syncMs)}))::int as ${sql.id(name)}`,
  )
  const { rows } = await sql<Record<StatusFilter | 'all', number>>`
    select count(*)::int as "all", ${sql.join(counts)}
    from entra_sync.tenant_status s join entra_sync.entra_tenants e using (entra_tenant_id)`.execute(db)
  const [row] = rows
  if (row === undefined) throw new TypeError('an aggregate returned no row')
  return row
}

export interface StatusQuery {
  /** Part of a name, domain or id of the Entra tenant, or of the name of one of its tenants; letter case does not count. */
  search?: string | undefined
  filter?: StatusFilter | undefined
  /** Position of the last row of the page before. */
  after?: readonly [string, string] | undefined
  offset?: number
  limit: number
}

export type ListedStatus = Omit<
  Status,
  'offboarded_at' | 'groups' | 'members' | 'teams' | 'skus' | 'devices'
> & {
  /** Where the list goes on after this row: give it as `after`. */
  position: string[]
  stale: boolean
}

/**
 * A page of Entra tenants by name, with users but without the dearer counts, and how many there are in all pages.
 * `syncMs` is SYNC_INTERVAL.
 */
export async function listStatus(
  db: Kysely<Database>,
  syncMs: number,
  { search, filter, after, offset = 0, limit }: StatusQuery,
): Promise<{ rows: ListedStatus[]; total: number }> {
  const key = sql`lower(coalesce(s.display_name, s.default_domain, s.entra_tenant_id::text)) collate "C"`
  const matching = sql`
    from entra_sync.tenant_status s join entra_sync.entra_tenants e using (entra_tenant_id)
    where ${filter === undefined ? sql`true` : conditions[filter](syncMs)}
      and ${search === undefined || search.trim() === '' ? sql`true` : found(search.trim())}`
  const [{ rows }, { rows: counted }] = await Promise.all([
    // The page is cut before users are counted: rows that are skipped are not worth that.
    sql<ListedStatus>`
      with page as (
        select s.entra_tenant_id, ${key} as sort_key ${matching} and ${
          after === undefined
            ? sql`true`
            : sql`(${key}, s.entra_tenant_id) > (${after[0]}, ${after[1]}::uuid)`
        }
        order by sort_key, s.entra_tenant_id limit ${limit} offset ${offset}
      )
      select s.entra_tenant_id, s.display_name, s.default_domain, s.kind, s.state, s.scheduled, s.consent,
        s.gdap_active, s.gdap_ends_at, s.gdap_auto_extends, s.problems, s.problems_silenced, s.holds, s.held,
        s.next_sync_at, s.last_synced_at, s.last_full_at, s.consecutive_failures, s.last_run_id,
        s.last_run_started_at, s.last_run_finished_at, s.last_run_outcome, s.last_run_error_code,
        s.last_run_error_message, s.users, ${isStale(syncMs)} as stale,
        array[page.sort_key, s.entra_tenant_id::text] as position, (
          select string_agg(coalesce(t.name || ' (' || l.domain || ')', t.name), ', ' order by l.domain nulls first)
          from entra_sync.tenant_links l join entra_sync.tenants t using (tenant_id)
          where l.entra_tenant_id = s.entra_tenant_id) as tenant
      from page
      join entra_sync.tenant_status s using (entra_tenant_id)
      join entra_sync.entra_tenants e using (entra_tenant_id)
      order by page.sort_key, s.entra_tenant_id`.execute(db),
    sql<{ total: number }>`select count(*)::int as total ${matching}`.execute(db),
  ])
  return { rows, total: counted[0]?.total ?? 0 }
}

/** strpos, since % and _ mean themselves in what a person types. */
function found(search: string): RawBuilder<unknown> {
  const part = search.toLowerCase()
  return sql`(strpos(lower(concat_ws(' ', s.display_name, s.default_domain, s.entra_tenant_id)), ${part}) > 0
    or exists (select from unnest(e.domains) d where strpos(lower(d), ${part}) > 0)
    or exists (select from entra_sync.tenant_links l join entra_sync.tenants t using (tenant_id)
      where l.entra_tenant_id = e.entra_tenant_id and strpos(lower(t.name), ${part}) > 0))`
}

export interface Hold {
  hold_id: string
  entra_tenant_id: string
  name: string
  kind: string
  /** The group that a deployment names, or whose targets through what; null = judged as one set of the Entra tenant. */
  what: string | null
  reason: string
  size: number
  of_total: number
  created_at: Date
}

/** Open holds of all Entra tenants, or of one, the oldest first. */
export async function readHolds(db: Kysely<Database>, only: string | null): Promise<Hold[]> {
  const { rows } = await sql<Hold>`
    select h.hold_id, h.entra_tenant_id, coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name,
      h.kind, h.reason, h.size, h.of_total, h.created_at,
      case when h.kind = 'target' then concat_ws(', ', t.name, d.name, h.direction) else g.display_name end as what
    from entra_sync.holds h join entra_sync.entra_tenants e using (entra_tenant_id)
    left join entra_sync.groups g on g.entra_tenant_id = h.entra_tenant_id and g.object_id = h.group_id
    left join entra_sync.tenants t on t.tenant_id = h.tenant_id
    left join entra_sync.deployments d on d.deployment_id = h.deployment_id
    where h.status = 'open' and (${only}::uuid is null or h.entra_tenant_id = ${only})
    order by h.created_at`.execute(db)
  return rows
}

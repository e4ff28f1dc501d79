import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export interface Freshness {
  /** Scheduled Entra tenants without a problem, silenced ones included: what should be fresh. */
  scheduled: number
  /** Of them, those older than three of their intervals and five minutes. */
  stale: { id: string; name: string }[]
  /** How many were synced once, those with a problem among them, when none of them is fresh any more; else 0. */
  allStale: number
  /** Seconds since the one that waits longest was synced, or made; null = there is none. */
  oldestSeconds: number | null
}

/** How fresh the Entra tenants are that nothing keeps from being synced. `syncIntervalMs`: for those without their own. */
export async function readFreshness(db: Kysely<Database>, syncIntervalMs: number): Promise<Freshness> {
  const { rows: all } = await sql<{
    id: string
    name: string
    seconds: number
    stale: boolean
    healthy: boolean
    synced: boolean
  }>`
    select id, name, healthy, synced, extract(epoch from age)::int as seconds,
      age > 3 * every + interval '5 minutes' as stale
    from (
      select e.entra_tenant_id as id, coalesce(s.display_name, s.default_domain, e.entra_tenant_id::text) as name,
        now() - coalesce(s.last_synced_at, e.created_at) as age,
        coalesce(e.sync_interval, make_interval(secs => ${syncIntervalMs / 1000})) as every,
        s.problems = 0 and s.problems_silenced = 0 as healthy, s.last_synced_at is not null as synced
      from entra_sync.tenant_status s join entra_sync.entra_tenants e using (entra_tenant_id)
      where s.scheduled
    ) as known order by age desc`.execute(db)
  const rows = all.filter(({ healthy }) => healthy)
  const once = all.filter(({ synced }) => synced)
  return {
    allStale: once.every(({ stale }) => stale) ? once.length : 0,
    scheduled: rows.length,
    stale: rows.filter(({ stale }) => stale).map(({ id, name }) => ({ id, name })),
    oldestSeconds: rows[0]?.seconds ?? null,
  }
}

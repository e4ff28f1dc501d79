import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export interface Freshness {
  /** Scheduled Entra tenants without a problem, silenced ones included: what should be fresh. */
  scheduled: number
  /** Of them, those older than three of their intervals and five minutes. */
  stale: { id: string; name: string }[]
  /** Seconds since the one that waits longest was synced, or made; null = there is none. */
  oldestSeconds: number | null
}

/** How fresh the Entra tenants are that nothing keeps from being synced. `syncIntervalMs`: for those without their own. */
export async function readFreshness(db: Kysely<Database>, syncIntervalMs: number): Promise<Freshness> {
  const { rows } = await sql<{ id: string; name: string; seconds: number; stale: boolean }>`
    select id, name, extract(epoch from age)::int as seconds, age > 3 * every + interval '5 minutes' as stale
    from (
      select e.entra_tenant_id as id, coalesce(s.display_name, s.default_domain, e.entra_tenant_id::text) as name,
        now() - coalesce(s.last_synced_at, e.created_at) as age,
        coalesce(e.sync_interval, make_interval(secs => ${syncIntervalMs / 1000})) as every
      from entra_sync.tenant_status s join entra_sync.entra_tenants e using (entra_tenant_id)
      where s.scheduled and s.problems = 0 and s.problems_silenced = 0
    ) as healthy order by age desc`.execute(db)
  return {
    scheduled: rows.length,
    stale: rows.filter(({ stale }) => stale).map(({ id, name }) => ({ id, name })),
    oldestSeconds: rows[0]?.seconds ?? null,
  }
}

import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'

/**
 * Writes dirt for suspended SKUs whose licences count otherwise than when it was looked last: their grace has ended, or
 * the grace itself was configured anew. Compared with the last look, not with the family's last resolution: another
 * resolution may well come between the end of a grace and the look that finds it. Answers how many SKUs.
 */
export async function dirtyEndedGraces(db: Kysely<Database>, graceMs: number): Promise<number> {
  const { rows } = await sql<{ skus: number }>`
    with setting as (
      select make_interval(secs => ${graceMs / 1000}) as grace
    ), last as (
      select l.looked_at, coalesce(l.grace, s.grace) as grace
      from entra_sync.license_grace_look l cross join setting s for update of l
    ), other as (
      select s.entra_tenant_id, s.sku_id
      from entra_sync.subscribed_skus s
      join entra_sync.target_families f on f.family_id = s.entra_tenant_id
      cross join last cross join setting
      where s.capability_status = 'Suspended'
        and (s.status_since > last.looked_at - last.grace) <> (s.status_since > now() - setting.grace)
    ), dirt as (
      insert into entra_sync.target_dirt (family_id, kind, id) select entra_tenant_id, 'sku', sku_id from other
    )
    update entra_sync.license_grace_look set looked_at = now(), grace = setting.grace from last, setting
    returning (select count(*) from other)::int as skus`.execute(db)
  return rows[0]?.skus ?? 0
}

import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export const services = ['graph', 'login'] as const

export interface Outage {
  service: (typeof services)[number]
  /** Milliseconds since 1970. */
  since: number
}

/** Notes which services answer nobody now, as this process sees it; those that it does not name have come back. */
export async function noteOutages(
  db: Kysely<Database>,
  process: string,
  outages: readonly Outage[],
): Promise<void> {
  const services = outages.map(({ service }) => service)
  await sql`
    with back as (
      delete from cloud_outages where told_at < now() - interval '1 hour'
        or (process = ${process} and service <> all (${services}::text[]))
    )
    insert into cloud_outages (service, process, since, told_at)
    select service, ${process}, to_timestamp(since / 1000), now()
    from unnest(${services}::text[], ${outages.map(({ since }) => since)}::float8[]) as o (service, since)
    on conflict (service, process) do update set since = excluded.since, told_at = excluded.told_at`.execute(
    db,
  )
}

/** Services that answer nobody, since when the first process has seen it. */
export async function readOutages(db: Kysely<Database>): Promise<Outage[]> {
  const { rows } = await sql<Outage>`
    select service, extract(epoch from min(since))::float8 * 1000 as since from entra_sync.cloud_outages
    where told_at > now() - interval '1 minute' group by service order by service`.execute(db)
  return rows
}

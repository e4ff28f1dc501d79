import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

/** Loops whose progress is watched. */
export type Loop = 'tick' | `worker ${string}`

/** Notes that a loop has done its work. `by`: which process. */
export async function beat(db: Kysely<Database>, name: Loop, by: string): Promise<void> {
  await sql`
    insert into heartbeats (name, at, by) values (${name}, clock_timestamp(), ${by})
    on conflict (name) do update set at = excluded.at, by = excluded.by`.execute(db)
}

/** Seconds since each loop last did its work; what never did is missing. */
export async function readHeartbeats(db: Kysely<Database>): Promise<Map<string, number>> {
  const { rows } = await sql<{ name: string; seconds: number }>`
    select name, extract(epoch from clock_timestamp() - at)::float8 as seconds from entra_sync.heartbeats`.execute(
    db,
  )
  return new Map(rows.map(({ name, seconds }) => [name, seconds]))
}

import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export interface AppBudget {
  /** Per window. */
  units: number
  windowMs: number
}

/**
 * Takes a block of an app's resource units (0: asks only whether it is held) for this window, which all processes share. Answers 0 when it was taken, else
 * in how many milliseconds to ask again: at the window's end, or when Microsoft's hold ends.
 */
export async function takeUnits(
  db: Kysely<Database>,
  clientId: string,
  block: number,
  budget: AppBudget,
): Promise<number> {
  const width = budget.windowMs / 1000
  const start = sql`to_timestamp(floor(extract(epoch from now()) / ${width}) * ${width})`
  const { rows } = await sql<{ taken: boolean; waitMs: number }>`
    with taken as (
      insert into app_budgets as b (client_id, window_start, units) values (${clientId}, ${start}, ${block})
      on conflict (client_id) do update set window_start = excluded.window_start,
        units = case when b.window_start = excluded.window_start then b.units else 0 end + excluded.units
      where coalesce(b.held_until, '-infinity') <= now()
        and (b.window_start <> excluded.window_start or b.units + excluded.units <= ${budget.units})
      returning 1
    )
    select exists (select from taken) as taken, greatest(
      extract(epoch from ${start} + make_interval(secs => ${width}) - now()),
      coalesce((select extract(epoch from held_until - now()) from app_budgets where client_id = ${clientId}), 0)
    )::float8 * 1000 as "waitMs"`.execute(db)
  const [row] = rows
  return row === undefined || row.taken ? 0 : Math.max(1, Math.ceil(row.waitMs))
}

/** Keeps every process from calling as this app for so long: Microsoft has throttled the app as a whole. */
export async function holdApp(db: Kysely<Database>, clientId: string, milliseconds: number): Promise<void> {
  const until = sql`now() + make_interval(secs => ${milliseconds / 1000})`
  await sql`
    insert into app_budgets as b (client_id, window_start, units, held_until) values (${clientId}, now(), 0, ${until})
    on conflict (client_id) do update set held_until = greatest(b.held_until, excluded.held_until)`.execute(
    db,
  )
}

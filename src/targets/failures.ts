import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { EntraSyncError } from '../errors.ts'

/** A family whose resolution failed, and when it is tried again. */
export interface TargetFailure {
  familyId: string
  error: EntraSyncError
  /** Consecutive. */
  failures: number
  /** Passes by itself: told only when it does not. */
  transient: boolean
  retryAt: Date
}

/** Serialization, deadlock, lock timeout, a cancelled statement, a replica not yet promoted, connections, a server that restarts or has no place left. */
const passing = /^postgres_(40001|40p01|55p03|57014|25006|57p0[0-9]|08|53|connection_lost|e[a-z_]+$)/

/** True for a fault of the database that the next try may not meet. */
export function isPassing(error: EntraSyncError): boolean {
  return error.kind === 'database' && passing.test(error.code)
}

/** How long a family rests after its nth failure in a row, in milliseconds: from 2 s when it passes, else from 1 min. */
export function restMs(failures: number, transient: boolean): number {
  const [first, longest] = transient ? [2000, 300_000] : [60_000, 3_600_000]
  return Math.min(longest, first * 2 ** (failures - 1))
}

/** Notes which families of a resolution failed, and forgets the failures of the others. */
export async function noteFailures(
  db: Kysely<Database>,
  resolved: readonly string[],
  failed: readonly { familyId: string; error: EntraSyncError }[],
): Promise<TargetFailure[]> {
  const failing = new Set(failed.map(({ familyId }) => familyId))
  await sql`
    delete from target_failures where family_id = any (${resolved.filter((id) => !failing.has(id))}::uuid[])`.execute(
    db,
  )
  const noted: TargetFailure[] = []
  for (const { familyId, error } of failed) {
    const before = await db
      .selectFrom('target_failures')
      .select('failures')
      .where('family_id', '=', familyId)
      .executeTakeFirst()
    const failures = (before?.failures ?? 0) + 1
    const transient = isPassing(error)
    const row = {
      failures,
      code: error.code,
      message: error.message,
      failed_at: sql<Date>`now()`,
      retry_at: sql<Date>`now() + make_interval(secs => ${restMs(failures, transient) / 1000})`,
    }
    const { retry_at: retryAt } = await db
      .insertInto('target_failures')
      .values({ family_id: familyId, ...row })
      .onConflict((conflict) => conflict.column('family_id').doUpdateSet(row))
      .returning('retry_at')
      .executeTakeFirstOrThrow()
    noted.push({ familyId, error, failures, transient, retryAt })
  }
  return noted
}

/** Families that rest after a failure. */
export async function restingFamilies(db: Kysely<Database>): Promise<Set<string>> {
  const rows = await db
    .selectFrom('target_failures')
    .select('family_id')
    .where('retry_at', '>', sql<Date>`now()`)
    .execute()
  return new Set(rows.map((row) => row.family_id))
}

import { sql, type Kysely } from 'kysely'
import type { GuardSettings } from '../guard.ts'
import type { Database } from './tables.ts'

/** Limits of the guard for one Entra tenant; null = as the next row, or the configuration, has it. */
export interface HoldLimits {
  entraTenantId: string
  holdMin: number | null
  holdPercent: number | null
  holdMax: number | null
  /** Null = they last. */
  expiresAt: Date | null
  reason: string
  setBy: string
  setAt: Date
}

/** What has not expired, of these Entra tenants or of all: one with an end comes before the one that lasts. */
export async function readHoldLimits(db: Kysely<Database>, only?: readonly string[]): Promise<HoldLimits[]> {
  const { rows } = await sql<HoldLimits>`
    select entra_tenant_id as "entraTenantId", hold_min as "holdMin", hold_percent as "holdPercent",
      hold_max as "holdMax", expires_at as "expiresAt", reason, set_by as "setBy", set_at as "setAt"
    from entra_sync.hold_limits
    where (expires_at is null or expires_at > now())
      and (${only ?? null}::uuid[] is null or entra_tenant_id = any (${only ?? null}))
    order by entra_tenant_id, expires_at nulls last`.execute(db)
  return rows
}

/** The guard's settings for each Entra tenant that has limits of its own; the others have the configuration's. */
export async function readGuards(
  db: Kysely<Database>,
  configured: GuardSettings,
  only?: readonly string[],
): Promise<Map<string, GuardSettings>> {
  const guards = new Map<string, GuardSettings>()
  const byTenant = Map.groupBy(await readHoldLimits(db, only), ({ entraTenantId }) => entraTenantId)
  for (const [entraTenantId, rows] of byTenant) {
    const limit = (key: keyof GuardSettings): number =>
      rows.find((row) => row[key] !== null)?.[key] ?? configured[key]
    guards.set(entraTenantId, {
      holdMin: limit('holdMin'),
      holdPercent: limit('holdPercent'),
      holdMax: limit('holdMax'),
    })
  }
  return guards
}

/** Sets limits in place of those of the same sort, lasting or with an end. */
export async function replaceHoldLimits(
  db: Kysely<Database>,
  limits: Omit<HoldLimits, 'setAt'>,
): Promise<void> {
  await clearHoldLimits(db, limits.entraTenantId, limits.expiresAt === null ? 'lasting' : 'dated')
  await db
    .insertInto('hold_limits')
    .values({
      entra_tenant_id: limits.entraTenantId,
      hold_min: limits.holdMin,
      hold_percent: limits.holdPercent,
      hold_max: limits.holdMax,
      expires_at: limits.expiresAt,
      reason: limits.reason,
      set_by: limits.setBy,
    })
    .execute()
}

/** Takes limits back; answers how many rows that were, those that had expired not counted. */
export async function clearHoldLimits(
  db: Kysely<Database>,
  entraTenantId: string,
  which: 'lasting' | 'dated' | 'all',
): Promise<number> {
  const { rows } = await sql<{ live: boolean }>`
    delete from entra_sync.hold_limits where entra_tenant_id = ${entraTenantId}
      and (${which} = 'all' or (expires_at is null) = (${which} = 'lasting'))
    returning coalesce(expires_at > now(), true) as live`.execute(db)
  return rows.filter(({ live }) => live).length
}

import type { Kysely } from 'kysely'
import { audit } from '../db/audit.ts'
import { requireEntraTenant } from '../db/entra-tenant-facts.ts'
import { clearHoldLimits, replaceHoldLimits } from '../db/hold-limits.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'

export interface LimitsInput {
  holdMin?: number | undefined
  holdPercent?: number | undefined
  holdMax?: number | undefined
}

/** What a lasting limit may be at most: one that lets everything pass is a guard that somebody forgets to switch on again. */
export const mostLasting = { holdMin: 100, holdPercent: 50, holdMax: 10_000 } as const
/** Days that an override may last, however large. */
export const mostDays = 7
const dayMs = 86_400_000

/**
 * Sets the guard's limits of one Entra tenant: lasting ones, within bounds, or (`until`) an override that ends by
 * itself, a week away at most, and may be of any size.
 * @throws kind `input`: `limits_empty`, `limits_too_large`, `override_too_long`, or the Entra tenant is unknown
 */
export async function setHoldLimits(
  db: Kysely<Database>,
  entraTenantId: string,
  limits: LimitsInput,
  { until, reason, by }: { until: Date | null; reason: string; by: string },
): Promise<void> {
  await requireEntraTenant(db, entraTenantId)
  const { holdMin = null, holdPercent = null, holdMax = null } = limits
  if (holdMin === null && holdPercent === null && holdMax === null) {
    throw new EntraSyncError('input', 'No limit is given.', {
      code: 'limits_empty',
      remedy: 'Give at least one of the three: min, percent, max.',
    })
  }
  if (until === null) refuseTooLarge(limits)
  else refuseTooLong(until)
  await db.transaction().execute(async (trx) => {
    await replaceHoldLimits(trx, {
      entraTenantId,
      holdMin,
      holdPercent,
      holdMax,
      expiresAt: until,
      reason,
      setBy: by,
    })
    await audit(trx, {
      actor: by,
      action: 'hold_limits_set',
      entraTenantId,
      detail: { holdMin, holdPercent, holdMax, until, reason },
    })
  })
}

/** Takes an Entra tenant's own limits back, the lasting ones and the override; answers how many there were. */
export async function removeHoldLimits(
  db: Kysely<Database>,
  entraTenantId: string,
  by: string,
): Promise<number> {
  await requireEntraTenant(db, entraTenantId)
  return db.transaction().execute(async (trx) => {
    const cleared = await clearHoldLimits(trx, entraTenantId, 'all')
    if (cleared > 0) await audit(trx, { actor: by, action: 'hold_limits_cleared', entraTenantId })
    return cleared
  })
}

function refuseTooLarge(limits: LimitsInput): void {
  for (const key of ['holdMin', 'holdPercent', 'holdMax'] as const) {
    if ((limits[key] ?? 0) <= mostLasting[key]) continue
    throw new EntraSyncError('input', `A lasting ${key} is ${mostLasting[key]} at most.`, {
      code: 'limits_too_large',
      remedy: `A larger one is an override that ends by itself: say until when, within ${mostDays} days.`,
    })
  }
}

function refuseTooLong(until: Date): void {
  const ahead = until.getTime() - Date.now()
  if (ahead > 0 && ahead <= mostDays * dayMs) return
  throw new EntraSyncError(
    'input',
    `An override ends within ${mostDays} days from now, and not in the past.`,
    {
      code: 'override_too_long',
      remedy: 'Give an earlier end; lasting limits have none, and are smaller.',
    },
  )
}

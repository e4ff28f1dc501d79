import { sql, type Kysely } from 'kysely'
import { raiseTargetsDirty } from '../db/entra-tenants.ts'
import { closeHold, holdHash, insertAudit, lockHold, type HoldRow } from '../db/holds.ts'
import { applyRemovals } from '../db/removals.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'

/**
 * Removes exactly what a hold keeps, in the name of an operator. `hash` is the fingerprint of the set that was shown
 * (`holdHash`): had it changed meanwhile, nothing is removed. Answers how many rows were removed.
 */
export async function approveHold(
  db: Kysely<Database>,
  decision: { holdId: string; hash: string; by: string },
): Promise<{ removed: number }> {
  return db.transaction().execute(async (trx) => {
    const hold = await openHold(trx, decision.holdId)
    if ((await holdHash(trx, hold.hold_id)) !== decision.hash) {
      throw new EntraSyncError('input', 'The hold is no longer the set that was shown.', {
        code: 'hold_changed',
        tenant: hold.entra_tenant_id,
        remedy: 'Look at it again, then approve what it is now.',
      })
    }
    const keys = sql`select key from hold_items where hold_id = ${hold.hold_id}`
    const removed = await applyRemovals(trx, hold.entra_tenant_id, hold.kind, keys, { noted: false })
    await closeHold(trx, hold.hold_id, 'approved')
    await raiseTargetsDirty(trx, hold.entra_tenant_id)
    await audit(trx, hold, decision.by, 'hold.approve', { removed, hash: decision.hash })
    return { removed }
  })
}

/** Keeps what a hold names: it is neither removed nor held again for 30 days, unless it reappears in between. */
export async function rejectHold(
  db: Kysely<Database>,
  decision: { holdId: string; by: string; reason: string },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const hold = await openHold(trx, decision.holdId)
    await closeHold(trx, hold.hold_id, 'rejected')
    await audit(trx, hold, decision.by, 'hold.reject', { reason: decision.reason })
  })
}

async function openHold(db: Kysely<Database>, holdId: string): Promise<HoldRow> {
  const hold = await lockHold(db, holdId)
  if (hold?.status === 'open') return hold
  throw new EntraSyncError(
    'input',
    hold === null ? 'There is no such hold.' : `The hold is ${hold.status} already.`,
    {
      code: hold === null ? 'hold_unknown' : 'hold_closed',
      remedy: 'entra-sync holds list shows what is open.',
    },
  )
}

async function audit(
  db: Kysely<Database>,
  hold: HoldRow,
  actor: string,
  action: string,
  detail: Record<string, unknown>,
): Promise<void> {
  await insertAudit(db, {
    actor,
    action,
    entraTenantId: hold.entra_tenant_id,
    detail: { holdId: hold.hold_id, kind: hold.kind, size: hold.size, ...detail },
  })
}

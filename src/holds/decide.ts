import { sql, type Kysely, type Transaction } from 'kysely'
import { audit } from '../db/audit.ts'
import { raiseTargetsDirty } from '../db/entra-tenants.ts'
import { freezeBeforeRemoving } from '../db/fleet-freeze.ts'
import { closeHold, holdHash, lockHold, type HoldRow } from '../db/holds.ts'
import { applyRemovals } from '../db/removals.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import type { TargetContext } from '../targets/context.ts'
import { changeDeliberately } from '../targets/deliberate.ts'
import { noteComputers } from '../targets/effect-rows.ts'
import { readEffect, type Effect } from '../targets/effect.ts'
import { familyOfTenant } from '../targets/families.ts'

export interface HoldEffect {
  /** Rows that are removed; of kind target the changes of targets. */
  applied: number
  /** What that does to the targets. */
  effect: Effect
  /** Why the targets follow later only; null = they follow at once. */
  frozen: string | null
}

/**
 * Applies exactly the set that a hold keeps, in the name of an operator, once; and what follows for the targets with it,
 * since that is what was shown. `hash` is the fingerprint of the set that was shown (`holdHash`; the beginning of it from
 * twelve digits on): had it changed meanwhile, nothing is applied. Where targets of kind target are frozen the approval
 * waits for their thaw, 24 hours at most.
 * @throws kind `input`: `hold_unknown`, `hold_closed`, `hold_changed`, `fleet_frozen`
 */
export async function approveHold(
  context: TargetContext,
  decision: { holdId: string; hash: string; by: string },
  sampledTenants = 0,
): Promise<HoldEffect> {
  return applyHold(context, decision.holdId, { keep: true, sampledTenants, decision })
}

/** What approving a hold would do now: the same, taken back. Null = it is closed. */
export async function previewHold(
  context: TargetContext,
  holdId: string,
  sampledTenants: number,
): Promise<HoldEffect | null> {
  try {
    return await applyHold(context, holdId, { keep: false, sampledTenants, decision: null })
  } catch (error) {
    if (error instanceof EntraSyncError && error.code === 'hold_closed') return null
    throw error
  }
}

async function applyHold(
  context: TargetContext,
  holdId: string,
  {
    keep,
    sampledTenants,
    decision,
  }: { keep: boolean; sampledTenants: number; decision: { hash: string; by: string } | null },
): Promise<HoldEffect> {
  const { familyId, kind } = await ownerOfHold(context.db, holdId)
  let applied = 0
  let effect: Effect | undefined
  let frozen: string | null = null
  await changeDeliberately(context, {
    trigger: 'hold',
    keep,
    familyIds: familyId === null ? [] : [familyId],
    // The resolver knows by itself what of the targets was approved.
    decided: kind !== 'target',
    async write(trx) {
      const hold = await openHold(trx, holdId)
      const hash = await holdHash(trx, holdId)
      if (decision !== null) {
        await refuseFrozen(trx)
        if (decision.hash.length < 12 || !hash.startsWith(decision.hash.toLowerCase())) throw changed(hold)
      }
      frozen = await whyFrozen(trx, familyId)
      const by = decision?.by ?? ''
      await closeHold(trx, holdId, { status: 'approved', by, hash })
      applied = hold.kind === 'target' ? await wakeTargets(trx, hold, familyId) : await remove(trx, hold)
      await noteDecision(trx, hold, by, 'hold_approved', { applied, hash })
    },
    beforeApply: noteComputers,
    async afterApply(trx) {
      effect = await readEffect(trx, sampledTenants)
    },
  })
  if (effect === undefined) throw new TypeError('a change ended without its effect')
  return { applied, effect, frozen }
}

/**
 * Keeps what a hold names: it is neither removed nor held again for 30 days, unless it reappears in between.
 * @throws kind `input`: `hold_unknown`, `hold_closed`
 */
export async function rejectHold(
  db: Kysely<Database>,
  { holdId, by, reason }: { holdId: string; by: string; reason: string },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const hold = await openHold(trx, holdId)
    await closeHold(trx, holdId, { status: 'rejected', by, reason })
    await noteDecision(trx, hold, by, 'hold_rejected', { reason })
  })
}

async function remove(trx: Transaction<Database>, hold: HoldRow): Promise<number> {
  const { entra_tenant_id: entraTenantId, kind } = hold
  if (entraTenantId === null || kind === 'target')
    throw new TypeError('a hold of removals has an Entra tenant')
  const keys = sql`select key from hold_items where hold_id = ${hold.hold_id}`
  const removed = await applyRemovals(trx, entraTenantId, kind, keys, { noted: false })
  await sql`update holds set applied_at = now() where hold_id = ${hold.hold_id}`.execute(trx)
  await raiseTargetsDirty(trx, entraTenantId)
  return removed
}

/** The resolver sees the approval, and lets pass what it names. */
async function wakeTargets(
  trx: Transaction<Database>,
  hold: HoldRow,
  familyId: string | null,
): Promise<number> {
  await sql`
    insert into target_dirt (family_id, kind, id)
    select distinct ${familyId}::uuid, 'subject', key[1] from hold_items where hold_id = ${hold.hold_id}`.execute(
    trx,
  )
  return hold.size
}

async function ownerOfHold(
  db: Kysely<Database>,
  holdId: string,
): Promise<{ familyId: string | null; kind: HoldRow['kind'] }> {
  const hold = await db
    .selectFrom('holds')
    .select(['entra_tenant_id', 'tenant_id', 'kind'])
    .where('hold_id', '=', holdId)
    .executeTakeFirst()
  if (hold === undefined) throw unknown()
  const { kind, tenant_id: tenantId, entra_tenant_id: entraTenantId } = hold
  const familyId = kind === 'target' && tenantId !== null ? await familyOfTenant(db, tenantId) : entraTenantId
  return { familyId, kind }
}

async function openHold(db: Kysely<Database>, holdId: string): Promise<HoldRow> {
  const hold = await lockHold(db, holdId)
  if (hold === null) throw unknown()
  if (hold.status === 'open') return hold
  const by =
    hold.closed_by === null
      ? ', since what it kept back has come back or is wanted no more'
      : ` by ${hold.closed_by}`
  throw new EntraSyncError('input', `The hold is ${hold.status} already${by}.`, {
    code: 'hold_closed',
    remedy: '`entra-sync holds list` shows what is open, with --all what was decided.',
  })
}

function unknown(): EntraSyncError {
  return new EntraSyncError('input', 'There is no such hold.', {
    code: 'hold_unknown',
    remedy: '`entra-sync holds list` shows what is open; closed ones are kept for 90 days.',
  })
}

function changed(hold: HoldRow): EntraSyncError {
  return new EntraSyncError('input', 'The hold is no longer the set that was shown.', {
    code: 'hold_changed',
    ...(hold.entra_tenant_id !== null && { tenant: hold.entra_tenant_id }),
    remedy: `Look at it again (entra-sync holds show ${hold.hold_id}), then approve what it is now.`,
  })
}

async function refuseFrozen(trx: Transaction<Database>): Promise<void> {
  const freeze = await freezeBeforeRemoving(trx)
  if (freeze === null) return
  throw new EntraSyncError(
    'input',
    `All removals are frozen since ${freeze.startedAt.toISOString()}: ${freeze.reason}.`,
    {
      code: 'fleet_frozen',
      remedy: 'Find out why, end the freeze (entra-sync holds unfreeze), then approve.',
    },
  )
}

async function whyFrozen(db: Kysely<Database>, familyId: string | null): Promise<string | null> {
  if (familyId === null) return null
  const status = await db
    .selectFrom('target_family_status')
    .select('frozen')
    .where('family_id', '=', familyId)
    .executeTakeFirst()
  return status?.frozen ?? null
}

async function noteDecision(
  db: Kysely<Database>,
  hold: HoldRow,
  actor: string,
  action: string,
  detail: Record<string, unknown>,
): Promise<void> {
  await audit(db, {
    actor,
    action,
    ...(hold.entra_tenant_id !== null && { entraTenantId: hold.entra_tenant_id }),
    ...(hold.tenant_id !== null && { tenantId: hold.tenant_id }),
    detail: { holdId: hold.hold_id, kind: hold.kind, size: hold.size, ...detail },
  })
}

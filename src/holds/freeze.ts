import { randomUUID } from 'node:crypto'
import { sql, type Kysely, type Transaction } from 'kysely'
import { audit } from '../db/audit.ts'
import { awaitRemovals, endFreeze, insertFreeze, readFreeze } from '../db/fleet-freeze.ts'
import { dropNotes } from '../db/seen.ts'
import type { RemovalKind } from '../db/seen.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import { settleRemovals } from '../sync/removals.ts'
import type { TargetContext } from '../targets/context.ts'
import { resolveTargets } from '../targets/resolve.ts'

/** How long whoever freezes waits to hear that nothing is being removed any more. */
const awaitMs = 10_000

/**
 * Stops all removals and unassignments, of every tenant, until somebody ends it. `settled` false: a transaction that
 * began before is still open after ten seconds, and may yet remove what the guard had let through.
 * @throws kind `input`, code `fleet_frozen`: it is frozen already
 */
export async function freezeFleet(
  db: Kysely<Database>,
  { by, reason }: { by: string; reason: string },
): Promise<{ settled: boolean }> {
  await db.transaction().execute(async (trx) => {
    if (!(await insertFreeze(trx, { by, reason }))) {
      const freeze = await readFreeze(trx)
      throw new EntraSyncError('input', `All removals are frozen already: ${freeze?.reason ?? reason}.`, {
        code: 'fleet_frozen',
        remedy: '`entra-sync holds unfreeze` ends it.',
      })
    }
    await audit(trx, { actor: by, action: 'fleet_frozen', detail: { reason } })
  })
  return { settled: await awaitRemovals(db, awaitMs) }
}

/** What became of the sets that only the freeze had kept back: each was judged anew, as without it. */
export interface Unfrozen {
  /** False = none was on; what an earlier freeze had left was judged. */
  wasFrozen: boolean
  sets: number
  removed: number
  unassigned: number
  /** Sets that are too large by themselves and wait for an operator, too. */
  held: number
}

/** Ends a freeze. Begun again after it was cut off, it goes on where it was. */
export async function unfreezeFleet(context: TargetContext, by: string): Promise<Unfrozen> {
  const { db } = context
  const wasFrozen = await db.transaction().execute(async (trx) => {
    const ended = await endFreeze(trx, by)
    if (ended) await audit(trx, { actor: by, action: 'fleet_unfrozen' })
    return ended
  })
  const done: Unfrozen = { wasFrozen, sets: 0, removed: 0, unassigned: 0, held: 0 }
  for (const entraTenantId of await tenantsKeptBack(db)) {
    await db.transaction().execute((trx) => releaseRemovals(trx, context, entraTenantId, done))
  }
  const familyIds = await db.transaction().execute((trx) => releaseTargets(trx, done))
  if (familyIds.length > 0) {
    const resolved = await resolveTargets(context, { familyIds, trigger: 'unfreeze' })
    done.unassigned = resolved.unassigned
  }
  return done
}

async function tenantsKeptBack(db: Kysely<Database>): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select distinct entra_tenant_id as id from holds
    where status = 'open' and reason = 'fleet_frozen' and kind <> 'target' order by 1`.execute(db)
  return rows.map(({ id }) => id)
}

// Persons and groups before what hangs on them: that goes with them, and counts once.
const kinds: readonly [RemovalKind, ...RemovalKind[]] = [
  'person',
  'license',
  'group',
  'membership',
  'device',
  'sku',
]

/** As the end of a round, which these removals would have been through without the freeze. */
async function releaseRemovals(
  trx: Transaction<Database>,
  context: TargetContext,
  entraTenantId: string,
  done: Unfrozen,
): Promise<void> {
  // No page of a sync meanwhile: each proves its lease by this row.
  await sql`select from sync_leases where entra_tenant_id = ${entraTenantId} for update`.execute(trx)
  const roundId = randomUUID()
  const { rows } = await sql<{ run_id: string | null }>`
    with closed as (
      update holds set status = 'withdrawn', closed_at = now()
      where entra_tenant_id = ${entraTenantId} and status = 'open' and reason = 'fleet_frozen' and kind <> 'target'
      returning hold_id, run_id
    ), items as (
      insert into sync_pending_removals (round_id, entra_tenant_id, kind, key)
      select distinct ${roundId}::uuid, h.entra_tenant_id, h.kind, h.key from hold_items h join closed using (hold_id)
    )
    select run_id from closed`.execute(trx)
  const runId = rows.findLast(({ run_id }) => run_id !== null)?.run_id ?? randomUUID()
  const end = await settleRemovals(trx, { entraTenantId, roundId, sweeps: false }, kinds, {
    guard: context.guard,
    runId,
  })
  await dropNotes(trx, roundId)
  done.sets += rows.length
  done.removed += end.removed + end.unlinked
  done.held += end.held.length
}

/** The resolver judges them anew. Answers whose. */
async function releaseTargets(trx: Transaction<Database>, done: Unfrozen): Promise<string[]> {
  const { rows } = await sql<{ family_id: string; sets: number }>`
    with closed as (
      update holds set status = 'withdrawn', closed_at = now()
      where status = 'open' and reason = 'fleet_frozen' and kind = 'target'
      returning hold_id, tenant_id
    ), families as (
      select c.hold_id, f.family_id from closed c join tenant_families f using (tenant_id)
    ), dirt as (
      insert into target_dirt (family_id, kind, id)
      select distinct f.family_id, 'subject', h.key[1] from families f join hold_items h using (hold_id)
    )
    select family_id, count(*) as sets from families group by family_id`.execute(trx)
  done.sets += rows.reduce((all, { sets }) => all + sets, 0)
  return rows.map(({ family_id: id }) => id)
}

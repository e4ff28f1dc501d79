import { sql, type Kysely } from 'kysely'
import { inMs } from '../clock.ts'
import { takeDueProofs } from '../consent/grants/due.ts'
import { beat } from '../db/heartbeats.ts'
import { secondsUntil } from '../db/entra-tenants.ts'
import type { Database } from '../db/tables.ts'
import { priorities } from '../jobs/catalog.ts'
import { enqueueDiscovery, enqueueDueProofs, enqueueSync, makeDue, type SyncWakeUp } from '../jobs/enqueue.ts'
import { enqueueForgotten } from '../jobs/enqueue-targets.ts'
import { enqueuePreconsents } from '../jobs/enqueue-preconsents.ts'
import { takeLost } from '../consent/preconsent/rows.ts'
import type { Queues } from '../jobs/queues.ts'
import type { TickResult } from '../jobs/tick.ts'
import { forgottenFamilies } from '../targets/waiting.ts'
import { requestSync } from '../sync/requests.ts'
import { nextSync } from '../sync/schedule.ts'
import { healAfterMs, probeEveryMs } from './due.ts'

export interface TickContext {
  db: Kysely<Database>
  queues: Queues
  intervals: { syncMs: number; discoveryMs: number }
  healAfterMs?: number
  /** Which process, for the heartbeat. */
  by?: string
  /** Client id of the Default app; null or none = it is not configured. */
  defaultClientId?: string | null
}

/** Entra tenants a tick; the rest is due at the next one, seconds later. */
const batch = 500

/**
 * When a failing Entra tenant is due again unless a run says otherwise: `findForgotten` leaves it to its back-off, so that
 * a process that dies between the commit and the wake-up would cost it a whole interval.
 */
const lostWakeUpMs = 60_000

/** A step of a pre-consent takes a minute or two at most; one that nobody is at for longer has lost its job. */
const lostAfterMs = 5 * 60_000

/**
 * Asks for what is due and wakes again what lost its wake-up. Any number of processes may tick at once: due rows are
 * taken under SKIP LOCKED and moved on in the transaction that writes the request. A wake-up that the queue then does
 * not take is healed by a later tick: the queue may be lost at any moment. FOR NO KEY UPDATE, which foreign keys pass:
 * a claim that has its request already still writes rows that refer to the Entra tenant.
 */
export async function runTick(context: TickContext): Promise<TickResult> {
  const due = await takeDue(context)
  try {
    await enqueueSync(context.queues, ...due)
  } catch (error) {
    await makeDue(
      context.db,
      due.map((wakeUp) => wakeUp.entraTenantId),
    )
    throw error
  }
  const healed = await findForgotten(context)
  await enqueueSync(context.queues, ...healed)
  const partners = await takeDiscoveries(context)
  for (const partner of partners) await enqueueDiscovery(context.queues, partner, 'schedule')
  const proofs = await takeDueProofs(context.db, context.defaultClientId ?? null)
  await enqueueDueProofs(context.queues, proofs)
  const preconsents = await takeLost(context.db, lostAfterMs)
  await enqueuePreconsents(context.queues, preconsents, 'schedule')
  const families = await forgottenFamilies(context.db, context.healAfterMs ?? healAfterMs)
  if (families.length > 0) await enqueueForgotten(context.queues)
  await beat(context.db, 'tick', context.by ?? '')
  return {
    due: due.length,
    healed: healed.length,
    discoveries: partners.length,
    proofs: proofs.length,
    preconsents: preconsents.length,
    families: families.length,
  }
}

interface DueRow {
  entraTenantId: string
  failures: number
  runSeq: number
  intervalMs: number
}

async function takeDue({ db, intervals }: TickContext): Promise<SyncWakeUp[]> {
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<DueRow>`
      select e.entra_tenant_id as "entraTenantId", e.consecutive_failures as failures, coalesce(l.run_seq, 0) as "runSeq",
        coalesce(extract(epoch from e.sync_interval) * 1000, ${intervals.syncMs})::float8 as "intervalMs"
      from entra_sync.entra_tenants e
      join entra_sync.tenant_status s using (entra_tenant_id)
      left join entra_sync.sync_leases l using (entra_tenant_id)
      where e.next_sync_at <= now() and s.scheduled
        -- A failing one whose run is under way is due when that run has said so.
        and (e.consecutive_failures = 0 or coalesce(l.expires_at, '-infinity') <= now())
      order by e.next_sync_at limit ${batch} for no key update of e skip locked`.execute(trx)
    const wakeUps: SyncWakeUp[] = []
    for (const { entraTenantId, failures, runSeq } of rows) {
      const { requestSeq } = await requestSync(trx, {
        entraTenantId,
        requestedBy: 'schedule',
        priority: priorities.schedule,
      })
      wakeUps.push({
        entraTenantId,
        requestSeq,
        priority: priorities.schedule,
        afterRunSeq: runSeq,
        ...(failures > 0 && { attempt: failures }),
      })
    }
    const now = inMs(0)
    const next = rows.map(({ entraTenantId, intervalMs, failures }) =>
      secondsUntil(
        failures > 0
          ? new Date(now.getTime() + Math.min(intervalMs, lostWakeUpMs))
          : nextSync(now, intervalMs, entraTenantId),
      ),
    )
    await sql`
      update entra_sync.entra_tenants e set next_sync_at = now() + make_interval(secs => n.seconds)
      from unnest(${rows.map((row) => row.entraTenantId)}::uuid[], ${next}::float8[]) as n (id, seconds)
      where e.entra_tenant_id = n.id`.execute(trx)
    return wakeUps
  })
}

/**
 * Requests that no run has served, no worker is at, and no throttling or back-off keeps: their wake-up was lost with
 * the queue, or with a killed worker. A tenant in back-off is due again by `next_sync_at`, which `takeDue` sees; one whose
 * run was begun and is at nobody (its worker died, or yielded it) is not in back-off, whatever came before.
 */
async function findForgotten({ db, healAfterMs: after = healAfterMs }: TickContext): Promise<SyncWakeUp[]> {
  const { rows } = await sql<SyncWakeUp>`
    select r.entra_tenant_id as "entraTenantId", r.requested_seq as "requestSeq",
      least(r.priority, coalesce(r.serving_priority, r.priority)) as priority,
      coalesce(l.run_seq, 0) as "afterRunSeq"
    from entra_sync.sync_requests r
    join entra_sync.tenant_status s using (entra_tenant_id)
    left join entra_sync.sync_leases l using (entra_tenant_id)
    where r.requested_seq > r.served_seq
      and r.requested_at < now() - make_interval(secs => ${after / 1000})
      and (s.consecutive_failures = 0 or r.serving_seq is not null) and s.scheduled
      and coalesce(l.expires_at, '-infinity') < now() and coalesce(l.throttled_until, '-infinity') < now()
    order by r.requested_at limit ${batch}`.execute(db)
  return rows
}

/**
 * Partners, and at most daily the standalone Entra tenants whose app may read relationships: a partner that was linked
 * has no customers here before its lists were read once, and its kind is derived from them.
 */
async function takeDiscoveries({ db, intervals }: TickContext): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    with due as (
      select e.entra_tenant_id, s.kind from entra_sync.entra_tenants e
      join entra_sync.tenant_status s using (entra_tenant_id)
      where s.scheduled and coalesce(e.next_discovery_at, '-infinity') <= now()
        and (s.kind = 'partner' or s.kind = 'standalone'
          and exists (select from entra_sync.tenant_links l where l.entra_tenant_id = e.entra_tenant_id)
          and exists (select from entra_sync.consents c where c.entra_tenant_id = e.entra_tenant_id
            and c.status = 'granted' and c.granted_roles && ${relationshipRoles}::text[]))
      for no key update of e skip locked
    )
    update entra_sync.entra_tenants e
    set next_discovery_at = now() + make_interval(secs => case d.kind when 'partner' then ${intervals.discoveryMs / 1000}::float8
      else ${Math.max(intervals.discoveryMs, probeEveryMs) / 1000}::float8 end)
    from due d where d.entra_tenant_id = e.entra_tenant_id
    returning e.entra_tenant_id as id`.execute(db)
  return rows.map((row) => row.id)
}

const relationshipRoles = ['DelegatedAdminRelationship.Read.All', 'DelegatedAdminRelationship.ReadWrite.All']

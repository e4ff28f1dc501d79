import { sql, type Kysely } from 'kysely'
import { EntraSyncError } from '../errors.ts'
import { secondsUntil } from './entra-tenants.ts'
import type { Database } from './tables.ts'

export interface Lease {
  run_seq: number
  claims_without_page: number
  run_id: string | null
}

export interface LeaseState {
  expires_at: Date | null
  throttled_until: Date | null
  run_id: string | null
  worker: string | null
}

/** The lease as it stands, made (free) when there is none; `held` = another worker has it now,
 * `throttled_ms` = for so long Microsoft wants no calls. */
export async function readLease(
  db: Kysely<Database>,
  entraTenantId: string,
): Promise<LeaseState & { held: boolean; throttled_ms: number }> {
  await sql`insert into sync_leases (entra_tenant_id) values (${entraTenantId}) on conflict do nothing`.execute(
    db,
  )
  const { rows } = await sql<LeaseState & { held: boolean; throttled_ms: number }>`
    select nullif(expires_at, '-infinity') as expires_at, throttled_until, run_id, worker, expires_at > now() as held,
      
      greatest(0, coalesce(extract(epoch from throttled_until - now()) * 1000, 0))::float8 as throttled_ms
    from sync_leases where entra_tenant_id = ${entraTenantId}`.execute(db)
  const lease = rows[0]
  if (lease === undefined) throw new TypeError(`no lease row of ${entraTenantId}`)
  return lease
}

/**
 * Takes a free lease under a new run_seq; null = another worker was faster. The row is locked FOR UPDATE, against
 * which every page transaction's FOR KEY SHARE holds: a page that is being written ends before the lease moves.
 */
export async function takeLease(
  db: Kysely<Database>,
  entraTenantId: string,
  worker: string,
  leaseMs: number,
): Promise<Lease | null> {
  const { rows } = await sql<Lease>`
    with free as (
      select entra_tenant_id from sync_leases
      where entra_tenant_id = ${entraTenantId} and expires_at <= now() for update
    )
    update sync_leases l set run_seq = run_seq + 1, worker = ${worker},
      expires_at = now() + make_interval(secs => ${leaseMs / 1000}), claims_without_page = claims_without_page + 1,
      throttled_until = null
    from free where l.entra_tenant_id = free.entra_tenant_id
    returning l.run_seq, l.claims_without_page, l.run_id`.execute(db)
  return rows[0] ?? null
}

/** Prolongs a lease that is still this run_seq's; false = it was lost. */
export async function renewLease(
  db: Kysely<Database>,
  entraTenantId: string,
  runSeq: number,
  worker: string,
  leaseMs: number,
): Promise<boolean> {
  const { rows } = await sql`
    update sync_leases set expires_at = now() + make_interval(secs => ${leaseMs / 1000})
    where entra_tenant_id = ${entraTenantId} and run_seq = ${runSeq} and worker = ${worker} returning 1`.execute(
    db,
  )
  return rows.length > 0
}

/**
 * First statement of every transaction of a run: throws `fenced` when another worker has taken the lease. The number
 * alone does not prove it: a database that fails over to a replica that lacked the last seconds gives one twice.
 * FOR KEY SHARE, not SHARE: renewing the lease is no key update, so pages written in parallel cannot starve it.
 */
export async function proveLease(
  db: Kysely<Database>,
  entraTenantId: string,
  runSeq: number,
  worker: string,
): Promise<void> {
  const { rows } = await sql`
    select 1 from sync_leases
    where entra_tenant_id = ${entraTenantId} and run_seq = ${runSeq} and worker = ${worker} for key share`.execute(
    db,
  )
  if (rows.length === 0) {
    throw new EntraSyncError(
      'fenced',
      `Another worker took over the sync of this Entra tenant from run ${runSeq}.`,
      {
        code: 'fenced',
        tenant: entraTenantId,
      },
    )
  }
}

/** A page was committed: this claim is not poisoned. */
export async function notePage(db: Kysely<Database>, entraTenantId: string): Promise<void> {
  await sql`
    update sync_leases set claims_without_page = 0
    where entra_tenant_id = ${entraTenantId} and claims_without_page > 0`.execute(db)
}

export async function setLeaseRun(db: Kysely<Database>, entraTenantId: string, runId: string): Promise<void> {
  await sql`update sync_leases set run_id = ${runId} where entra_tenant_id = ${entraTenantId}`.execute(db)
}

/**
 * Gives the lease back. `keepRun` leaves the run open for the next slice; `clean` says that the slice ended in a way we
 * understand, so it does not count towards poison.
 */
export async function releaseLease(
  db: Kysely<Database>,
  entraTenantId: string,
  runSeq: number,
  end: { keepRun: boolean; clean: boolean; throttledUntil?: Date | undefined },
): Promise<void> {
  const throttledSeconds = end.throttledUntil === undefined ? null : secondsUntil(end.throttledUntil)
  await sql`
    update sync_leases set expires_at = '-infinity', worker = null,
      run_id = case when ${end.keepRun} then run_id end,
      claims_without_page = case when ${end.clean} then 0 else claims_without_page end,
      throttled_until = clock_timestamp() + make_interval(secs => ${throttledSeconds})
    where entra_tenant_id = ${entraTenantId} and run_seq = ${runSeq}`.execute(db)
}

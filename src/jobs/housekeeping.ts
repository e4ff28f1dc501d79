import { sql, type Kysely } from 'kysely'
import type { AppCheckContext } from '../consent/apps/check-app.ts'
import { checkApps } from '../consent/apps/check-apps.ts'
import { refreshCredentialProblems } from '../consent/apps/credential-expiry.ts'
import { refreshGdapProblems } from '../consent/customers/gdap-problems.ts'
import { deleteOldRequests, deleteOldTickets } from '../consent/grants/clean-up.ts'
import type { PreconsentContext } from '../consent/preconsent/context.ts'
import { deleteOldSignInRequests, keepPreconsent } from '../consent/preconsent/housekeeping.ts'
import type { Database } from '../db/tables.ts'
import { cutFeed } from '../db/target-feed.ts'
import { dirtyEndedGraces } from '../targets/grace.ts'
import { dirtyDaily, forgetGoneFamilies } from '../targets/waiting.ts'
import type { JobHelpers } from './helpers.ts'
import type { Verdict } from './verdicts.ts'

export interface HousekeepingContext {
  db: Kysely<Database>
  /** The way to the app registrations; none = they are not checked here. */
  apps?: AppCheckContext | undefined
  /** How long licences of a suspended SKU still count, in milliseconds. */
  licenseGraceMs: number
  /** Partner sign-ins to refresh and bootstrap grants to take back; none = not from here. */
  preconsent?: PreconsentContext | undefined
}

/** Rows a statement: short transactions, since syncs write the same tables. */
const batch = 1000

/** Graph purges a deleted object after 30 days; from then on it can't be restored there either. */
const graceDays = 30
const runDays = 90
const feedDays = 90

/**
 * Drops what nobody needs any more: runs, resolutions and changes of targets after 90 days, closed holds likewise, the
 * guard's record after two days (it looks back 24 h), persons and groups 30 days after their soft-deletion, with their
 * edges. Protected persons stay.
 * Links for consent that have ended, and the states of admin consents a day later. Reads the registrations of apps,
 * daily; refreshes the sign-ins of partner users, daily; takes back what pre-consents have left; opens and closes the problems of
 * credentials and GDAP relationships that end. Dirties the targets that follow from time alone: ended graces of suspended
 * SKUs, and families that were not resolved whole for a day.
 */
export async function housekeeping(
  { db, apps, licenseGraceMs, preconsent }: HousekeepingContext,
  job: JobHelpers,
): Promise<Verdict> {
  const steps: [string, () => Promise<number>][] = [
    ['persons', () => purgePersons(db)],
    ['groups', () => purgeGroups(db)],
    ['runs', () => deleteOldRuns(db)],
    ['holds', () => deleteOldHolds(db)],
    ['resolutions', () => deleteOldResolutions(db)],
    ['applied removals', () => deleteAppliedRemovals(db)],
    ['consent links', () => deleteOldTickets(db, batch)],
    ['consent states', () => deleteOldRequests(db, batch)],
    ['sign-in states', () => deleteOldSignInRequests(db, batch)],
    ['changes of targets', () => cutFeed(db, feedDays, batch)],
  ]
  const counts: string[] = []
  for (const [what, step] of steps) {
    let total = 0
    for (let count = batch; count >= batch; total += count) {
      job.signal.throwIfAborted()
      count = await step()
    }
    counts.push(`${total} ${what}`)
  }
  const checked = apps === undefined ? 0 : await checkApps(apps, job.signal)
  const kept = preconsent === undefined ? '' : `; ${await keepPreconsent(preconsent, job.signal)}`
  const expiring = await refreshCredentialProblems(db)
  const relationships = await refreshGdapProblems(db)
  const graces = await dirtyEndedGraces(db, licenseGraceMs)
  const families = await dirtyDaily(db)
  await forgetGoneFamilies(db)
  return {
    job: 'completed',
    result: `removed ${counts.join(', ')}; checked the apps of ${checked} Entra tenants; ${expiring} apps with credentials that end soon; ${relationships} problems of GDAP relationships${kept}; ${graces} SKUs whose grace has ended, ${families} families to be resolved whole`,
    again: 'never',
  }
}

async function purgePersons(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with purged as (
      delete from entra_sync.persons where person_id in (
        select person_id from entra_sync.persons
        where deleted_at < now() - make_interval(days => ${graceDays}) and protected_reason is null
          and entra_tenant_id not in (select entra_tenant_id from entra_sync.entra_tenants where restored_at is not null)
        limit ${batch} for update skip locked
      ) returning entra_tenant_id, object_id
    ), edges as (
      delete from entra_sync.group_members m using purged p
      where m.entra_tenant_id = p.entra_tenant_id and m.member_id = p.object_id
    ), licenses as (
      delete from entra_sync.person_licenses l using purged p
      where l.entra_tenant_id = p.entra_tenant_id and l.object_id = p.object_id
    ), sources as (
      delete from entra_sync.person_license_sources s using purged p
      where s.entra_tenant_id = p.entra_tenant_id and s.object_id = p.object_id
    )
    select count(*)::int as count from purged`.execute(db)
  return rows[0]?.count ?? 0
}

async function purgeGroups(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with purged as (
      delete from entra_sync.groups where (entra_tenant_id, object_id) in (
        select entra_tenant_id, object_id from entra_sync.groups
        where deleted_at < now() - make_interval(days => ${graceDays})
          and entra_tenant_id not in (select entra_tenant_id from entra_sync.entra_tenants where restored_at is not null)
        limit ${batch} for update skip locked
      ) returning entra_tenant_id, object_id
    ), edges as (
      delete from entra_sync.group_members m using purged p
      where m.entra_tenant_id = p.entra_tenant_id and p.object_id in (m.group_id, m.member_id)
    )
    select count(*)::int as count from purged`.execute(db)
  return rows[0]?.count ?? 0
}

async function deleteOldRuns(db: Kysely<Database>): Promise<number> {
  return deleted(
    await sql`
      delete from entra_sync.sync_runs where run_id in (
        select run_id from entra_sync.sync_runs
        where finished_at < now() - make_interval(days => ${runDays}) limit ${batch})`.execute(db),
  )
}

async function deleteOldResolutions(db: Kysely<Database>): Promise<number> {
  return deleted(
    await sql`
      delete from entra_sync.target_runs where run_id in (
        select run_id from entra_sync.target_runs
        where started_at < now() - make_interval(days => ${runDays}) limit ${batch})`.execute(db),
  )
}

async function deleteOldHolds(db: Kysely<Database>): Promise<number> {
  return deleted(
    await sql`
      delete from entra_sync.holds where hold_id in (
        select hold_id from entra_sync.holds
        where status <> 'open' and closed_at < now() - make_interval(days => ${runDays}) limit ${batch})`.execute(
      db,
    ),
  )
}

async function deleteAppliedRemovals(db: Kysely<Database>): Promise<number> {
  return deleted(
    await sql`
      delete from entra_sync.applied_removals where ctid = any (array(
        select ctid from entra_sync.applied_removals where at < now() - interval '2 days' limit ${batch}))`.execute(
      db,
    ),
  )
}

function deleted(result: { numAffectedRows?: bigint }): number {
  return Number(result.numAffectedRows ?? 0n)
}

import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { describeError, EntraSyncError } from '../errors.ts'
import type { TargetContext } from '../targets/context.ts'
import { noteFailures, restingFamilies, type TargetFailure } from '../targets/failures.ts'
import { dirtyFamilies, familyOfTenant } from '../targets/families.ts'
import { resolveTargets, type Resolved } from '../targets/resolve.ts'
import { familiesOfDeployment, forgottenFamilies } from '../targets/waiting.ts'
import type { Payload } from './catalog.ts'
import { enqueueFamily } from './enqueue-targets.ts'
import type { JobHelpers } from './helpers.ts'
import type { Queues } from './queues.ts'
import type { Verdict } from './verdicts.ts'

export interface ResolveJobContext {
  targets: TargetContext
  queues: Queues
}

/** Faults that pass by themselves are told from this one in a row on. */
const tellFrom = 5

/**
 * Resolves what is dirty: everything, a tenant's family, or the families that a deployment touches. The dirt is in
 * Postgres, so that the job may come twice, or late: it takes what is there. A family that fails stays dirty and rests;
 * the tick wakes it again.
 */
export async function resolveTargetsJob(
  { targets, queues }: ResolveJobContext,
  payload: Payload<'resolve-targets'>,
  job: JobHelpers,
): Promise<Verdict> {
  const { db } = targets
  const named = await namedFamilies(db, payload)
  const resting = payload.wakeUp === true ? await restingFamilies(db) : null
  const dirty = await dirtyFamilies(db)
  const familyIds = dirty.filter((id) => (named?.includes(id) ?? true) && resting?.has(id) !== true)
  if (familyIds.length === 0) return completed(await nothing(db, named))
  const resolved = await resolveTargets(
    { ...targets, log: job.log },
    { familyIds, trigger: payload.requestedBy ?? 'queue', signal: job.signal },
  )
  const failures = await noteFailures(db, familyIds, resolved.failed)
  await wakeAgain(db, queues, familyIds)
  return verdictOf(db, familyIds, resolved, failures)
}

/** The families that a payload means; null = all. @throws kind `input` when it names what is not there */
async function namedFamilies(
  db: Kysely<Database>,
  { tenantId, deploymentId, familyId }: Payload<'resolve-targets'>,
): Promise<string[] | null> {
  const sets: string[][] = familyId === undefined ? [] : [[familyId]]
  if (tenantId !== undefined) {
    const family = await familyOfTenant(db, tenantId)
    if (family === null) throw unknown('tenant', 'entra-sync tenants list')
    sets.push([family])
  }
  if (deploymentId !== undefined) {
    const families = await familiesOfDeployment(db, deploymentId)
    if (families === null) throw unknown('deployment', 'entra-sync deployments list')
    sets.push(families)
  }
  const [first, ...others] = sets
  return first === undefined ? null : first.filter((id) => others.every((set) => set.includes(id)))
}

function unknown(what: 'tenant' | 'deployment', list: string): EntraSyncError {
  return new EntraSyncError('input', `There is no such ${what}.`, {
    code: `${what}_unknown`,
    remedy: `\`${list}\` shows all of them.`,
  })
}

/** What was dirtied while these were resolved; a wake-up for it may have been dropped as this job's duplicate. */
async function wakeAgain(db: Kysely<Database>, queues: Queues, familyIds: readonly string[]): Promise<void> {
  for (const familyId of await forgottenFamilies(db, 0, familyIds)) {
    await enqueueFamily(db, queues, familyId, 'schedule')
  }
}

async function verdictOf(
  db: Kysely<Database>,
  familyIds: readonly string[],
  resolved: Resolved,
  failures: readonly TargetFailure[],
): Promise<Verdict> {
  const { families, assigned, changed, unassigned, held } = resolved
  const counts = `${assigned} assigned, ${changed} changed, ${unassigned} unassigned`
  const kept = held === 0 ? '' : `; ${held} held in ${await heldNames(db, familyIds)}`
  const text = `${families} ${families === 1 ? 'family' : 'families'}: ${counts}${kept}`
  if (failures.length === 0) return completed(text)
  const names = await namesOf(
    db,
    failures.map(({ familyId }) => familyId),
  )
  const told = failures.filter(({ transient, failures: count }) => !transient || count >= tellFrom)
  const [first] = told
  if (first === undefined) {
    const codes = [...new Set(failures.map(({ error }) => error.code))].join(', ')
    return completed(`${text}; not resolved: ${list(names)} (${codes}), tried again in a moment`)
  }
  const error = new EntraSyncError(
    first.error.kind,
    `The targets of ${list(names)} could not be resolved: ${describeError(first.error)} Besides, ${text}.`,
    {
      code: first.error.code,
      cause: first.error,
      remedy: 'It is tried again by itself; `entra-sync status` shows when.',
    },
  )
  return { job: 'failed', error, again: 'never' }
}

/** Why there was nothing to do, for whoever asked. */
async function nothing(db: Kysely<Database>, named: readonly string[] | null): Promise<string> {
  if (named === null) return 'nothing to do: no targets are dirty'
  const { rows } = await sql<{ family_id: string; frozen: string }>`
    select family_id, frozen from target_family_status
    where frozen is not null and family_id = any (${named}::uuid[])`.execute(db)
  if (rows.length === 0) return 'nothing to do: its targets are not dirty'
  const names = await namesOf(
    db,
    rows.map((row) => row.family_id),
  )
  const reasons = [...new Set(rows.map(({ frozen }) => frozen))].join(', ')
  return `not resolved: the targets of ${list(names)} are frozen (${reasons}) and stay as they are`
}

async function heldNames(db: Kysely<Database>, familyIds: readonly string[]): Promise<string> {
  const { rows } = await sql<{ name: string }>`
    select distinct t.name from holds h join tenants t using (tenant_id) join tenant_families f using (tenant_id)
    where h.kind = 'target' and (h.status = 'open' or (h.status = 'rejected' and h.closed_at > now() - interval '30 days'))
      and f.family_id = any (${familyIds}::uuid[])
    order by t.name`.execute(db)
  return list(rows.map(({ name }) => name))
}

/** Names of families: of the Entra tenant, else of the tenant alone. */
async function namesOf(db: Kysely<Database>, familyIds: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select coalesce(e.display_name, e.default_domain, t.name, f.id::text) as name
    from unnest(${familyIds}::uuid[]) as f (id)
    left join entra_tenants e on e.entra_tenant_id = f.id left join tenants t on t.tenant_id = f.id
    order by 1`.execute(db)
  return rows.map((row) => row.name)
}

/** Three names are enough for a job's result; the rest is in `status`. */
function list(names: readonly string[]): string {
  return names.length > 4 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ')
}

function completed(result: string): Verdict {
  return { job: 'completed', result, again: 'never' }
}

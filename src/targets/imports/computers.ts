import { sql, type Kysely, type Transaction } from 'kysely'
import { z } from 'zod'
import { audit } from '../../db/audit.ts'
import { freezeBeforeRemoving } from '../../db/fleet-freeze.ts'
import { jsonRows } from '../../db/json.ts'
import type { Database } from '../../db/tables.ts'
import type { GuardSettings } from '../../guard.ts'
import {
  ambiguities,
  planOf,
  type ComputerRow,
  type ComputersPlan,
  type KnownComputer,
} from './computers-plan.ts'
import { judgeLosses, losingOf, noteTargets, readLosses } from './losses.ts'
import { fieldId, fieldText, parseRecords, type ReadRecords } from './records.ts'
import { readTenants } from './tenants.ts'

const computer = z.strictObject({
  computer_id: fieldId.optional(),
  tenant: fieldText(256).refine((text) => text !== '', 'names no tenant'),
  name: fieldText(256).refine((text) => text !== '', 'is empty'),
  primary_user_principal_name: fieldText(256).optional(),
  entra_device_id: fieldId.optional(),
})

export interface ComputersImport {
  /** False = only the plan. */
  keep: boolean
  /** Also removes computers of the file's tenants that it lacks. */
  replace: boolean
  /** An operator has seen what is removed and lost. */
  confirmed: boolean
  guard: GuardSettings
  actor: string
}

/**
 * Imports computers: matched by id, else by Entra device id inside the tenant, else by name inside it, case-blind. All of
 * the file or nothing.
 */
export async function importComputers(
  db: Kysely<Database>,
  read: ReadRecords,
  options: ComputersImport,
): Promise<ComputersPlan> {
  const { rows, problems } = parseRecords(read, computer)
  const trx = await db.startTransaction().execute()
  try {
    // Before the table, as syncs do: the other way round an import, a sync and a freeze would wait for each other.
    await freezeBeforeRemoving(trx)
    // One import at a time: each is judged by what is there.
    await sql`lock table computers in share row exclusive mode`.execute(trx)
    const tenants = await readTenants(trx)
    const named: ComputerRow[] = []
    for (const { place, row } of rows) {
      const { tenant, computer_id: id, name, ...rest } = row
      const found = tenants.find(tenant)
      if (typeof found === 'string') problems.push({ place, message: `tenant: ${found}` })
      else
        named.push({
          n: named.length,
          place,
          computer_id: id === undefined || id === '' ? null : id,
          tenant_id: found.tenantId,
          name,
          ...Object.fromEntries(
            Object.entries(rest).map(([key, value]) => [key, value === '' ? null : value]),
          ),
        })
    }
    const known = await match(trx, named)
    for (const problem of ambiguities(named, known)) problems.push(problem)
    const plan = planOf(named, known, problems)
    if (problems.length === 0) {
      if (options.replace) plan.removed = await missing(trx, named, known)
      await noteTargets(
        trx,
        [...plan.changed, ...plan.removed].map(({ computerId }) => computerId),
      )
      await write(trx, named, known, plan)
      plan.losing = await readLosses(trx)
      plan.tooLarge = await judgeLosses(trx, plan.losing, options.guard)
      plan.applied = options.keep && (options.confirmed || plan.tooLarge.length === 0)
      await note(trx, plan, options)
    }
    await (plan.applied ? trx.commit() : trx.rollback()).execute()
    return plan
  } catch (error) {
    if (!trx.isCommitted && !trx.isRolledBack) await trx.rollback().execute()
    throw error
  }
}

async function match(trx: Transaction<Database>, rows: readonly ComputerRow[]): Promise<KnownComputer[]> {
  // A table and not a list in the statement: Postgres takes such a list for a hundred rows, and compared each of them with
  // every computer of its tenant, 29 s for 50 tenants of a thousand.
  await sql`
    create temp table imported_rows (n int, computer_id uuid, tenant_id uuid, name text, entra_device_id uuid) on commit drop`.execute(
    trx,
  )
  await sql`
    insert into imported_rows select * from jsonb_to_recordset(${jsonRows(rows)}::jsonb)
      as x(n int, computer_id uuid, tenant_id uuid, name text, entra_device_id uuid)`.execute(trx)
  await sql`analyze imported_rows`.execute(trx)
  const { rows: known } = await sql<KnownComputer>`
    with by_device as (
      select i.n, c.computer_id from imported_rows i join computers c on c.tenant_id = i.tenant_id and c.entra_device_id = i.entra_device_id
      where i.computer_id is null
    ), by_name as (
      select i.n, c.computer_id from imported_rows i join computers c on c.tenant_id = i.tenant_id and lower(c.name) = lower(i.name)
      where i.computer_id is null and not exists (select from by_device d where d.n = i.n)
    ), found as (
      select n, computer_id from imported_rows where computer_id is not null
      union all select * from by_device union all select * from by_name
    )
    select i.n, coalesce(count(c.computer_id), 0) as matches, min(c.computer_id::text)::uuid as computer_id,
      min(c.tenant_id::text)::uuid as tenant_id, min(c.name) as name,
      min(c.primary_user_principal_name) as primary_user_principal_name, min(c.entra_device_id::text)::uuid as entra_device_id
    from imported_rows i left join found f using (n) left join computers c on c.computer_id = f.computer_id
    group by i.n order by i.n`.execute(trx)
  return known
}

async function missing(
  trx: Transaction<Database>,
  rows: readonly ComputerRow[],
  known: readonly KnownComputer[],
): Promise<ComputersPlan['removed']> {
  const tenantIds = [...new Set(rows.map((row) => row.tenant_id))]
  const kept = known.map((one) => one.computer_id).filter((id) => id !== null)
  const { rows: removed } = await sql<ComputersPlan['removed'][number]>`
    select computer_id as "computerId", name, tenant_id as "tenantId" from computers
    where tenant_id = any (${tenantIds}::uuid[]) and computer_id <> all (${kept}::uuid[]) order by name`.execute(
    trx,
  )
  return removed
}

async function write(
  trx: Transaction<Database>,
  rows: readonly ComputerRow[],
  known: readonly KnownComputer[],
  plan: ComputersPlan,
): Promise<void> {
  const changed = new Set(plan.changed.map(({ computerId }) => computerId))
  // What a row does not have stays as it is.
  const full = rows
    .map((row) => ({ ...known[row.n], ...row, computer_id: known[row.n]?.computer_id ?? row.computer_id }))
    .filter(
      (row) => row.computer_id === null || changed.has(row.computer_id) || known[row.n]?.computer_id == null,
    )
  await sql`
    insert into computers (computer_id, tenant_id, name, primary_user_principal_name, entra_device_id)
    select coalesce(computer_id, gen_random_uuid()), tenant_id, name, primary_user_principal_name, entra_device_id
    from jsonb_to_recordset(${jsonRows(full)}::jsonb)
      as x(computer_id uuid, tenant_id uuid, name text, primary_user_principal_name text, entra_device_id uuid)
    on conflict (computer_id) do update set tenant_id = excluded.tenant_id, name = excluded.name,
      primary_user_principal_name = excluded.primary_user_principal_name, entra_device_id = excluded.entra_device_id,
      changed_at = now()`.execute(trx)
  await sql`delete from computers where computer_id = any (${plan.removed.map(({ computerId }) => computerId)}::uuid[])`.execute(
    trx,
  )
}

async function note(
  trx: Transaction<Database>,
  { added, changed, removed, losing }: ComputersPlan,
  { actor, confirmed }: ComputersImport,
): Promise<void> {
  const counts = { added: added.length, changed: changed.length, removed: removed.length }
  // What passed unseen counts for a day; what somebody has seen does not.
  const taken = confirmed ? {} : { taken: losingOf(losing) }
  await audit(trx, {
    actor,
    action: 'computers_imported',
    detail: { ...counts, losing: losing.length, ...taken },
  })
}

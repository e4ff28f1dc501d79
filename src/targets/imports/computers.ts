import { sql, type Kysely, type Transaction } from 'kysely'
import { z } from 'zod'
import { audit } from '../../db/audit.ts'
import { jsonRows } from '../../db/json.ts'
import type { Database } from '../../db/tables.ts'
import { fieldId, fieldText, parseRecords, type ReadRecords, type RecordProblem } from './records.ts'
import { readTenants } from './tenants.ts'

const computer = z.strictObject({
  computer_id: fieldId.optional(),
  tenant: fieldText(256).refine((text) => text !== '', 'names no tenant'),
  name: fieldText(256).refine((text) => text !== '', 'is empty'),
  primary_user_principal_name: fieldText(256).optional(),
  entra_device_id: fieldId.optional(),
})

/** A row with its tenant; a key that is not there keeps what the table has, an empty one clears it. */
interface ComputerRow {
  n: number
  place: string
  computer_id: string | null
  tenant_id: string
  name: string
  primary_user_principal_name?: string | null
  entra_device_id?: string | null
}

export interface ComputersPlan {
  added: { name: string; tenantId: string }[]
  changed: { computerId: string; name: string; fields: string[] }[]
  unchanged: number
  /** With `replace`: those of the file's tenants that it lacks. */
  removed: { computerId: string; name: string; tenantId: string }[]
  /** Any error: nothing is written. */
  problems: RecordProblem[]
}

interface Known {
  n: number
  matches: number
  computer_id: string | null
  tenant_id: string | null
  name: string | null
  primary_user_principal_name: string | null
  entra_device_id: string | null
}

/**
 * Imports computers: matched by id, else by Entra device id inside the tenant, else by name inside it, case-blind. All of
 * the file or nothing; `keep` false = only the plan.
 */
export async function importComputers(
  db: Kysely<Database>,
  read: ReadRecords,
  options: { keep: boolean; replace: boolean; actor: string },
): Promise<ComputersPlan> {
  const { rows, problems } = parseRecords(read, computer)
  const trx = await db.startTransaction().execute()
  try {
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
    if (options.replace && problems.length === 0) plan.removed = await missing(trx, named, known)
    const applied = options.keep && problems.length === 0
    if (applied) await write(trx, named, known, plan, options.actor)
    await (applied ? trx.commit() : trx.rollback()).execute()
    return plan
  } catch (error) {
    if (!trx.isCommitted && !trx.isRolledBack) await trx.rollback().execute()
    throw error
  }
}

async function match(trx: Transaction<Database>, rows: readonly ComputerRow[]): Promise<Known[]> {
  const { rows: known } = await sql<Known>`
    with input as (
      select * from jsonb_to_recordset(${jsonRows(rows)}::jsonb)
        as x(n int, computer_id uuid, tenant_id uuid, name text, entra_device_id uuid)
    ), by_device as (
      select i.n, c.computer_id from input i join computers c on c.tenant_id = i.tenant_id and c.entra_device_id = i.entra_device_id
      where i.computer_id is null
    ), by_name as (
      select i.n, c.computer_id from input i join computers c on c.tenant_id = i.tenant_id and lower(c.name) = lower(i.name)
      where i.computer_id is null and not exists (select from by_device d where d.n = i.n)
    ), found as (
      select n, computer_id from input where computer_id is not null
      union all select * from by_device union all select * from by_name
    )
    select i.n, coalesce(count(c.computer_id), 0) as matches, min(c.computer_id::text)::uuid as computer_id,
      min(c.tenant_id::text)::uuid as tenant_id, min(c.name) as name,
      min(c.primary_user_principal_name) as primary_user_principal_name, min(c.entra_device_id::text)::uuid as entra_device_id
    from input i left join found f using (n) left join computers c on c.computer_id = f.computer_id
    group by i.n order by i.n`.execute(trx)
  return known
}

/** Rows that mean several computers, and computers that several rows mean. */
function ambiguities(rows: readonly ComputerRow[], known: readonly Known[]): RecordProblem[] {
  const problems: RecordProblem[] = []
  const seen = new Map<string, string>()
  for (const row of rows) {
    const { matches = 0, computer_id: id = null } = known[row.n] ?? {}
    if (matches > 1)
      problems.push({
        place: row.place,
        message: `${row.name} is not one computer but ${matches}: give computer_id.`,
      })
    const keys = [
      row.computer_id ?? id ?? `${row.tenant_id} ${row.name.toLowerCase()}`,
      ...(row.entra_device_id ? [`${row.tenant_id} device ${row.entra_device_id}`] : []),
    ]
    for (const key of keys) {
      const before = seen.get(key)
      if (before !== undefined && before !== row.place)
        problems.push({ place: row.place, message: `${row.name} is the computer of ${before} again.` })
      seen.set(key, before ?? row.place)
    }
  }
  return problems
}

const fields = ['tenant_id', 'name', 'primary_user_principal_name', 'entra_device_id'] as const

function planOf(
  rows: readonly ComputerRow[],
  known: readonly Known[],
  problems: RecordProblem[],
): ComputersPlan {
  const plan: ComputersPlan = { added: [], changed: [], unchanged: 0, removed: [], problems }
  for (const row of rows) {
    const before = known[row.n]
    if (before?.computer_id == null) {
      plan.added.push({ name: row.name, tenantId: row.tenant_id })
      continue
    }
    const changes = fields.filter((field) => field in row && row[field] !== before[field])
    if (changes.length === 0) plan.unchanged += 1
    else plan.changed.push({ computerId: before.computer_id, name: row.name, fields: changes })
  }
  return plan
}

async function missing(
  trx: Transaction<Database>,
  rows: readonly ComputerRow[],
  known: readonly Known[],
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
  known: readonly Known[],
  plan: ComputersPlan,
  actor: string,
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
  await audit(trx, {
    actor,
    action: 'computers_imported',
    detail: { added: plan.added.length, changed: plan.changed.length, removed: plan.removed.length },
  })
}

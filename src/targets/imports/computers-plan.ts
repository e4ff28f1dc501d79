import type { ComputerLoss, TenantLoss } from './losses.ts'
import type { RecordProblem } from './records.ts'

/** A row with its tenant; a key that is not there keeps what the table has, an empty one clears it. */
export interface ComputerRow {
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
  /** Computers that lose software by it, those that are removed among them. */
  losing: ComputerLoss[]
  /** Where more of them lose something than the guard lets pass: only done when confirmed. */
  tooLarge: TenantLoss[]
  /** Any error: nothing is written. */
  problems: RecordProblem[]
  applied: boolean
}

/** What is there of a row. */
export interface KnownComputer {
  n: number
  matches: number
  computer_id: string | null
  tenant_id: string | null
  name: string | null
  primary_user_principal_name: string | null
  entra_device_id: string | null
}

/** Rows that mean several computers, and computers that several rows mean. */
export function ambiguities(rows: readonly ComputerRow[], known: readonly KnownComputer[]): RecordProblem[] {
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

/** What the rows do to what is there; whatever is removed or lost is found later. */
export function planOf(
  rows: readonly ComputerRow[],
  known: readonly KnownComputer[],
  problems: RecordProblem[],
): ComputersPlan {
  const plan: ComputersPlan = {
    added: [],
    changed: [],
    unchanged: 0,
    removed: [],
    losing: [],
    tooLarge: [],
    problems,
    applied: false,
  }
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

import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { tableLines, type Column } from './table.ts'

interface SummaryRow {
  name: string
  kind: string
  users: number
  groups: number
  members: number
  teams: number
  skus: number
  requests: number
  seconds: number
}

/** One line a tenant, and their sum. */
export async function printSummary(db: Kysely<Database>, say: (line: string) => void): Promise<void> {
  const { rows } = await sql<SummaryRow>`
    select coalesce(s.display_name, s.default_domain, s.entra_tenant_id::text) as name, s.kind,
      s.users, s.groups, s.members, s.teams, s.skus, coalesce(r.requests, 0)::int as requests,
      coalesce(r.seconds, 0)::float8 as seconds
    from tenant_status s
    left join lateral (
      select sum(requests) as requests, sum(extract(epoch from finished_at - started_at)) as seconds
      from sync_runs x where x.entra_tenant_id = s.entra_tenant_id
    ) r on true
    order by s.kind = 'partner' desc, name`.execute(db)
  const sum = (of: (row: SummaryRow) => number): number => rows.reduce((total, row) => total + of(row), 0)
  const total: SummaryRow = {
    name: 'all',
    kind: '',
    users: sum((row) => row.users),
    groups: sum((row) => row.groups),
    members: sum((row) => row.members),
    teams: sum((row) => row.teams),
    skus: sum((row) => row.skus),
    requests: sum((row) => row.requests),
    seconds: sum((row) => row.seconds),
  }
  const count = (title: string, of: (row: SummaryRow) => number): Column<SummaryRow> => ({
    title,
    value: (row) => of(row).toLocaleString('en'),
    align: 'right',
  })
  const columns: Column<SummaryRow>[] = [
    { title: 'tenant', value: (row) => row.name },
    { title: 'kind', value: (row) => row.kind },
    count('users', (row) => row.users),
    count('groups', (row) => row.groups),
    count('members', (row) => row.members),
    count('Teams', (row) => row.teams),
    count('SKUs', (row) => row.skus),
    count('requests', (row) => row.requests),
    { title: 'time', value: (row) => `${row.seconds.toFixed(1)} s`, align: 'right' },
  ]
  say('')
  for (const line of tableLines(columns, [...rows, total], process.stdout.columns ?? null)) say(line)
}

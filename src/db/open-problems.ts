import { sql, type Kysely } from 'kysely'
import type { ListedProblem } from './problems.ts'
import type { Database } from './tables.ts'

export interface OpenProblem extends Omit<ListedProblem, 'closed_at'> {
  /** Where the list goes on after this row: give it as `after`. */
  position: string[]
}

/** A page of open problems: those that nobody silenced first, each part the oldest first; and how many are on all pages. */
export async function readProblemPage(
  db: Kysely<Database>,
  {
    entraTenantId,
    silenced,
    after,
    offset = 0,
    limit,
  }: {
    entraTenantId?: string | undefined
    /** Only those that are silenced, or that are not. */
    silenced?: boolean | undefined
    /** Position of the last row of the page before. */
    after?: readonly [string, string, string] | undefined
    offset?: number
    limit: number
  },
): Promise<{ rows: OpenProblem[]; total: number }> {
  const matching = sql`
    from entra_sync.open_problems p join entra_sync.entra_tenants e using (entra_tenant_id)
    where ${entraTenantId === undefined ? sql`true` : sql`p.entra_tenant_id = ${entraTenantId}`}
      and ${silenced === undefined ? sql`true` : sql`p.silenced = ${silenced}`}`
  const [{ rows }, { rows: counted }] = await Promise.all([
    sql<OpenProblem>`
      select p.problem_id, p.entra_tenant_id, coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name,
        p.code, p.message, p.remedy, p.who_acts, p.request_id, p.opened_at, p.seen_at, p.silenced,
        array[p.silenced::text, p.opened_at::text, p.problem_id::text] as position
      ${matching} and ${
        after === undefined
          ? sql`true`
          : sql`(p.silenced, p.opened_at, p.problem_id) > (${after[0]}::boolean, ${after[1]}::timestamptz, ${after[2]}::uuid)`
      }
      order by p.silenced, p.opened_at, p.problem_id limit ${limit} offset ${offset}`.execute(db),
    sql<{ total: number }>`select count(*)::int as total ${matching}`.execute(db),
  ])
  return { rows, total: counted[0]?.total ?? 0 }
}

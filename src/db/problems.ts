import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export interface ProblemFacts {
  code: string
  message: string
  remedy: string
  whoActs: 'operator' | 'customer_admin' | 'partner_admin' | 'microsoft'
  /** What disproves it, see problems.topic. */
  topic: string
  requestId?: string | undefined
}

/** Opens a problem, or says again that it is still there. */
export async function openProblem(
  db: Kysely<Database>,
  entraTenantId: string,
  problem: ProblemFacts,
): Promise<void> {
  await sql`
    insert into problems (entra_tenant_id, code, message, remedy, who_acts, request_id, topic)
    values (${entraTenantId}, ${problem.code}, ${problem.message}, ${problem.remedy}, ${problem.whoActs},
      ${problem.requestId ?? null}, ${problem.topic})
    on conflict (entra_tenant_id, code) where closed_at is null do update set
      message = excluded.message, remedy = excluded.remedy, who_acts = excluded.who_acts,
      request_id = excluded.request_id, topic = excluded.topic, seen_at = now()`.execute(db)
}

/** Closes the open problems of these topics: a read has disproved them. */
export async function closeProblems(
  db: Kysely<Database>,
  entraTenantId: string,
  topics: readonly string[],
): Promise<void> {
  await sql`
    update problems set closed_at = now()
    where entra_tenant_id = ${entraTenantId} and closed_at is null and topic = any (${topics}::text[])`.execute(
    db,
  )
}

export interface ListedProblem {
  problem_id: string
  entra_tenant_id: string
  /** Of the Entra tenant, for people. */
  name: string
  code: string
  message: string
  remedy: string
  who_acts: ProblemFacts['whoActs']
  request_id: string | null
  opened_at: Date
  seen_at: Date
  /** null = open. */
  closed_at: Date | null
  /** Open, and does not count: see problem_silences. */
  silenced: boolean
}

/**
 * Open problems of one Entra tenant or (null) of all: first those that count, then the silenced ones, each the oldest
 * first; with `closed`, those of the past after them, the newest first.
 */
export async function listProblems(
  db: Kysely<Database>,
  { entraTenantId = null, closed = false }: { entraTenantId?: string | null; closed?: boolean } = {},
): Promise<ListedProblem[]> {
  const { rows } = await sql<ListedProblem>`
    select p.problem_id, p.entra_tenant_id, coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name,
      p.code, p.message, p.remedy, p.who_acts, p.request_id, p.opened_at, p.seen_at, p.closed_at,
      coalesce(o.silenced, false) as silenced
    from entra_sync.problems p
    join entra_sync.entra_tenants e using (entra_tenant_id)
    left join entra_sync.open_problems o using (problem_id)
    where (p.closed_at is null or ${closed}) and (${entraTenantId}::uuid is null or p.entra_tenant_id = ${entraTenantId}::uuid)
    order by p.closed_at desc nulls first, coalesce(o.silenced, false), p.opened_at, p.problem_id`.execute(db)
  return rows
}

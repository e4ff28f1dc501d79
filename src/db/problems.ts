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

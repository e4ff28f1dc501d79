import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { TargetChange } from '../db/target-feed.ts'

interface Names {
  tenant: string | null
  subject: string | null
  item: string | null
  deployment: string | null
}

/** A change with the names that a person knows; null = gone meanwhile. */
export type NamedChange = TargetChange & Names

const none: Names = { tenant: null, subject: null, item: null, deployment: null }

/** Adds the names of tenants, subjects, items and deployments, as they are now. */
export async function nameChanges(
  db: Kysely<Database>,
  changes: readonly TargetChange[],
): Promise<NamedChange[]> {
  if (changes.length === 0) return []
  const { rows } = await sql<Names & { seq: number }>`
    select c.seq, t.name as tenant, coalesce(p.display_name, p.user_principal_name, m.name) as subject, i.name as item,
      d.name as deployment
    from target_changes c
    left join tenants t using (tenant_id)
    left join maintenance_items i using (item_id)
    left join persons p on c.subject_kind = 'person' and p.person_id = c.subject_id
    left join computers m on c.subject_kind = 'computer' and m.computer_id = c.subject_id
    left join deployments d on d.deployment_id = (coalesce(c.after, c.before) ->> 'deployment_id')::uuid
    where c.seq = any (${changes.map(({ seq }) => seq)}::bigint[])`.execute(db)
  const names = new Map(rows.map(({ seq, ...name }) => [seq, name]))
  return changes.map((change) => ({ ...change, ...(names.get(change.seq) ?? none) }))
}

import { sql, type Kysely } from 'kysely'
import type { Database, SubjectKind } from '../db/tables.ts'

/** A target of a snapshot. */
export interface SnapshotTarget {
  tenantId: string
  subjectKind: SubjectKind
  subjectId: string
  itemId: string
  deploymentId: string
  scope: string
  version: string
  desiredState: string
  enforcement: string
  reason: Record<string, unknown>
  since: Date
}

type Row = { [K in keyof SnapshotTarget]: SnapshotTarget[K] | null } & { seq: number }

/** After which subject and item a page begins. */
export interface SnapshotPosition {
  subjectId: string
  itemId: string
}

/**
 * All targets, of all tenants or of one, and the seq at which they are true; or `page`: at most so many in the order of
 * subject and item, with the seq at which these are true.
 */
export async function readSnapshot(
  db: Kysely<Database>,
  of: { tenantId?: string | null; page?: { limit: number; from?: SnapshotPosition | undefined } } = {},
): Promise<{ seq: number; targets: SnapshotTarget[] }> {
  const { tenantId = null, page } = of
  const from = page?.from ?? null
  const { rows } = await sql<Row>`
    select f.last_seq as seq, t.*
    from target_feed f
    left join lateral (
      select tenant_id as "tenantId", subject_kind as "subjectKind", subject_id as "subjectId", item_id as "itemId",
        deployment_id as "deploymentId", scope, version, desired_state as "desiredState", enforcement, reason, since
      from deployment_targets
      where (${tenantId}::uuid is null or tenant_id = ${tenantId}::uuid)
        ${from === null ? sql`` : sql`and (subject_id, item_id) > (${from.subjectId}::uuid, ${from.itemId}::uuid)`}
      order by subject_id, item_id ${page === undefined ? sql`` : sql`limit ${page.limit}`}
    ) t on true`.execute(db)
  return {
    seq: rows[0]?.seq ?? 0,
    targets: rows.flatMap(({ seq: _, ...row }) => (row.subjectId === null ? [] : [row as SnapshotTarget])),
  }
}

import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

/** What a round would take from one group that a deployment names, in members. */
export interface NamedGroupLoss {
  groupId: string
  name: string
  count: number
  /** Members now. */
  total: number
  /** Let go in the last 24 hours. */
  recent: number
}

/**
 * Losses of groups that an enabled deployment names, as target or as exclude, by the round's pending removals of
 * memberships, or of groups: those lose all their members.
 */
export async function namedGroupLosses(
  db: Kysely<Database>,
  entraTenantId: string,
  roundId: string,
  kind: 'group' | 'membership',
): Promise<NamedGroupLoss[]> {
  const { rows } = await sql<NamedGroupLoss>`
    with losing as (
      select key[1] as group_id, count(*) as losses from sync_pending_removals
      where round_id = ${roundId} and kind = ${kind} group by key[1]
    ), named as materialized (
      select l.* from losing l where l.group_id in (
        select r.group_id from deployment_roots r join deployments d using (deployment_id)
        where d.enabled and r.entra_tenant_id = ${entraTenantId})
    ), sized as (
      select n.*, (select count(*) from group_members m
        where m.entra_tenant_id = ${entraTenantId} and m.group_id = n.group_id) as total
      from named n
    )
    select s.group_id as "groupId", coalesce(g.display_name, s.group_id::text) as name, s.total,
      ${kind === 'group' ? sql`s.total` : sql`s.losses`} as count,
      (select coalesce(sum(a.count), 0)::int from applied_removals a where a.entra_tenant_id = ${entraTenantId}
        and a.group_id = s.group_id and a.at > now() - interval '24 hours') as recent
    from sized s join groups g on g.entra_tenant_id = ${entraTenantId} and g.object_id = s.group_id
    order by s.group_id`.execute(db)
  return rows
}

/** Notes for the guard how many members each of these groups has lost: a slow drip counts as one set. */
export async function noteNamedLosses(
  db: Kysely<Database>,
  entraTenantId: string,
  losses: readonly Pick<NamedGroupLoss, 'groupId' | 'count'>[],
): Promise<void> {
  if (losses.length === 0) return
  await db
    .insertInto('applied_removals')
    .values(
      losses.map(({ groupId, count }) => ({
        entra_tenant_id: entraTenantId,
        kind: 'membership',
        count,
        group_id: groupId,
      })),
    )
    .execute()
}

import { sql, type Kysely } from 'kysely'
import { jsonRows } from './json.ts'
import type { MergeTable } from './merge.ts'
import type { Database } from './tables.ts'

const text = (name: string) => ({ name, type: 'text' as const })
const boolean = (name: string) => ({ name, type: 'boolean' as const })

export const GROUPS: MergeTable = {
  name: 'groups',
  kind: 'group',
  keepsDeleted: true,
  columns: [
    text('display_name'),
    text('mail'),
    text('mail_nickname'),
    { name: 'kind', type: 'text', otherwise: `'security'` },
    boolean('security_enabled'),
    boolean('mail_enabled'),
    boolean('on_premises_sync_enabled'),
    { name: 'is_dynamic', type: 'boolean', otherwise: 'false' },
    { name: 'is_team', type: 'boolean', otherwise: 'false' },
    text('visibility'),
    { name: 'members_visible', type: 'boolean', otherwise: 'true' },
  ],
}

/** Judges the kind of groups anew from what is stored now; `unified` null = it is what it was. As `kindOfGroup`. */
export async function judgeKinds(
  db: Kysely<Database>,
  entraTenantId: string,
  groups: readonly { object_id: string; unified: boolean | null }[],
): Promise<void> {
  if (groups.length === 0) return
  await sql`
    update groups g set kind = case
        when coalesce(x.unified, g.kind = 'microsoft365') then 'microsoft365'
        when g.mail_enabled is not true then 'security'
        when g.security_enabled then 'mail_enabled_security'
        else 'distribution' end
    from jsonb_to_recordset(${jsonRows(groups)}::jsonb) as x(object_id uuid, unified boolean)
    where g.entra_tenant_id = ${entraTenantId} and g.object_id = x.object_id`.execute(db)
}

/**
 * Teams whose archived state is to be read, `most` at a time, each at most daily. `all`: those that were never read come
 * first, then the longest ago; else only those that are new or have changed since the last look at Teams.
 */
export async function dueTeams(
  db: Kysely<Database>,
  entraTenantId: string,
  { all, most }: { all: boolean; most: number },
): Promise<string[]> {
  const { rows } = await sql<{ object_id: string }>`
    select g.object_id from groups g join entra_tenants e using (entra_tenant_id)
    where g.entra_tenant_id = ${entraTenantId} and g.is_team and g.deleted_at is null
      and (g.team_read_at is null or g.team_read_at < now() - interval '1 day')
      and (${all} or g.changed_at > greatest(g.team_read_at, e.teams_read_at))
    order by g.team_read_at nulls first, g.object_id limit ${most}`.execute(db)
  return rows.map((row) => row.object_id)
}

/** Notes the archived state of Teams; null = it could not be read, asked again no sooner than after a day. */
export async function saveTeams(
  db: Kysely<Database>,
  entraTenantId: string,
  teams: readonly { object_id: string; archived: boolean | null }[],
): Promise<void> {
  await sql`
    update groups g set team_read_at = now(), team_archived = coalesce(x.archived, g.team_archived)
    from jsonb_to_recordset(${jsonRows(teams)}::jsonb) as x(object_id uuid, archived boolean)
    where g.entra_tenant_id = ${entraTenantId} and g.object_id = x.object_id`.execute(db)
}

export async function countGroups(db: Kysely<Database>, entraTenantId: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) from groups where entra_tenant_id = ${entraTenantId} and deleted_at is null`.execute(db)
  return rows[0]?.count ?? 0
}

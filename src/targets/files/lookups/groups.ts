import { sql, type Kysely } from 'kysely'
import type { Database } from '../../../db/tables.ts'
import { isGuid } from '../checks.ts'

export interface KnownGroup {
  groupId: string
  entraTenantId: string
  name: string | null
  isTeam: boolean
  gone: boolean
}

/** A group by its id, or by its name within an Entra tenant. */
export interface WantedGroup {
  text: string
  entraTenantId: string | null
}

export type Groups = Awaited<ReturnType<typeof lookUpGroups>>

/** Groups by id and by name, in at most three queries. Groups that are deleted count where no live one has the name. */
export async function lookUpGroups(db: Kysely<Database>, wanted: readonly WantedGroup[]) {
  const ids = wanted.filter(({ text }) => isGuid(text)).map(({ text }) => text.toLowerCase())
  const named = wanted.filter(({ text, entraTenantId }) => !isGuid(text) && entraTenantId !== null)
  const keys = [...new Map(named.map((one) => [keyOf(one), one])).values()]
  const byId = ids.length === 0 ? [] : await findById(db, ids)
  const byName = keys.length === 0 ? [] : await findByName(db, keys)

  const found = new Map<string, KnownGroup[]>()
  for (const group of byId) found.set(group.groupId, [...(found.get(group.groupId) ?? []), group])
  for (const { no, ...group } of byName) {
    const key = keyOf(keys[no] ?? { text: '', entraTenantId: null })
    found.set(key, [...(found.get(key) ?? []), group])
  }
  const missing = keys.filter((one) => !found.has(keyOf(one))).map(({ entraTenantId }) => entraTenantId)
  const names = missing.length === 0 ? new Map<string, string[]>() : await namesOf(db, missing)

  return {
    find(one: WantedGroup): KnownGroup[] {
      const all = found.get(isGuid(one.text) ? one.text.toLowerCase() : keyOf(one)) ?? []
      const live = all.filter(({ gone }) => !gone)
      return live.length > 0 ? live : all.slice(0, 1)
    },
    /** For suggestions; only of Entra tenants in which some group was not found. */
    namesIn: (entraTenantId: string): string[] => names.get(entraTenantId) ?? [],
  }
}

function keyOf({ text, entraTenantId }: WantedGroup): string {
  return `${entraTenantId} ${text.toLowerCase()}`
}

const columns = sql`g.object_id as "groupId", g.entra_tenant_id as "entraTenantId", g.display_name as name,
      g.is_team as "isTeam", g.deleted_at is not null as gone`

async function findById(db: Kysely<Database>, ids: readonly string[]): Promise<KnownGroup[]> {
  const { rows } = await sql<KnownGroup>`
    select ${columns} from groups g where g.object_id = any(${ids}::uuid[])
    order by g.deleted_at desc nulls first, g.entra_tenant_id`.execute(db)
  return rows
}

async function findByName(
  db: Kysely<Database>,
  wanted: readonly WantedGroup[],
): Promise<(KnownGroup & { no: number })[]> {
  const { rows } = await sql<KnownGroup & { no: number }>`
    with wanted as (
      select no::int - 1 as no, entra_tenant_id, lower(name) as name
      from unnest(${wanted.map(({ entraTenantId }) => entraTenantId)}::uuid[], ${wanted.map(({ text }) => text)}::text[])
        with ordinality as w (entra_tenant_id, name, no)
    )
    select w.no, ${columns} from wanted w
    join groups g on g.entra_tenant_id = w.entra_tenant_id and lower(g.display_name) = w.name and g.deleted_at is null
    union all
    select w.no, ${columns} from wanted w
    join groups g on g.entra_tenant_id = w.entra_tenant_id and lower(g.display_name) = w.name and g.deleted_at is not null
    order by "groupId"`.execute(db)
  return rows
}

async function namesOf(
  db: Kysely<Database>,
  entraTenantIds: readonly (string | null)[],
): Promise<Map<string, string[]>> {
  const { rows } = await sql<{ id: string; names: string[] }>`
    select entra_tenant_id as id, array_agg(distinct display_name) as names from groups
    where entra_tenant_id = any(${entraTenantIds}::uuid[]) and deleted_at is null and display_name is not null
    group by entra_tenant_id`.execute(db)
  return new Map(rows.map(({ id, names }) => [id, names]))
}

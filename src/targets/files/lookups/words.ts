import { sql, type Kysely } from 'kysely'
import type { Database } from '../../../db/tables.ts'

/** Tags that a live person has, in lower case. */
export async function tagsInUse(db: Kysely<Database>): Promise<Set<string>> {
  const { rows } = await sql<{ tag: string }>`
    select distinct lower(tag) as tag from persons p cross join unnest(p.tags) as tag
    where p.tags <> '{}' and p.deleted_at is null`.execute(db)
  return new Set(rows.map(({ tag }) => tag))
}

export async function knownEntitlements(db: Kysely<Database>): Promise<Set<string>> {
  const rows = await db.selectFrom('app_entitlements').select('entitlement').execute()
  return new Set(rows.map(({ entitlement }) => entitlement))
}

export interface KnownItem {
  itemId: string
  name: string
  kind: 'software' | 'task'
  hasDeployment: boolean
}

/** All maintenance items, by their names in lower case. */
export async function knownItems(db: Kysely<Database>): Promise<Map<string, KnownItem>> {
  const { rows } = await sql<KnownItem>`
    select i.item_id as "itemId", i.name, i.kind,
      exists (select from deployments d where d.item_id = i.item_id) as "hasDeployment"
    from maintenance_items i`.execute(db)
  return new Map(rows.map((item) => [item.name.toLowerCase(), item]))
}

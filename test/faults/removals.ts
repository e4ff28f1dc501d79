import { sql, type Kysely } from 'kysely'
import type { Database } from '../../src/db/tables.ts'

/** What was taken out of the tables, by whomever, also when it came back at once. */
export interface Removal {
  what: 'person' | 'group' | 'membership' | 'license' | 'sku'
  entra_tenant_id: string
  key: string
}

/** From now on every removal that commits is written down by the database itself. */
export async function noteRemovals(db: Kysely<Database>): Promise<void> {
  await sql`create table noted_removals (what text, entra_tenant_id uuid, key text)`.execute(db)
  const note = async (table: string, what: string, key: string, when: string) => {
    await sql
      .raw(
        `create function note_${table}() returns trigger language plpgsql set search_path = entra_sync as $$ begin
          insert into noted_removals values ('${what}', old.entra_tenant_id, ${key}); return null; end $$`,
      )
      .execute(db)
    await sql.raw(`create trigger note_${table} after ${when} execute function note_${table}()`).execute(db)
  }
  const softly = (table: string) =>
    `update on ${table} for each row when (old.deleted_at is null and new.deleted_at is not null)`
  await note('persons', 'person', 'old.object_id::text', softly('persons'))
  await note('groups', 'group', 'old.object_id::text', softly('groups'))
  const deletes = (table: string) => `delete on ${table} for each row`
  await note('group_members', 'membership', `old.group_id || '/' || old.member_id`, deletes('group_members'))
  await note('person_licenses', 'license', `old.object_id || '/' || old.sku_id`, deletes('person_licenses'))
  await note('subscribed_skus', 'sku', 'old.sku_id::text', deletes('subscribed_skus'))
}

export async function forgetRemovals(db: Kysely<Database>): Promise<void> {
  await sql`delete from noted_removals`.execute(db)
}

export async function notedRemovals(db: Kysely<Database>): Promise<Removal[]> {
  return (await sql<Removal>`select * from noted_removals`.execute(db)).rows
}

import { sql, type Kysely } from 'kysely'
import type { Database } from '../../src/db/tables.ts'

/** Keys and words with a meaning of their own: to change them would be to ask for something else. */
const kept =
  /(^|_)(id|url|link|hash|code|kind|status|state|mode|scope|version|checksum|outcome|direction|type|method|level|sealed|slug|step|role|roles)$/

/** Appends a text to every text of every table that the schema lets have it; answers to which. */
export async function poison(db: Kysely<Database>, hostile: string): Promise<string[]> {
  const { rows } = await sql<{ table: string; column: string }>`
    select c.table_name as "table", c.column_name as "column" from information_schema.columns c
    join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'entra_sync' and t.table_type = 'BASE TABLE' and c.data_type = 'text'`.execute(db)
  const done: string[] = []
  for (const { table, column } of rows) {
    if (kept.test(column) || table === 'schema_migrations') continue
    const result =
      await sql`update ${sql.table(table)} set ${sql.ref(column)} = ${sql.ref(column)} || ${hostile}
      where ${sql.ref(column)} is not null`
        .execute(db)
        .catch(() => null)
    if ((result?.numAffectedRows ?? 0n) > 0n) done.push(`${table}.${column}`)
  }
  return done
}

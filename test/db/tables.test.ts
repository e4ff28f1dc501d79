import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { expect, test } from 'vitest'
import { testDatabase } from '../harness/database.ts'

test('tables.ts has the tables and columns of the live schema, no more and no fewer', async () => {
  const database = await testDatabase()
  try {
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    const { rows } = await client.query<{ table: string; columns: string[] }>(
      `select table_name as table, array_agg(column_name::text order by column_name) as columns
       from information_schema.columns where table_schema = 'entra_sync' group by 1 order by 1`,
    )
    await client.end()
    expect(await typedTables()).toEqual(
      Object.fromEntries(rows.map(({ table, columns }) => [table, columns])),
    )
  } finally {
    await database.drop()
  }
})

/** Columns by table, read off the text of tables.ts: types are gone when the test runs. */
async function typedTables(): Promise<Record<string, string[]>> {
  const text = await readFile(new URL('../../src/db/tables.ts', import.meta.url), 'utf8')
  const interfaces = new Map(
    [...text.matchAll(/interface (\w+)(?: extends \w+)? \{\n([\s\S]*?)\n\}/g)].map(([, name, body]) => [
      name,
      [...(body as string).matchAll(/^ {2}(\w+)\??:\s+(\S+)/gm)],
    ]),
  )
  return Object.fromEntries(
    (interfaces.get('Database') ?? []).map(([, table, type]) => [
      table,
      (interfaces.get(type) ?? []).map(([, column]) => column as string).toSorted(),
    ]),
  )
}

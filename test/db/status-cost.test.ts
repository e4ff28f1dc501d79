import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { testDatabase } from '../harness/database.ts'

test('live persons are counted in an index, without the columns of persons', async () => {
  const { db, drop } = await testDatabase()
  try {
    await sql`insert into entra_tenants (entra_tenant_id) select md5(t::text)::uuid from generate_series(1, 50) t`.execute(
      db,
    )
    await sql`
      insert into persons (entra_tenant_id, object_id, user_principal_name, display_name)
      select md5(t::text)::uuid, md5(t || ' ' || n)::uuid, n || '@' || t || '.example', repeat('x', 100)
      from generate_series(1, 50) t, generate_series(1, 200) n order by t, n`.execute(db)
    await sql`vacuum analyze persons`.execute(db)
    const { rows } = await sql<{ 'QUERY PLAN': string }>`
      explain select entra_tenant_id, users from tenant_status`.execute(db)
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(plan).toMatch(/ on persons_live|using persons_live/)
    expect(plan).not.toContain('Seq Scan on persons')
  } finally {
    await drop()
  }
})

import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { importComputers } from '../../../src/targets/imports/computers.ts'
import { emptyWorld, tenantOf } from '../world.ts'

// Rows were compared with every computer of their tenant, and the view was worked out for all computers: each of these
// imports went beyond the statement timeout, right after the first one, when Postgres has no statistics of computers yet.
test('forty thousand computers of one tenant are imported, and again, and kept when all would lose', async () => {
  const { db } = await emptyWorld()
  const { tenantId, entraTenantId } = await tenantOf({ db }, 'Contoso')
  await sql`insert into persons (entra_tenant_id, object_id, tenant_id, user_principal_name)
    select ${entraTenantId}, gen_random_uuid(), ${tenantId}, 'user' || n || '@contoso.example'
    from generate_series(1, 40000) n`.execute(db)
  await sql`insert into deployment_targets (tenant_id, family_id, subject_kind, subject_id, item_id, deployment_id, scope,
      version, desired_state, enforcement, reason)
    select tenant_id, entra_tenant_id, 'person', person_id, gen_random_uuid(), gen_random_uuid(), 'cross_tenant', 'latest',
      'installed', 'required', '{}' from persons cross join generate_series(1, 3)`.execute(db)
  // They were synced before, so Postgres knows how many there are.
  await sql`analyze persons, deployment_targets`.execute(db)
  const bring = (user: (n: number) => string) => {
    const records = Array.from({ length: 40_000 }, (_, n) => ({
      place: `record ${n}`,
      values: { tenant: 'Contoso', name: `PC-${n}`, primary_user_principal_name: user(n + 1) },
    }))
    const guard = { holdMin: 10, holdPercent: 20, holdMax: 1000 }
    const options = { keep: true, replace: true, confirmed: false, guard, actor: 'test' }
    return importComputers(db, { records, problems: [] }, options)
  }
  const own = (n: number) => `user${n}@contoso.example`
  expect(await bring(own)).toMatchObject({ applied: true, added: { length: 40_000 } })
  expect(await bring(own)).toMatchObject({ applied: true, unchanged: 40_000, losing: [] })
  expect(await bring(() => '')).toMatchObject({
    applied: false,
    losing: { length: 40_000 },
    tooLarge: [{ losing: 40_000, of: 40_000, reason: 'over_max' }],
  })
})

import { sql } from 'kysely'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { secretCredential } from '../../../src/consent/apps/new-credential.ts'
import { setCustomLevel } from '../../../src/consent/apps/permission-level.ts'
import { detachCustomer, previewDetach } from '../../../src/consent/customers/detach.ts'
import { refreshGdapProblems } from '../../../src/consent/customers/gdap-problems.ts'
import { readOrganization } from '../../../src/graph/organization.ts'
import { openKeyRing } from '../../../src/key-ring.ts'
import { openOwnApps, type OwnApps } from '../own-apps.ts'

let apps: OwnApps
beforeEach(async () => {
  apps = await openOwnApps()
  await sql`with made as (insert into tenants (name, slug) values ('Fabrikam', 'fabrikam') returning tenant_id)
    insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${apps.customer} from made`.execute(
    apps.database.db,
  )
  await sql`insert into persons (entra_tenant_id, object_id) values (${apps.customer}, gen_random_uuid())`.execute(
    apps.database.db,
  )
})
afterEach(() => apps.close())

const request = () => ({ entraTenantId: apps.customer, defaultClientId: apps.cloud.clientId })
const detach = () => detachCustomer(apps.database.db, { ...request(), actor: 'anna' })

async function state(): Promise<unknown> {
  const { rows } = await sql`
    select s.kind, s.scheduled, s.state,
      (select count(*)::int from tenant_links where entra_tenant_id = s.entra_tenant_id) as links,
      (select count(*)::int from persons where entra_tenant_id = s.entra_tenant_id and deleted_at is null) as persons,
      array(select code from problems where entra_tenant_id = s.entra_tenant_id and closed_at is null) as problems
    from tenant_status s where entra_tenant_id = ${apps.customer}`.execute(apps.database.db)
  return rows[0]
}

it("makes a customer standalone that goes on being read with its partner's own app", async () => {
  const own = apps.register()
  await setCustomLevel(apps.database.db, await openKeyRing(apps.config), {
    entraTenantId: apps.partner,
    clientId: own.clientId,
    credential: secretCredential(own.secret(), null),
    actor: 'test',
  })
  await sql`insert into consents (entra_tenant_id, app_id, status, granted_at)
    values (${apps.customer}, ${own.clientId}, 'granted', now())`.execute(apps.database.db)
  const told = {
    entraTenantId: apps.customer,
    name: 'The Customer',
    partnerEntraTenantId: apps.partner,
    partnerName: 'The Partner',
    appInUse: own.clientId,
    appWanted: apps.cloud.clientId,
    scheduled: true,
    state: 'new',
  }
  expect(await previewDetach(apps.database.db, request())).toEqual(told)
  expect(await state()).toMatchObject({ kind: 'customer' })
  expect(await detach()).toEqual(told)
  expect(await state()).toEqual({
    kind: 'standalone',
    scheduled: true,
    state: 'new',
    links: 1,
    persons: 1,
    problems: [],
  })
  const { rows } =
    await sql`select actor, action, entra_tenant_id as id, detail->>'partner' as partner from audit_log
    where action = 'customer_detached'`.execute(apps.database.db)
  expect(rows).toEqual([
    { actor: 'anna', action: 'customer_detached', id: apps.customer, partner: apps.partner },
  ])
  const graph = await apps.process()
  expect(await graph.appIdFor(apps.customer)).toBe(own.clientId)
  expect(await apps.appInUse(graph, apps.customer)).toBe(own.clientId)
  expect((await readOrganization(graph.forTenant(apps.customer))).id).toBe(apps.customer)
})

it('lets one whose relationships have ended be read again, and closes their problem', async () => {
  await sql`update gdap_relationships set status = 'terminated'`.execute(apps.database.db)
  await refreshGdapProblems(apps.database.db)
  expect(await state()).toMatchObject({ state: 'gdap_ended', scheduled: false, problems: ['gdap_ended'] })
  expect(await detach()).toMatchObject({ scheduled: true, appInUse: apps.cloud.clientId })
  expect(await state()).toMatchObject({ kind: 'standalone', scheduled: true, problems: [] })
  expect(await refreshGdapProblems(apps.database.db)).toBe(0)
})

it('refuses what is no customer, or unknown', async () => {
  await detach()
  await expect(detach()).rejects.toMatchObject({ code: 'not_a_customer' })
  await expect(previewDetach(apps.database.db, request())).rejects.toMatchObject({ code: 'not_a_customer' })
  await expect(
    detachCustomer(apps.database.db, { ...request(), entraTenantId: apps.partner, actor: 'anna' }),
  ).rejects.toMatchObject({ code: 'not_a_customer' })
  await expect(
    detachCustomer(apps.database.db, {
      ...request(),
      entraTenantId: '00000000-0000-4000-8000-00000000dead',
      actor: 'anna',
    }),
  ).rejects.toMatchObject({ code: 'entra_tenant_unknown' })
})

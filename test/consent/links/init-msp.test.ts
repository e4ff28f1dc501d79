import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { initMsp, type InitResult } from '../../../src/consent/links/init-msp.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { openCloud, type CloudAndGraph } from '../cloud.ts'

let database: TestDatabase
let opened: CloudAndGraph

beforeAll(async () => {
  opened = await openCloud({ customers: 1, users: 2 })
})
afterAll(() => opened.close())
beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.drop())

function init(entraTenant: string, name = 'Contoso MSP'): Promise<InitResult> {
  return initMsp(database.db, (text) => opened.graph.tenantIdOf(text), { name, entraTenant, actor: 'anna' })
}

async function tenants(): Promise<unknown[]> {
  const { rows } = await sql`
    select t.name, t.slug, t.is_msp, l.entra_tenant_id, s.kind from tenants t
    left join tenant_links l using (tenant_id) left join tenant_status s using (entra_tenant_id)`.execute(
    database.db,
  )
  return rows
}

describe('init', () => {
  it('links the MSP by a verified domain, once', async () => {
    const { partnerTenantId, tenants: all } = opened.cloud
    const first = await init(all[0]?.defaultDomain ?? '')
    expect(first).toMatchObject({ entraTenantId: partnerTenantId, created: true })
    expect(await init(partnerTenantId.toUpperCase())).toEqual({ ...first, created: false })
    expect(await tenants()).toEqual([
      {
        name: 'Contoso MSP',
        slug: 'contoso-msp',
        is_msp: true,
        entra_tenant_id: partnerTenantId,
        kind: 'partner',
      },
    ])
    const { rows } = await sql`select actor, action from audit_log`.execute(database.db)
    expect(rows).toEqual([{ actor: 'anna', action: 'msp_created' }])
  })

  it('refuses a second MSP', async () => {
    await init(opened.cloud.partnerTenantId)
    await expect(init(opened.cloud.tenants[1]?.id ?? '')).rejects.toMatchObject({
      kind: 'input',
      code: 'msp_exists',
    })
    expect(await tenants()).toHaveLength(1)
  })

  it.each(['no-such-domain.example', '99999999-9999-4999-8999-999999999999', 'not a domain', ''])(
    'refuses %j and makes nothing',
    async (name) => {
      await expect(init(name)).rejects.toMatchObject({ kind: 'input' })
      expect(await tenants()).toEqual([])
    },
  )

  it('refuses an Entra tenant that another tenant is linked to', async () => {
    await sql`insert into entra_tenants (entra_tenant_id) values (${opened.cloud.partnerTenantId})`.execute(
      database.db,
    )
    await sql`insert into tenants (name, slug) values ('Other', 'other')`.execute(database.db)
    await sql`
      insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${opened.cloud.partnerTenantId} from tenants`.execute(
      database.db,
    )
    await expect(init(opened.cloud.partnerTenantId)).rejects.toMatchObject({ code: 'entra_tenant_linked' })
  })

  it('refuses an empty name', async () => {
    await expect(init(opened.cloud.partnerTenantId, '  ')).rejects.toMatchObject({ code: 'name_empty' })
  })
})

import { sql, type Kysely } from 'kysely'
import type { TenantHandle, Truth } from '../../simulator/types.ts'
import type { Database } from '../../src/db/tables.ts'

/** Deployments of one Entra tenant, each of an item of its own, so that none can win over another. */
export interface Estate {
  everyone: string
  /** By group; its nested groups count. */
  groups: Map<string, string>
  /** By SKU. */
  licenses: Map<string, string>
}

/** The groups that an estate names: the largest ones, so that most of what happens concerns them. */
function namedGroups(truth: Truth, count: number): string[] {
  const size = new Map<string, number>()
  for (const { groupId } of truth.members) size.set(groupId, (size.get(groupId) ?? 0) + 1)
  return truth.groups
    .map(({ id }) => id)
    .sort((a, b) => (size.get(b) ?? 0) - (size.get(a) ?? 0))
    .slice(0, count)
}

/** A tenant of ours with a link to `tenant`, and deployments for everyone, for groups and for licences. */
export async function deployTo(db: Kysely<Database>, tenant: TenantHandle): Promise<Estate> {
  const truth = tenant.directory.truth()
  const name = tenant.displayName
  const tenantId = await idOf(sql`
    insert into tenants (name, slug) values (${name}, ${tenant.defaultDomain.replaceAll('.', '-')}) returning tenant_id as id`)
  await sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${tenantId}, ${tenant.id})`.execute(
    db,
  )

  async function idOf(statement: ReturnType<typeof sql<{ id: string }>>): Promise<string> {
    const id = (await statement.execute(db)).rows[0]?.id
    if (id === undefined) throw new Error('the insert answers an id')
    return id
  }
  async function deploy(what: string, type: string, target: object): Promise<string> {
    const item = await idOf(
      sql`insert into maintenance_items (name) values (${`${what} of ${name}`}) returning item_id as id`,
    )
    await sql`
      insert into deployments (name, item_id, scope, tenant_id, target_type, target)
      values (${`${what} of ${name}`}, ${item}, 'single_tenant', ${tenantId}, ${type}, ${JSON.stringify(target)}::jsonb)`.execute(
      db,
    )
    return item
  }

  const estate: Estate = {
    everyone: await deploy('Office', 'everyone', {}),
    groups: new Map(),
    licenses: new Map(),
  }
  for (const id of namedGroups(truth, 4))
    estate.groups.set(id, await deploy(`App of ${id}`, 'group', { group_id: id }))
  for (const { skuId } of truth.skus.slice(0, 3))
    estate.licenses.set(skuId, await deploy(`Licensed by ${skuId}`, 'license', { sku_id: skuId }))
  return estate
}

/** Consent proved and discoveries done, so that only what a round itself does happens. */
export async function quietBeside(
  db: Kysely<Database>,
  entraTenantId: string,
  clientId: string,
): Promise<void> {
  await sql`
    insert into consents (entra_tenant_id, app_id, status, next_proof_at) values (${entraTenantId}, ${clientId}, 'granted', '2100-01-01')
    on conflict (entra_tenant_id, app_id) do update set status = 'granted', next_proof_at = '2100-01-01'`.execute(
    db,
  )
  await sql`update entra_tenants set next_discovery_at = '2100-01-01' where entra_tenant_id = ${entraTenantId}`.execute(
    db,
  )
}

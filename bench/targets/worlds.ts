import { sql, type Kysely } from 'kysely'
import type { Database } from '../../src/db/tables.ts'

/** Ids that tell what they are of: kind, number of the tenant, number in it. */
const id = (kind: string, tenant: string, n: string) =>
  `(lpad(to_hex(${kind}), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(${tenant}), 4, '0') || lpad(to_hex(${n}), 8, '0'))::uuid`

const kinds = { entra: '1', tenant: '2', person: '3', group: '4', sku: '5', item: '6' }

/** Rows of `tenants` tenants, each with its own Entra tenant, persons, groups nested to depth 5, and licences. */
async function fill(
  db: Kysely<Database>,
  size: { tenants: number; persons: number; groups: number; groupsOfPerson: number },
): Promise<void> {
  const { tenants, persons, groups, groupsOfPerson } = size
  const tenant = `generate_series(1, ${tenants}) t`
  const statements = [
    `insert into tenants (tenant_id, name, slug) select ${id(kinds.tenant, 't', '0')}, 'Tenant ' || t, 'tenant-' || t from ${tenant}`,
    `insert into entra_tenants (entra_tenant_id, display_name) select ${id(kinds.entra, 't', '0')}, 'Tenant ' || t from ${tenant}`,
    `insert into tenant_links (tenant_id, entra_tenant_id) select ${id(kinds.tenant, 't', '0')}, ${id(kinds.entra, 't', '0')} from ${tenant}`,
    `insert into persons (entra_tenant_id, object_id, tenant_id, user_principal_name, display_name, department, account_enabled, user_type, tags)
     select ${id(kinds.entra, 't', '0')}, ${id(kinds.person, 't', 'p')}, ${id(kinds.tenant, 't', '0')},
       'person' || p || '@tenant' || t || '.example', 'Person ' || p, 'Department ' || p % 20, p % 50 <> 0,
       case when p % 40 = 0 then 'Guest' else 'Member' end, case when p % 25 = 0 then '{cad}' else '{}' end::text[]
     from ${tenant}, generate_series(1, ${persons}) p`,
    `insert into groups (entra_tenant_id, object_id, display_name, kind)
     select ${id(kinds.entra, 't', '0')}, ${id(kinds.group, 't', 'g')}, 'Group ' || (g + ${groups} * (t % 3)), 'security'
     from ${tenant}, generate_series(1, ${groups}) g`,
    // Every group but each fifth is below the one before it: chains of five.
    `insert into group_members
     select ${id(kinds.entra, 't', '0')}, ${id(kinds.group, 't', 'g')}, ${id(kinds.group, 't', '(g + 1)')}, 'group'
     from ${tenant}, generate_series(1, ${groups - 1}) g where g % 5 <> 0`,
    `insert into group_members
     select ${id(kinds.entra, 't', '0')}, ${id(kinds.group, 't', `(1 + ((p::bigint * 7919 + k * 104729) % ${groups})::int)`)}, ${id(kinds.person, 't', 'p')}, 'user'
     from ${tenant}, generate_series(1, ${persons}) p, generate_series(1, ${groupsOfPerson}) k
     on conflict do nothing`,
    `insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, capability_status)
     select ${id(kinds.entra, 't', '0')}, ${id(kinds.sku, '0', 's')}, 'SKU_' || s, 'Enabled' from ${tenant}, generate_series(1, 6) s`,
    `insert into sku_service_plans (entra_tenant_id, sku_id, service_plan_id, service_plan_name, provisioning_status)
     select ${id(kinds.entra, 't', '0')}, ${id(kinds.sku, '0', 's')}, e.service_plan_id, e.service_plan_name, 'Success'
     from ${tenant}, (select row_number() over (order by service_plan_id) as s, * from app_entitlement_plans) e where s <= 6`,
    `insert into person_licenses (entra_tenant_id, object_id, sku_id)
     select ${id(kinds.entra, 't', '0')}, ${id(kinds.person, 't', 'p')}, ${id(kinds.sku, '0', '(1 + (p + k) % 6)')}
     from ${tenant}, generate_series(1, ${persons}) p, generate_series(1, 2) k where p % 10 <> 0`,
    'update entra_tenants set last_synced_at = now()',
    'analyze',
  ]
  for (const statement of statements) await sql.raw(statement).execute(db)
}

/** `count` deployments of as many items: most to groups, the rest to licences, entitlements, tags and everyone. */
async function deploy(db: Kysely<Database>, count: number, byId: boolean, groups: number): Promise<void> {
  await sql
    .raw(
      `insert into maintenance_items (item_id, name) select ${id(kinds.item, '0', 'i')}, 'Item ' || i from generate_series(1, ${count}) i`,
    )
    .execute(db)
  const group = `(1 + (i::bigint * 6151) % ${groups})::int`
  // Two deployments of ten compete for the item of their neighbour, so that winners have losers.
  await sql
    .raw(
      `insert into deployments (name, item_id, scope, tenant_id, target_type, target, excludes, filters)
       select 'Deployment ' || i, ${id(kinds.item, '0', '(case when i % 10 < 2 and i > 10 then i - 5 else i end)')},
         case when d.type = 'group' then 'single_tenant' else 'cross_tenant' end,
         case when d.type = 'group' then ${id(kinds.tenant, '1', '0')} end, d.type,
         case d.type when 'group' then jsonb_build_object('group_id', ${id(kinds.group, '1', group)})
           when 'group_name' then jsonb_build_object('name', 'Group ' || (${group} + ${byId ? groups : 0}))
           when 'license' then jsonb_build_object('sku_id', ${id(kinds.sku, '0', '(1 + i % 6)')})
           when 'app_entitlement' then jsonb_build_object('entitlement', (array['m365_apps_enterprise', 'm365_apps_business', 'project_desktop', 'visio_desktop'])[1 + i % 4])
           when 'tag' then '{"tag": "cad"}' else '{}' end,
         case when i % 7 = 0 then '[{"type": "tag", "tag": "cad"}]' else '[]' end::jsonb,
         case when d.type = 'everyone' then jsonb_build_object('departments', jsonb_build_array('Department ' || i % 20)) else '{}' end
       from generate_series(1, ${count}) i, lateral (select case
         when i % 20 < 14 then '${byId ? 'group' : 'group_name'}' when i % 20 < 16 then 'group_name' when i % 20 = 16 then 'license'
         when i % 20 = 17 then 'app_entitlement' when i % 20 = 18 then 'tag' else 'everyone' end as type) d`,
    )
    .execute(db)
}

/** One tenant of 100,000 persons and 5,000 groups with a million memberships, and 200 deployments. */
export async function oneLargeTenant(db: Kysely<Database>, scale = 1): Promise<void> {
  const groups = Math.round(5000 * scale)
  await fill(db, { tenants: 1, persons: Math.round(100_000 * scale), groups, groupsOfPerson: 10 })
  await deploy(db, 200, true, groups)
}

/** 1,000 tenants of 200 persons and 40 groups, and 100 deployments to all of them; a third of the tenants has each name. */
export async function manyTenants(db: Kysely<Database>, scale = 1): Promise<void> {
  await fill(db, { tenants: Math.round(1000 * scale), persons: 200, groups: 40, groupsOfPerson: 2 })
  await deploy(db, 100, false, 120)
}

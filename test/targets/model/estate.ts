import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Database } from '../../../src/db/tables.ts'

const guid = (kind: number, n: number): string =>
  `0000000${kind}-0000-4000-9000-${String(n).padStart(12, '0')}`
const many = (kind: number, length: number): string[] => Array.from({ length }, (_, n) => guid(kind, n))

/**
 * Three Entra tenants. The second is a twin of the first: the same ids of groups, users and devices, and the same names,
 * so that whatever is looked up without its Entra tenant finds too much.
 */
export const ids = {
  entra: many(1, 3),
  tenants: many(2, 6),
  objects: many(3, 6),
  groups: many(4, 7),
  devices: many(5, 4),
  computers: many(6, 6),
  items: many(7, 2),
  skus: many(8, 3),
  deployments: many(9, 9),
}
export const domains = ['a.example', 'b.example', 'ba.example']
export const plans = {
  enterprise: '43de0ff5-c92c-492b-9116-175376d08c38',
  business: '094e7854-93fc-4d55-b2c0-3ab5369ebdc1',
  visio: '663a804f-1c30-4ff0-9915-9db84f0d1cea',
  own: guid(8, 99),
}

export interface PersonPlace {
  id: string
  entra: string
  object: string | null
}

/** In each Entra tenant the same objects, and one person made by hand. */
export const people: PersonPlace[] = ids.entra.flatMap((entra, at) =>
  [...ids.objects, null].map((object, n) => ({ id: guid(3, 100 * (at + 1) + n), entra, object })),
)

export const assign = ids.entra.map((entra) => sql`select assign_tenants(${entra}::uuid)`)

export async function makeEstate(db: Kysely<Database>): Promise<void> {
  const [a, b, c] = ids.entra
  const [main, split, twin, second, unlinked, above] = ids.tenants
  await run(db, [
    sql`insert into tenants (tenant_id, name, slug, parent_tenant_id) values (${above}, 'Above', 'above', null), (${main}, 'Main', 'main', ${above}),
      (${split}, 'Split', 'split', ${main}), (${twin}, 'Twin', 'twin', ${split}), (${second}, 'Second', 'second', null), (${unlinked}, 'Unlinked', 'unlinked', ${main})`,
    sql`insert into entra_tenants (entra_tenant_id, last_synced_at) select id, now() from unnest(${ids.entra}::uuid[]) id`,
    sql`insert into tenant_links (tenant_id, entra_tenant_id, domain) values (${main}, ${a}, null), (${split}, ${a}, 'b.example'), (${twin}, ${b}, null), (${second}, ${c}, null)`,
    ...people.map(
      ({ id, entra, object }, n) => sql`
        insert into persons (person_id, entra_tenant_id, object_id, user_principal_name, account_enabled, user_type, first_seen_at)
        values (${id}, ${entra}, ${object}, ${`p${n % 7}@${domains[n % 2] ?? ''}`}, true, 'Member', '2026-01-01')`,
    ),
    sql`insert into groups (entra_tenant_id, object_id, display_name, kind)
      select e, g, 'Engineering', 'security' from unnest(${ids.entra}::uuid[]) e, unnest(${ids.groups}::uuid[]) g`,
    sql`insert into devices (entra_tenant_id, object_id, device_id)
      select e, d, d from unnest(${ids.entra}::uuid[]) e, unnest(${ids.devices}::uuid[]) d`,
    ...ids.computers.map(
      (id, n) => sql`
        insert into computers (computer_id, tenant_id, name, entra_device_id, primary_user_principal_name)
        values (${id}, ${ids.tenants[n % 5]}, ${`PC-${n}`}, ${ids.devices[n % 4]}, ${`P${n}@A.example`})`,
    ),
    sql`insert into maintenance_items (item_id, name, kind)
      select id, id::text, case when n = 1 then 'software' else 'task' end from unnest(${ids.items}::uuid[]) with ordinality as x (id, n)`,
    sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, capability_status)
      select e, s, 'SKU_' || n, 'Enabled' from unnest(${ids.entra}::uuid[]) e, unnest(${ids.skus}::uuid[]) with ordinality as x (s, n)`,
    sql`insert into sku_service_plans (entra_tenant_id, sku_id, service_plan_id, service_plan_name, provisioning_status)
      select e, s, p, 'PLAN_' || n, 'Success' from unnest(${ids.entra}::uuid[]) e, unnest(${ids.skus}::uuid[]) with ordinality as x (s, m),
        unnest(${Object.values(plans)}::uuid[]) with ordinality as y (p, n) where n <> m`,
    sql`insert into app_entitlements (entitlement, product_name) values ('own_app', 'Own')`,
    sql`insert into app_entitlement_plans (entitlement, service_plan_id, service_plan_name) values ('own_app', ${plans.own}, 'OWN')`,
    ...assign,
  ])
}

export async function run(db: Kysely<Database>, statements: readonly RawBuilder<unknown>[]): Promise<void> {
  for (const statement of statements) await statement.execute(db)
}

import fc from 'fast-check'
import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Database } from '../../src/db/tables.ts'

/** A small estate on which everything can happen: two Entra tenants, five tenants, pools of everything else. */
const guid = (kind: number, n: number): string =>
  `0000000${kind}-0000-4000-8000-${String(n).padStart(12, '0')}`
export const pools = {
  entra: [guid(1, 1), guid(1, 2)],
  tenants: [1, 2, 3, 4, 5].map((n) => guid(2, n)),
  persons: Array.from({ length: 12 }, (_, n) => guid(3, n)),
  groups: Array.from({ length: 8 }, (_, n) => guid(4, n)),
  devices: Array.from({ length: 4 }, (_, n) => guid(5, n)),
  computers: Array.from({ length: 5 }, (_, n) => guid(6, n)),
  items: [1, 2, 3].map((n) => guid(7, n)),
  skus: [1, 2, 3].map((n) => guid(8, n)),
  deployments: Array.from({ length: 8 }, (_, n) => guid(9, n)),
}
const plans = [
  ['43de0ff5-c92c-492b-9116-175376d08c38', 'OFFICESUBSCRIPTION'],
  ['094e7854-93fc-4d55-b2c0-3ab5369ebdc1', 'OFFICE_BUSINESS'],
  ['663a804f-1c30-4ff0-9915-9db84f0d1cea', 'VISIO_CLIENT_SUBSCRIPTION'],
] as const
const names = ['Engineering', 'engineering', 'Sales', 'Eng_1']
const domains = ['a.example', 'b.example']
const [a, b] = pools.entra as [string, string]
const entraOfPerson = (index: number): string => (index % 3 === 2 ? b : a)
const entraOfGroup = (index: number): string => (index >= 6 ? b : a)

/** One change of the inputs, as statements. */
export interface Change {
  what: string
  run: RawBuilder<unknown>[]
}

export async function makeEstate(db: Kysely<Database>): Promise<void> {
  const [m, c, s, u, p] = pools.tenants
  const statements = [
    sql`insert into tenants (tenant_id, name, slug, parent_tenant_id) values (${m}, 'Main', 'main', null), (${c}, 'Child', 'child', ${m}),
      (${s}, 'Second', 'second', null), (${u}, 'Unlinked', 'unlinked', null), (${p}, 'Parent', 'parent', null)`,
    sql`insert into entra_tenants (entra_tenant_id, display_name, last_synced_at) select id, 'Entra', now() from unnest(${pools.entra}::uuid[]) id`,
    sql`insert into tenant_links (tenant_id, entra_tenant_id, domain) values (${m}, ${a}, null), (${c}, ${a}, 'b.example'), (${s}, ${b}, null)`,
    ...pools.persons.map(
      (
        id,
        index,
      ) => sql`insert into persons (person_id, entra_tenant_id, object_id, user_principal_name, account_enabled, user_type)
        values (${id}, ${entraOfPerson(index)}, ${index === 11 ? null : id}, ${`p${index}@${domains[index % 2] ?? ''}`}, true, 'Member')`,
    ),
    ...pools.groups.map(
      (id, index) => sql`insert into groups (entra_tenant_id, object_id, display_name, kind)
        values (${entraOfGroup(index)}, ${id}, ${names[index % names.length]}, 'security')`,
    ),
    ...pools.devices.map(
      (id, index) =>
        sql`insert into devices (entra_tenant_id, object_id, device_id) values (${index === 3 ? b : a}, ${id}, ${id})`,
    ),
    ...pools.computers.map(
      (
        id,
        index,
      ) => sql`insert into computers (computer_id, tenant_id, name, entra_device_id, primary_user_principal_name)
        values (${id}, ${pools.tenants[index]}, ${`PC-${index}`}, ${pools.devices[index] ?? null}, ${`P${index}@A.example`})`,
    ),
    ...pools.items.map(
      (id, index) => sql`insert into maintenance_items (item_id, name) values (${id}, ${`Item ${index}`})`,
    ),
    ...pools.entra.flatMap((entra) =>
      pools.skus.flatMap((sku, index) => [
        sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, capability_status) values (${entra}, ${sku}, ${`SKU_${index}`}, 'Enabled')`,
        ...plans
          .filter((_, plan) => plan !== index)
          .map(
            ([
              plan,
              name,
            ]) => sql`insert into sku_service_plans (entra_tenant_id, sku_id, service_plan_id, service_plan_name, provisioning_status)
              values (${entra}, ${sku}, ${plan}, ${name}, 'Success')`,
          ),
      ]),
    ),
    ...assign,
  ]
  for (const statement of statements) await statement.execute(db)
}

const assign = pools.entra.map((id) => sql`select assign_tenants(${id}::uuid)`)

const index = (length: number) => fc.nat(length - 1)
const of = <T>(list: readonly T[]) => fc.constantFrom(...list)

const edge = fc
  .record({
    group: index(8),
    member: fc.oneof(of(pools.persons), of(pools.groups), of(pools.devices)),
    there: fc.boolean(),
  })
  .map(({ group, member, there }): Change => {
    const type = member.startsWith('00000003') ? 'user' : member.startsWith('00000004') ? 'group' : 'device'
    const key = [entraOfGroup(group), pools.groups[group], member] as const
    return {
      what: `${there ? 'member' : 'no member'} ${member} of group ${group}`,
      run: [
        there
          ? sql`insert into group_members values (${key[0]}, ${key[1]}, ${key[2]}, ${type}) on conflict do nothing`
          : sql`delete from group_members where entra_tenant_id = ${key[0]} and group_id = ${key[1]} and member_id = ${key[2]}`,
      ],
    }
  })

const group = fc
  .record({ group: index(8), name: of(names), gone: fc.boolean() })
  .map(({ group: at, name, gone }): Change => ({
    what: `group ${at} ${name} ${gone ? 'gone' : 'there'}`,
    run: [
      sql`update groups set display_name = ${name}, deleted_at = ${gone ? sql`now()` : null} where object_id = ${pools.groups[at]}`,
    ],
  }))

const person = fc
  .record({
    at: index(12),
    enabled: of([true, true, false, null]),
    type: of(['Member', 'Member', 'Guest', null]),
    department: of(['Design', 'SALES', null]),
    upn: of([...domains, 'x#EXT#@a.example']),
    tags: of([[], ['cad'], ['CAD', 'vip']]),
    gone: of([false, false, false, true]),
  })
  .map(({ at, enabled, type, department, upn, tags, gone }): Change => ({
    what: `person ${at} ${JSON.stringify({ enabled, type, department, upn, tags, gone })}`,
    run: [
      sql`update persons set account_enabled = ${enabled}, user_type = ${type}, department = ${department}, tags = ${tags}::text[],
          user_principal_name = ${upn.includes('@') ? `p${at}${upn}` : `p${at}@${upn}`}, deleted_at = ${gone ? sql`now()` : null}
          where person_id = ${pools.persons[at]}`,
      ...assign,
    ],
  }))

const license = fc
  .record({
    at: index(11),
    sku: of(pools.skus),
    there: fc.boolean(),
    off: fc.subarray(plans.map(([id]) => id)),
  })
  .map(({ at, sku, there, off }): Change => ({
    what: `${there ? 'licence' : 'no licence'} ${sku} of person ${at} without ${off.join()}`,
    run: [
      there
        ? sql`insert into person_licenses values (${entraOfPerson(at)}, ${pools.persons[at]}, ${sku}, ${off}::uuid[])
              on conflict (entra_tenant_id, object_id, sku_id) do update set disabled_plans = excluded.disabled_plans`
        : sql`delete from person_licenses where object_id = ${pools.persons[at]} and sku_id = ${sku}`,
    ],
  }))

const sku = fc
  .record({
    sku: of(pools.skus),
    status: of(['Enabled', 'Warning', 'Suspended', 'Deleted', null]),
    days: of([1, 60]),
    plan: of(['Success', 'Disabled', 'Error', null]),
  })
  .map(({ sku: id, status, days, plan }): Change => ({
    what: `SKU ${id} ${status} for ${days} days, plans ${plan}`,
    run: [
      sql`update subscribed_skus set capability_status = ${status}, status_since = now() - make_interval(days => ${days}) where sku_id = ${id}`,
      sql`update sku_service_plans set provisioning_status = ${plan} where sku_id = ${id} and service_plan_id = ${plans[0][0]}`,
    ],
  }))

const link = of<Change>([
  { what: 'no domain split', run: [sql`delete from tenant_links where domain is not null`, ...assign] },
  {
    what: 'domain split',
    run: [
      sql`insert into tenant_links (tenant_id, entra_tenant_id, domain) values (${pools.tenants[1]}, ${a}, 'b.example') on conflict do nothing`,
      ...assign,
    ],
  },
  { what: 'second unlinked', run: [sql`delete from tenant_links where entra_tenant_id = ${b}`, ...assign] },
  {
    what: 'second linked',
    run: [
      sql`insert into tenant_links (tenant_id, entra_tenant_id) select ${pools.tenants[2]}::uuid, ${b}::uuid
        where not exists (select from tenant_links where entra_tenant_id = ${b})`,
      ...assign,
    ],
  },
])

const tenant = fc
  .record({ at: of([1, 2, 3]), parent: of([0, 4, null]), cross: fc.boolean() })
  .map(({ at, parent, cross }): Change => ({
    what: `tenant ${at} below ${parent}, cross ${cross}`,
    run: [
      sql`update tenants set parent_tenant_id = ${parent === null ? null : pools.tenants[parent]}, in_cross_tenant_deployments = ${cross}
          where tenant_id = ${pools.tenants[at]}`,
    ],
  }))

const computer = fc
  .record({
    at: index(5),
    tenant: of(pools.tenants),
    device: of([...pools.devices, null]),
    there: of([true, true, true, false]),
    on: of([true, false, null]),
  })
  .map(({ at, tenant: owner, device, there, on }): Change => ({
    what: `computer ${at} ${there ? `of ${owner} with ${device}` : 'gone'}, device enabled ${on}`,
    run: [
      there
        ? sql`insert into computers (computer_id, tenant_id, name, entra_device_id) values (${pools.computers[at]}, ${owner}, ${`PC-${at}`}, ${device})
              on conflict (computer_id) do update set tenant_id = excluded.tenant_id, entra_device_id = excluded.entra_device_id`
        : sql`delete from computers where computer_id = ${pools.computers[at]}`,
      sql`update devices set account_enabled = ${on} where device_id = ${device}`,
    ],
  }))

const anyTarget = fc.oneof(
  fc.constant(['everyone', {}] as const),
  index(8).map((at) => ['group', { group_id: pools.groups[at] }] as const),
  of(['Engineering', 'sales', 'Nowhere']).map((name) => ['group_name', { name }] as const),
  of(['eng*', '?ales', 'Eng_1']).map((pattern) => ['group_name', { pattern }] as const),
  of(pools.skus).map((id) => ['license', { sku_id: id }] as const),
  of(plans).map(([id]) => ['license', { service_plan_id: id }] as const),
  of(['m365_apps_enterprise', 'm365_apps_business', 'visio_desktop']).map(
    (entitlement) => ['app_entitlement', { entitlement }] as const,
  ),
  of(['cad', 'VIP']).map((tag) => ['tag', { tag }] as const),
  of(pools.persons).map((id) => ['person', { person_id: id }] as const),
  of(pools.computers).map((id) => ['computer', { computer_id: id }] as const),
)

export const deployment = fc
  .record({
    at: index(8),
    item: of(pools.items),
    target: anyTarget,
    excludes: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(anyTarget, { maxLength: 2 }) },
    ),
    tenant: of(pools.tenants),
    single: fc.boolean(),
    state: of(['installed', 'uninstalled', 'update_if_found', 'ignored']),
    version: of(['latest', 'any', '2022']),
    rank: of([100, 100, 50]),
    filters: of([
      {},
      {},
      { accounts: 'any' },
      { guests: 'include' },
      { departments: ['design'] },
      { domains: ['b.example'] },
      { accounts: 'disabled', guests: 'only' },
    ]),
    enabled: of([true, true, true, false]),
    gone: of([false, false, false, true]),
  })
  .map(
    ({
      at,
      item,
      target: [type, target],
      excludes,
      tenant: owner,
      single,
      state,
      version,
      rank,
      filters,
      enabled,
      gone,
    }): Change => {
      const id = pools.deployments[at]
      if (gone)
        return {
          what: `no deployment ${at}`,
          run: [sql`delete from deployments where deployment_id = ${id}`],
        }
      const scope =
        type === 'person' || type === 'computer'
          ? 'individual'
          : type === 'group' || single
            ? 'single_tenant'
            : 'cross_tenant'
      const out = (excludes as readonly (readonly [string, object])[]).map(([kind, keys]) => ({
        type: kind,
        ...keys,
      }))
      return {
        what: `deployment ${at} ${JSON.stringify({ item, scope, owner, type, target, out, state, version, rank, filters, enabled })}`,
        run: [
          sql`insert into deployments (deployment_id, name, item_id, scope, tenant_id, target_type, target, excludes, filters, desired_state, version, rank, enabled)
          values (${id}, ${`D${at}`}, ${item}, ${scope}, ${scope === 'single_tenant' ? owner : null}, ${type}, ${JSON.stringify(target)}::jsonb,
            ${JSON.stringify(out)}::jsonb, ${JSON.stringify(filters)}::jsonb, ${state}, ${version}, ${rank}, ${enabled})
          on conflict (deployment_id) do update set item_id = excluded.item_id, scope = excluded.scope, tenant_id = excluded.tenant_id,
            target_type = excluded.target_type, target = excluded.target, excludes = excluded.excludes, filters = excluded.filters,
            desired_state = excluded.desired_state, version = excluded.version, rank = excluded.rank, enabled = excluded.enabled`,
        ],
      }
    },
  )

/** Any change of anything that a resolution reads. */
export const anyChange = fc.oneof(
  { weight: 6, arbitrary: edge },
  { weight: 2, arbitrary: group },
  { weight: 3, arbitrary: person },
  { weight: 3, arbitrary: license },
  { weight: 1, arbitrary: sku },
  { weight: 1, arbitrary: link },
  { weight: 1, arbitrary: tenant },
  { weight: 2, arbitrary: computer },
  { weight: 4, arbitrary: deployment },
)

export async function make(db: Kysely<Database>, change: Change): Promise<void> {
  for (const statement of change.run) await statement.execute(db)
}
